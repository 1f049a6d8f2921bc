"""Sums over users of the training loss's first and second derivatives in the item table.

What some users contribute can be added and subtracted: the sums over everybody are readiness, the sums
over the forget set are what a deletion takes out. (All but ``following`` and ``unfinished`` can be split
within a user, too.)
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.readiness.following import following, spectrum_of
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import LossGeometry, Positives, blocks, inner_products

USERS_PER_BATCH = 512


@dataclass(frozen=True)
class LossSums:
    """Derivatives of the loss of some users, no sampling (FORGETTING, section 3).

    Parameters
    ----------
    gradient
        float32 (n_items, d): g_i = -Σ (1 - p_ui) x_u + Σ_u q_ui x_u + 2 λ n_i v_i; on the sphere, its
        part in the tangent plane of v_i.
    positive
        float64 (n_items,): P_i = Σ_{(u,i) positive} p_ui (1 - p_ui).
    pressure
        float64 (n_items,): Q_i = Σ_u q_ui.
    radial
        float64 (n_items,): r_i, what bends the loss in every direction alike: 2 λ n_i for free lengths;
        on the sphere -v_i · ∂L/∂v_i, the second term of the Riemannian Hessian (Absil, Mahony &
        Sepulchre 2008, eq. 5.15).
    holders
        float64 (n_items,): n_i, how many users have the item.
    following
        float64 (n_items,): f_i, by how much the users who follow an item take off its curvature
        (:mod:`recsys_unlearn.readiness.following`).
    unfinished
        float64 (1,): how far the users' rows are from the minima of their own losses, in row lengths.
    moment
        float64 (d, d): Σ_u w_u x_u x_uᵀ with w_u = Σ_i (1 - p_ui).
    weight, users, pairs
        float64 (1,): Σ_u w_u, and the numbers of users and of interactions.
    """

    gradient: Tensor
    positive: Tensor
    pressure: Tensor
    radial: Tensor
    holders: Tensor
    following: Tensor
    unfinished: Tensor
    moment: Tensor
    weight: Tensor
    users: Tensor
    pairs: Tensor

    def plus(self, other: Self, times: float = 1.0, **known: Tensor) -> Self:
        """Sum of both, ``other`` weighted; a sum that is ``known`` is taken as it is."""
        names = vars(self).keys() - known.keys()
        sums = {name: getattr(self, name).add(getattr(other, name), alpha=times) for name in names}
        return type(self)(**sums, **known)


def loss_sums(
    recommender: EmbeddingRecommender, interactions: Interactions, progress: Progress | None = None
) -> LossSums:
    """Sums over every user of ``interactions``."""
    users, spectrum = interactions.active_users, spectrum_of(torch.from_numpy(recommender.item_table))
    total = _batch_sums(recommender, interactions, users[:USERS_PER_BATCH], spectrum)
    for start in range(0, len(users), USERS_PER_BATCH):
        if start:
            batch = users[start : start + USERS_PER_BATCH]
            total = total.plus(_batch_sums(recommender, interactions, batch, spectrum))
        if progress:
            progress("measuring curvature", min(start + USERS_PER_BATCH, len(users)), len(users))
    return total


def _batch_sums(
    recommender: EmbeddingRecommender, interactions: Interactions, users: np.ndarray, spectrum: Tensor
) -> LossSums:
    geometry = recommender.geometry
    items, user = torch.from_numpy(recommender.item_table), torch.from_numpy(recommender.user_table[users])
    positives, scores = Positives.of(interactions, users), user @ items.T
    own = positives.owner, positives.item
    now = geometry.terms(scores, scores[own], positives.owner)
    slope, spread = now.slope(scores), now.positive_curvature.double()
    pressure = now.pressure(slope)
    follow, distance = following(now, slope, items, spectrum, user, positives, geometry)
    slope.index_put_(own, now.positive_slope, accumulate=True)
    holders = torch.bincount(positives.item, minlength=len(items)).double()
    if geometry.spherical:  # v_i · ∂L/∂v_i = Σ_u slope_ui v_i · x_u, and the scores are at hand
        radial = -scores.mul_(slope).sum(0).double()
    else:
        radial = 2 * geometry.regularization * holders
    return LossSums(
        gradient=_gradient(slope.T, user, radial.float()[:, None], items),
        positive=torch.zeros_like(holders).index_add_(0, positives.item, spread),
        pressure=pressure,
        radial=radial,
        holders=holders,
        following=follow,
        unfinished=distance,
        moment=((user * now.weight[:, None]).T @ user).double(),
        weight=now.weight.sum(dtype=torch.float64)[None],
        users=torch.tensor([len(users)]).double(),
        pairs=torch.tensor([len(positives.item)]).double(),
    )


def _gradient(slope: Tensor, user: Tensor, radial: Tensor, items: Tensor) -> Tensor:
    """Σ_u slope_iu x_u + r_i v_i, (n_items, d)."""
    gradient = torch.empty_like(items)
    for rows in blocks(len(items)):
        torch.mm(slope[rows], user, out=gradient[rows]).addcmul_(radial[rows], items[rows])
    return gradient


def retract(moved: Tensor, geometry: LossGeometry) -> Tensor:
    """Bring moved item rows back to where the loss lives, in place: to the sphere, or nowhere."""
    return normalize(moved, dim=1, out=moved) if geometry.spherical else moved


def walk_(steps: Tensor, points: Tensor, geometry: LossGeometry) -> Tensor:
    """Where ``points`` come to by the ``steps``, in their place; on the sphere, by the part along it."""
    if not geometry.spherical:
        return steps.add_(points)
    along = steps.addcmul_((1 - inner_products(steps, points))[:, None], points)
    return retract(along, geometry)
