"""RUM: refine the forget set into strata by difficulty and unlearn each with its own method, easiest first.

Zhao et al., "What Makes Unlearning Hard and What to Do About It" (2406.01257), section 5. Their recipe by
memorisation: nothing for the low stratum, fine-tuning for the medium, SalUn for the high. From the first
stratum on nobody of the whole forget set is among the data that any step trains on; a user who stays joins
again once their own stratum is done. ``by="chance"`` is their shuffled control: strata of the same sizes
that mean nothing.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.controls import RowDrop
from recsys_unlearn.unlearning.fine_tune import FineTune
from recsys_unlearn.unlearning.saliency import Saliency
from recsys_unlearn.unlearning.strata import closeness, memorisation, thirds

By = Literal["memorisation", "entanglement", "chance"]


@dataclass(frozen=True)
class Refine(Unlearner):
    """One method per stratum, low to high.

    Parameters
    ----------
    low, medium, high
        The methods.
    by
        What orders the users; ``chance`` is the control.
    """

    low: Unlearner = field(default_factory=RowDrop)
    medium: Unlearner = field(default_factory=FineTune)
    high: Unlearner = field(default_factory=Saliency)
    by: By = "memorisation"

    name = "refine"
    guarantee = "heuristic"
    leaves_behind = "what each stratum's method leaves behind; by default the low stratum's whole trace"
    trains_again = True

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        strata = thirds(request.users, self._score(recommender, interactions, request.users))
        state, items, users = recommender, np.zeros(0, np.int64), request.users
        for turn, method in enumerate((self.low, self.medium, self.high)):
            later = np.concatenate([np.zeros(0, np.int64), *strata[turn + 1 :]])
            part = _of_users(request, strata[turn])
            others = request.forget_set.without_users(strata[turn])
            result = method.forget(state, interactions.without(others).without_users(later), part)
            state = _with_rows_of(recommender, later, result.recommender)
            items, users = np.union1d(items, result.touched_items), np.union1d(users, result.touched_users)
        return ForgetResult(state, None, items, users)

    def _score(
        self, recommender: EmbeddingRecommender, interactions: Interactions, users: np.ndarray
    ) -> np.ndarray:
        """float64 (len(users),): difficulty, ascending."""
        if self.by == "memorisation":
            return memorisation(recommender, interactions, users)
        if self.by == "entanglement":
            return closeness(recommender, users)
        return keyed_uniform(stream_key(recommender.seed, "shuffled strata"), users)


def _of_users(request: ForgetRequest, users: np.ndarray) -> ForgetRequest:
    return ForgetRequest(request.forget_set.of_users(users), np.intersect1d(request.accounts, users))


def _with_rows_of(
    original: EmbeddingRecommender, users: np.ndarray, trained: EmbeddingRecommender
) -> EmbeddingRecommender:
    """``trained``, with the rows of ``users`` as they were: their turn is yet to come."""
    table = trained.user_table.copy()
    table[users] = original.user_table[users]
    return trained.with_tables(table, trained.item_table)
