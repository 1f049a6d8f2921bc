"""One Newton step of retained users after their items have moved: how far their rows would follow."""

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import LossGeometry, Positives, tangent

USERS_PER_BATCH = 256
DAMPING = 1e-3  # of the mean curvature, added in every direction


def newton_rows(
    before: EmbeddingRecommender, after: EmbeddingRecommender, interactions: Interactions
) -> EmbeddingRecommender:
    """``before``, each row in ``interactions`` moved by -H_u⁻¹ (slope under ``after`` - under ``before``).

    The difference of slopes, and not the slope, drives the step: what training left unfinished stays so.
    """
    table = before.user_table.copy()
    users = interactions.active_users
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        now, then = (_Slope(each, interactions, batch) for each in (after, before))
        step = torch.linalg.solve(then.curvature(), (now.slope - then.slope)[:, :, None])[:, :, 0]
        rows = torch.from_numpy(table[batch])
        table[batch] = _retracted(rows - bounded(step, rows), before.geometry).numpy()
    return before.with_tables(table, before.item_table)


def bounded(step: Tensor, rows: Tensor) -> Tensor:
    """Shorten each row of ``step`` to the length of the same row of ``rows``, where it is longer.

    Further away a quadratic says nothing, and a curvature that is nearly singular would lead there.
    """
    longest = rows.norm(dim=1, keepdim=True)
    return step * (longest / step.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)


class _Slope:
    """First and second derivative of each user's own loss in their row, (n, d) and (n, d, d)."""

    def __init__(
        self, recommender: EmbeddingRecommender, interactions: Interactions, users: np.ndarray
    ) -> None:
        self.geometry, items = recommender.geometry, torch.from_numpy(recommender.item_table)
        self.user, self.positives = (
            torch.from_numpy(recommender.user_table[users]),
            Positives.of(interactions, users),
        )
        scores = self.user @ items.T
        owner, item = self.positives.owner, self.positives.item
        self.terms = self.geometry.terms(scores, scores[owner, item], owner)
        self.pressure, self.items = self.terms.slope(scores), items
        slope = self.pressure @ items
        slope.index_add_(0, owner, items[item] * self.terms.positive_slope[:, None])
        self.counts = torch.bincount(owner, minlength=len(users)).float()
        if self.geometry.spherical:
            self.point = self.user / self.geometry.user_length
            self.radial = -(slope * self.point).sum(1) / self.geometry.user_length
            self.slope = tangent(slope, self.point)
        else:
            self.radial = 2 * self.geometry.regularization * self.counts
            self.slope = slope + self.radial[:, None] * self.user

    def curvature(self) -> Tensor:
        """Σ_i c_ui v_i v_iᵀ + w_u C + r_u I, where C is the mean v_j v_jᵀ under the negatives' pressure."""
        item = self.positives.item
        root = self.items[item] * self.terms.positive_curvature.clamp(min=0).sqrt()[:, None]
        ends = self.counts.long().cumsum(0)
        own = torch.stack([part.T @ part for part in root.tensor_split(ends[:-1])])
        load = self.pressure.clamp(min=0).sum(0)
        shared = (self.items * load[:, None]).T @ self.items / load.sum().clamp(min=1e-12)
        curvature = own + self.terms.weight[:, None, None] * shared
        size = curvature.diagonal(dim1=1, dim2=2).mean(1)
        curvature.diagonal(dim1=1, dim2=2).add_((self.radial.clamp(min=0) + DAMPING * size + 1e-12)[:, None])
        return self._in_tangent_plane(curvature) if self.geometry.spherical else curvature

    def _in_tangent_plane(self, curvature: Tensor) -> Tensor:
        """Restrict it, with 1 along the radius, where there is nothing to solve."""
        along = self.point[:, :, None] * self.point[:, None, :]
        inside = torch.eye(along.shape[1]) - along
        return inside @ curvature @ inside + along


def _retracted(rows: Tensor, geometry: LossGeometry) -> Tensor:
    if not geometry.spherical:
        return rows
    return torch.nn.functional.normalize(rows, dim=1) * geometry.user_length
