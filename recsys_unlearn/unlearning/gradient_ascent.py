"""Plain gradient ascent on the forget loss, in the item table's own coordinates.

The baseline that everybody means by "unlearning by gradient ascent": v_i <- v_i + lr · g_i for a few
passes. The metric is wrong, since popular items need small steps and rare ones large, so it ruins the
model before it forgets (FORGETTING, section 3). ``bounded`` stops each user where strangers are: ascent
without end makes the forgotten worse than strangers, which is visible and harms others.
"""

from dataclasses import dataclass

import numpy as np
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import loss_sums, retract
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.softmax import geometry_of
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows


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
    """

    learning_rate: float = 1e-3
    passes: int = 3
    stranger_level: float | None = None

    name = "gradient_ascent"
    guarantee = "heuristic"
    leaves_behind = "most of the trace at a step size that spares the model"

    def _forget(
        self,
        recommender: Recommender,
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
            items = items + self.learning_rate * loss_sums(moved, ascending)[0].gradient
            moved = moved.with_tables(moved.user_table, retract(items, geometry_of(recommender)).numpy())
        users = without_forgotten_rows(recommender, interactions, request, moved.item_table)
        forgotten = moved.with_tables(users, moved.item_table)
        return ForgetResult(forgotten, None, np.arange(len(moved.item_table)), request.users)

    def _above_stranger_level(self, recommender: Recommender, forget_set: Interactions) -> Interactions:
        if self.stranger_level is None:
            return forget_set
        users = forget_set.active_users
        level = mean_log_likelihood(recommender, forget_set, users)
        return forget_set.of_users(users[level > self.stranger_level])
