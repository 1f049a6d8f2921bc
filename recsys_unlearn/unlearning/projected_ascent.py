"""Gradient ascent that leaves the retained users of every item where they are.

Block, Mokhtari & Shakkottai, "Machine Unlearning under Overparameterization" (2505.22601, MinNorm-OG): a
step that is orthogonal to the gradients of the model's outputs on retained data does not change these
to first order. Here the outputs are the scores of the retained users of item i, whose gradients in v_i are
their vectors x_u, and

    v_i <- v_i + lr · (I - B_i B_iᵀ) g_i

with B_i an orthonormal basis of them. The theory projects off all of them; an item with d users or more
would then never move, so B_i holds the principal directions that carry ``share`` of Σ x_u x_uᵀ. Items
touched only as negatives stay.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import loss_sums, retract
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import tangent
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows

ROUNDING = 1e-5  # of the largest eigenvalue: directions below it are noise of float32


@dataclass(frozen=True)
class ProjectedAscent(Unlearner):
    """Ascent off the directions that others use.

    Parameters
    ----------
    learning_rate
        Of the summed gradient of the forget set.
    passes
        Gradients taken.
    share
        Of Σ x_u x_uᵀ, by eigenvalues, that is projected off; 1 takes every direction in use.
    """

    learning_rate: float = 2e-3
    passes: int = 3
    share: float = 0.8

    name = "projected_ascent"
    guarantee = "heuristic"
    leaves_behind = "what lies in the directions that retained users need, and items touched as negatives"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        rows = np.flatnonzero(request.forget_set.item_counts)
        retained = interactions.without(request.forget_set)
        allowed = free_directions(rows, recommender.user_table, retained, self.share)
        moved = recommender
        for _ in range(self.passes):
            slope = loss_sums(moved, request.forget_set).gradient[torch.from_numpy(rows)]
            items = moved.item_table.copy()
            items[rows] = self._stepped(torch.from_numpy(items[rows]), slope, allowed, recommender)
            moved = moved.with_tables(moved.user_table, items)
        users = without_forgotten_rows(recommender, interactions, request, moved.item_table)
        return ForgetResult(moved.with_tables(users, moved.item_table), None, rows, request.users)

    def _stepped(
        self, items: Tensor, slope: Tensor, allowed: Tensor, recommender: EmbeddingRecommender
    ) -> np.ndarray:
        step = (allowed @ slope[:, :, None])[:, :, 0]
        if recommender.geometry.spherical:
            step = tangent(step, items)
        return retract(items + self.learning_rate * step, recommender.geometry).numpy()


def free_directions(rows: np.ndarray, user_table: np.ndarray, retained: Interactions, share: float) -> Tensor:
    """I - B_i B_iᵀ of the items ``rows``, float32 (len(rows), d, d)."""
    order = np.argsort(retained.items, kind="stable")
    users, items = retained.users[order], retained.items[order]
    starts, ends = (np.searchsorted(items, rows, side=side) for side in ("left", "right"))
    vectors = [torch.from_numpy(user_table[users[a:b]]) for a, b in zip(starts, ends, strict=True)]
    values, basis = torch.linalg.eigh(torch.stack([each.T @ each for each in vectors]))
    carried = values.clamp(min=0).flip(1).cumsum(1).flip(1)  # by this direction and all larger ones
    larger = carried - values.clamp(min=0)
    used = (larger < share * carried[:, :1]) & (values > ROUNDING * values[:, -1:])
    free = basis * ~used[:, None, :]
    return free @ free.transpose(1, 2)
