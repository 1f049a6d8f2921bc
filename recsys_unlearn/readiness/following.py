"""How much further an item goes because its users go with it.

The loss couples an item to the users who have it. Eliminate the users from Newton's system, and what is left
for item i is the Schur complement

    H_i - Σ_u B_ui H_u⁻¹ B_uiᵀ,    B_ui = ℓ'_ui I + ...

where ℓ'_ui = p_ui - 1 is the pull between the two; the rest of B_ui is of rank one. With 1 / h_u the mean of
H_u⁻¹ over directions, the sum is f_i I with f_i = Σ_u ℓ'_ui² / h_u. So an item whose own inverse has the mean
1 / h_i goes 1 / (1 - f_i / h_i) times as far as it would among users who stay where they are: on
gowalla a sixth further where few have it, a quarter where a hundred do (docs/forgetting.md).

H_u is taken to be a_u S + b_u I: S are the eigenvalues of the items' second moment, with mean one, a_u the
mean curvature of the user's scores, and b_u what bends all directions alike.
"""

import torch
from torch import Tensor

from recsys_unlearn.recommenders.geometry import LossGeometry, LossTerms, Positives, inner_products

SMALLEST_CURVATURE = 1e-2  # of a user; below, they follow anywhere and say nothing
SHORTEST = 1e-6  # row of a user; a distance in units of nothing would be endless
SAMPLE = 2048  # items; their spectrum is a shape, and a single deletion should not read a table for it


def spectrum_of(items: Tensor) -> Tensor:
    """S (d,): eigenvalues of the second moment of the item rows, evenly sampled, in units of their mean."""
    sample = items[:: -(-len(items) // SAMPLE)]
    values = torch.linalg.eigvalsh(sample.T @ sample).clamp(min=0)
    return values / values.mean().clamp(min=torch.finfo(values.dtype).tiny)


def following(
    now: LossTerms,
    slope: Tensor,
    items: Tensor,
    spectrum: Tensor,
    user: Tensor,
    positives: Positives,
    geometry: LossGeometry,
) -> tuple[Tensor, Tensor]:
    """What the users of a batch add to f_i, and how far they are from where they would come to rest.

    Parameters
    ----------
    now, slope
        Derivatives of the loss of n users: of their positives, and (n, n_items) of all items as negatives.
    items, user
        (n_items, d), and (n, d): the users' rows of the table.
    spectrum
        S (d,).

    Returns
    -------
    float64 (n_items,)
        Sum of ℓ'_ui² / h_u.
    float64 (1,)
        Sum of the lengths of Newton's steps on each user's own loss, in units of their row's length.
    """
    pull = now.positive_slope + slope[positives.owner, positives.item]
    mean, alike, gradient = _own_loss(now, slope, items, user, positives, geometry)
    curvature = (mean.clamp(min=0)[:, None] * spectrum).add_(alike[:, None]).clamp_(min=SMALLEST_CURVATURE)
    gained = (pull.square() * curvature.reciprocal_().mean(1)[positives.owner]).double()
    step = gradient.norm(dim=1) / (mean + alike).clamp(min=SMALLEST_CURVATURE)
    distance = (step / user.norm(dim=1).clamp(min=SHORTEST)).sum(dtype=torch.float64)[None]
    return torch.zeros(len(items)).double().index_add_(0, positives.item, gained), distance


def _own_loss(
    now: LossTerms, slope: Tensor, items: Tensor, user: Tensor, positives: Positives, geometry: LossGeometry
) -> tuple[Tensor, Tensor, Tensor]:
    """a_u and b_u, (n,) each, and the gradient (n, d) of each user's loss in their own vector."""
    own, pushed = items[positives.item], slope @ items
    squares = torch.ones(len(items)) if geometry.spherical else inner_products(items, items)
    lengths = now.positive_curvature * squares[positives.item]
    trace = now.own_curvature(slope, squares, pushed).index_add(0, positives.owner, lengths)
    mean = trace / items.shape[1]
    gradient = pushed.index_add(0, positives.owner, own * now.positive_slope[:, None])
    if geometry.spherical:  # the pull along the radius bends every direction alike
        alike = -(gradient * user).sum(1) / geometry.user_length**2
    else:
        counts = torch.bincount(positives.owner, minlength=len(user))
        alike = 2 * (geometry.regularization * counts + geometry.item_penalty)
    return mean, alike, gradient.addcmul_(alike[:, None], user)
