"""How much further an item goes because its users go with it.

The loss couples an item to the users who have it. Eliminate the users from Newton's system, and what is left
for item i is the Schur complement

    H_i - Σ_u B_ui H_u⁻¹ B_uiᵀ,    B_ui = ℓ'_ui I + ...

where ℓ'_ui = p_ui - 1 is the pull between the two; the rest of B_ui is of rank one. With the mean h_u of
the user's own curvature in place of H_u, the sum is f_i I with f_i = Σ_u ℓ'_ui² / h_u. So an item with
curvature h_i goes 1 / (1 - f_i / h_i) times as far as it would among users who stay where they are: on
gowalla a fifth further where few have it, a third where a hundred do (docs/forgetting.md).
"""

import torch
from torch import Tensor

from recsys_unlearn.recommenders.geometry import LossGeometry, LossTerms, Positives, inner_products

SMALLEST_CURVATURE = 1e-2  # of a user; below, they follow anywhere and say nothing


def following(
    now: LossTerms, slope: Tensor, items: Tensor, user: Tensor, positives: Positives, geometry: LossGeometry
) -> Tensor:
    """Sum of ℓ'_ui² / h_u over the users of a batch, for every item.

    Parameters
    ----------
    now, slope
        Derivatives of the loss of n users: of their positives, and (n, n_items) of all items as negatives.
    items, user
        (n_items, d), and (n, d): the users' rows of the table.

    Returns
    -------
    torch.Tensor
        float64 (n_items,): f_i.
    """
    pull = now.positive_slope + slope[positives.owner, positives.item]
    stiffness = _stiffness(now, slope, items, user, positives, geometry).clamp(min=SMALLEST_CURVATURE)
    gained = (pull.square() / stiffness[positives.owner]).double()
    return torch.zeros(len(items)).double().index_add_(0, positives.item, gained)


def _stiffness(
    now: LossTerms, slope: Tensor, items: Tensor, user: Tensor, positives: Positives, geometry: LossGeometry
) -> Tensor:
    """h_u (n,): mean second derivative of each user's loss in their own vector."""
    own, pushed = items[positives.item], slope @ items
    squares = torch.ones(len(items)) if geometry.spherical else inner_products(items, items)
    lengths = now.positive_curvature * squares[positives.item]
    trace = now.own_curvature(slope, squares, pushed).index_add(0, positives.owner, lengths)
    mean = trace / items.shape[1]
    if geometry.spherical:  # the pull along the radius bends every direction alike
        gradient = pushed.index_add(0, positives.owner, own * now.positive_slope[:, None])
        return mean - (gradient * user).sum(1) / geometry.user_length**2
    counts = torch.bincount(positives.owner, minlength=len(user))
    return mean + 2 * (geometry.regularization * counts + geometry.item_penalty)
