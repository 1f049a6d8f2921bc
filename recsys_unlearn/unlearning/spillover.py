"""IFRU: influence functions that follow a deletion to the neighbours and back.

Zhang et al., "Recommendation Unlearning via Influence Function" (2307.02147): beside the direct influence of
a forgotten pair on the parameters in its loss there is a spill-over on those of its neighbours, and only
the parameters that matter are updated (their importance-based pruning). Theirs runs through the graph of
LightGCN; in a factorisation it runs through the coupled Hessian. With T the forgotten items, N the retained
users who have most of them, and block elimination of the Newton system,

    δv_T = H_T⁻¹ g_T                                the direct influence
    δx_N = -H_N⁻¹ (∇_N L(V + δv) - ∇_N L(V))        neighbours follow the items
    δv_T = H_T⁻¹ (g_T - ∇_T L(U + δx) + ∇_T L(U))   items follow the neighbours

where L is the retained loss and differences of slopes are taken as they are, not linearised.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import loss_sums, retract
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.influence import retained_curvature
from recsys_unlearn.unlearning.user_newton import bounded, newton_rows
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows


@dataclass(frozen=True)
class Ifru(Unlearner):
    """Direct influence, and one round through the neighbours.

    Parameters
    ----------
    neighbours
        At most so many retained users follow; 0 leaves the direct influence alone.
    step_size
        Of the items; 1 is the influence function's own, and with the neighbours' part it goes a little far.
    """

    neighbours: int = 1024
    step_size: float = 0.9

    name = "ifru"
    guarantee = "heuristic"
    leaves_behind = "users and items beyond the neighbourhood, and items touched as negatives"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        rows = np.flatnonzero(request.forget_set.item_counts)
        slope = loss_sums(recommender, request.forget_set).gradient[torch.from_numpy(rows)]
        curvature = retained_curvature(rows, recommender, interactions, request, readiness)
        direct = _moved(recommender, rows, self.step_size * torch.linalg.solve(curvature, slope))
        near = nearest(interactions.without_users(request.users), request.forget_set, self.neighbours)
        followed = newton_rows(recommender, direct, near)
        back = loss_sums(followed, near).gradient - loss_sums(recommender, near).gradient
        step = torch.linalg.solve(curvature, slope - back[torch.from_numpy(rows)])
        items = _moved(recommender, rows, self.step_size * step).item_table
        users = without_forgotten_rows(followed, interactions, request, items)
        changed = np.union1d(request.users, near.active_users)
        return ForgetResult(recommender.with_tables(users, items), None, rows, changed)


def nearest(retained: Interactions, forget_set: Interactions, most: int) -> Interactions:
    """All pairs of the ``most`` users who share the largest number of forgotten items, each 1/popularity."""
    weight = (forget_set.item_counts > 0) / np.maximum(retained.item_counts, 1)
    shared = np.bincount(retained.users, weight[retained.items], minlength=retained.n_users)
    order = np.argsort(-shared, kind="stable")[:most]
    return retained.of_users(order[shared[order] > 0])


def _moved(recommender: EmbeddingRecommender, rows: np.ndarray, step: Tensor) -> EmbeddingRecommender:
    items = torch.from_numpy(recommender.item_table.copy())
    items[rows] = retract(items[rows] + bounded(step, items[rows]), recommender.geometry)
    return recommender.with_tables(recommender.user_table, items.numpy())
