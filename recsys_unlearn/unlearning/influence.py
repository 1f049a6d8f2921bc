"""SCIF: an influence function on selected rows, with labels borrowed from like-minded users.

Li et al., "Selective and Collaborative Influence Function for Efficient Recommendation Unlearning"
(2304.10199). Influence functions (Koh & Liang 2017, eq. 2) upweight a forgotten pair's loss ℓ by minus one;
two things differ here. *Selective*: only rows that the pair is about move, the user's, which is dropped, and
the item's. *Collaborative*: the pair is not removed but given the label y_ui that users like u have, so that
an item does not lose what everybody of that taste would have taught it:

    v_i <- v_i + H_i⁻¹ Σ_{u: (u,i) forgotten} (1 - y_ui) ∂ℓ_ui/∂v_i

y_ui is the share of the k nearest retained users, by cosine of their rows, who have the item.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import loss_sums, retract
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import Positives, tangent
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.natural_ascent import item_curvature
from recsys_unlearn.unlearning.user_newton import bounded
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows

USERS_PER_BATCH = 512


@dataclass(frozen=True)
class Scif(Unlearner):
    """One influence step on the items that the forgotten had.

    Parameters
    ----------
    neighbours
        k.
    step_size
        1 is the influence function's own.
    """

    neighbours: int = 10
    step_size: float = 1.0

    name = "scif"
    guarantee = "heuristic"
    leaves_behind = (
        "items touched as negatives, other users' rows, and what like-minded users share with them"
    )

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        retained = interactions.without(request.forget_set)
        labels = borrowed_labels(recommender, retained, request.forget_set, self.neighbours)
        rows = np.flatnonzero(request.forget_set.item_counts)
        slope = positive_slope(recommender, request.forget_set, 1 - labels)[torch.from_numpy(rows)]
        curvature = retained_curvature(rows, recommender, interactions, request, readiness)
        items = torch.from_numpy(recommender.item_table.copy())
        step = self.step_size * torch.linalg.solve(curvature, slope)
        items[rows] = retract(items[rows] + bounded(step, items[rows]), recommender.geometry)
        users = without_forgotten_rows(recommender, interactions, request, items.numpy())
        return ForgetResult(recommender.with_tables(users, items.numpy()), None, rows, request.users)


def borrowed_labels(
    recommender: EmbeddingRecommender, retained: Interactions, forget_set: Interactions, k: int
) -> np.ndarray:
    """float64 (len(forget_set),): share of the k users nearest to each pair's user who have its item.

    A user whose other items stay is not their own neighbour.
    """
    vectors = torch.nn.functional.normalize(torch.from_numpy(recommender.user_table), dim=1)
    leaving, staying = forget_set.active_users, retained.without_users(forget_set.active_users).active_users
    k = min(k, len(staying))
    labels = np.zeros(len(forget_set))
    for start in range(0, len(leaving) if k else 0, USERS_PER_BATCH):
        batch = leaving[start : start + USERS_PER_BATCH]
        near = staying[(vectors[batch] @ vectors[staying].T).topk(k, dim=1).indices.numpy()]
        pairs = slice(forget_set.offsets[batch[0]], forget_set.offsets[batch[-1] + 1])
        others = near[np.searchsorted(batch, forget_set.users[pairs])]
        codes = others.astype(np.int64) * retained.n_items + forget_set.items[pairs, None]
        places = np.minimum(np.searchsorted(retained.pair_codes, codes), len(retained) - 1)
        labels[pairs] = (retained.pair_codes[places] == codes).mean(axis=1)
    return labels


def positive_slope(
    recommender: EmbeddingRecommender, interactions: Interactions, weights: np.ndarray
) -> Tensor:
    """Σ_u w_ui ∂ℓ_ui/∂v_i over the pairs as positives, float32 (n_items, d); tangent on the sphere."""
    items, users = torch.from_numpy(recommender.item_table), interactions.active_users
    total, weight = torch.zeros_like(items), torch.from_numpy(weights).float()
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        user, positives = torch.from_numpy(recommender.user_table[batch]), Positives.of(interactions, batch)
        scores = user @ items.T
        now = recommender.geometry.terms(scores, scores[positives.owner, positives.item], positives.owner)
        mine = weight[interactions.offsets[batch[0]] : interactions.offsets[batch[-1] + 1]]
        pull = user[positives.owner] * (mine * now.positive_slope)[:, None]
        total.index_add_(0, positives.item, pull)
    return tangent(total, items) if recommender.geometry.spherical else total


def retained_curvature(
    rows: np.ndarray,
    recommender: EmbeddingRecommender,
    interactions: Interactions,
    request: ForgetRequest,
    readiness: NaturalReadiness | None,
) -> Tensor:
    """H_i of the loss of those who stay, float32 (len(rows), d, d)."""
    before = readiness or NaturalReadiness.measure(recommender, interactions)
    rest = replace(before, sums=before.sums.plus(loss_sums(recommender, request.forget_set), times=-1))
    touching = interactions.where(request.forget_set.item_counts[interactions.items] > 0)
    return item_curvature(rows, recommender, touching.without(request.forget_set), rest)
