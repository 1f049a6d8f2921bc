"""Plain gradient ascent on the forget loss, in the item table's own coordinates.

The baseline that everybody means by "unlearning by gradient ascent": v_i <- v_i + lr · g_i for a few
passes. The metric is wrong, since popular items need small steps and rare ones large, so it ruins the
model before it forgets (FORGETTING, section 3). ``stranger_level`` stops each user where strangers are:
ascent without end makes the forgotten worse than strangers, which is visible and harms others.

The loss has no maximum. The entropy of what the model would recommend has one, the uniform choice, and
Yuan et al., "A Closer Look at Machine Unlearning for Large Language Models" (2410.08109), maximise it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import loss_sums, retract
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.softmax import geometry_of, tangent
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows

Target = Literal["loss", "entropy"]
USERS_PER_BATCH = 512


@dataclass(frozen=True)
class GradientAscent(Unlearner):
    """Some passes of plain ascent.

    Parameters
    ----------
    learning_rate
        Of the summed gradient of the forget set.
    passes
        At most so many.
    stranger_level
        Mean log-likelihood of the items of users whom training never saw. A user whose own items have
        come down to it is left alone from then on; None does not stop.
    target
        What is ascended: the ``loss`` of the forget set, or the ``entropy`` of the softmax of its users'
        scores over the catalogue.
    """

    learning_rate: float = 1e-3
    passes: int = 3
    stranger_level: float | None = None
    target: Target = "loss"

    name = "gradient_ascent"
    guarantee = "heuristic"
    leaves_behind = "most of the trace at a step size that spares the model"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        moved = recommender
        for _ in range(self.passes):
            ascending = self._above_stranger_level(moved, request.forget_set)
            if not len(ascending):
                break
            items = torch.from_numpy(moved.item_table)
            items = items + self.learning_rate * self._slope(moved, ascending)
            moved = moved.with_tables(moved.user_table, retract(items, geometry_of(recommender)).numpy())
        users = without_forgotten_rows(recommender, interactions, request, moved.item_table)
        forgotten = moved.with_tables(users, moved.item_table)
        return ForgetResult(forgotten, None, np.arange(len(moved.item_table)), request.users)

    def _slope(self, recommender: EmbeddingRecommender, forget_set: Interactions) -> Tensor:
        if self.target == "entropy":
            return entropy_gradient(recommender, forget_set.active_users)
        return loss_sums(recommender, forget_set).gradient

    def _above_stranger_level(
        self, recommender: EmbeddingRecommender, forget_set: Interactions
    ) -> Interactions:
        if self.stranger_level is None:
            return forget_set
        users = forget_set.active_users
        level = mean_log_likelihood(recommender, forget_set, users)
        return forget_set.of_users(users[level > self.stranger_level])


def entropy_gradient(recommender: EmbeddingRecommender, users: np.ndarray) -> Tensor:
    """Derivative of Σ_u H(softmax s_u) in the item table, float32 (n_items, d).

    ∂H/∂s_uj = -p_uj (log p_uj + H_u); on the sphere its part in the tangent plane.
    """
    items = torch.from_numpy(recommender.item_table)
    total = torch.zeros_like(items)
    for start in range(0, len(users), USERS_PER_BATCH):
        user = torch.from_numpy(recommender.user_table[users[start : start + USERS_PER_BATCH]])
        log_choice = torch.log_softmax(user @ items.T, 1)
        choice = log_choice.exp()
        entropy = -(choice * log_choice).sum(1, keepdim=True)
        total -= (choice * (log_choice + entropy)).T @ user
    return tangent(total, items) if geometry_of(recommender).spherical else total
