"""Deliberately wrong unlearners. An audit that lets one of them pass is not an audit."""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows

NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class NoOp(Unlearner):
    """Change nothing."""

    name = "no_op"
    guarantee = "control"
    leaves_behind = "everything"
    forgets_from = Recommender

    def _forget(
        self,
        recommender: Recommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        return ForgetResult(recommender, readiness, NOTHING, NOTHING)


@dataclass(frozen=True)
class RowDrop(Unlearner):
    """Drop the users' rows and leave the items as they are: what existing toolkits call deletion."""

    name = "row_drop"
    guarantee = "control"
    leaves_behind = "the whole trace in the item table"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        users = without_forgotten_rows(recommender, interactions, request, recommender.item_table)
        return ForgetResult(
            recommender.with_tables(users, recommender.item_table), readiness, NOTHING, request.users
        )


@dataclass(frozen=True)
class OverForgetting(Unlearner):
    """Natural ascent with a step several times too long: the forgotten become worse than strangers."""

    times: float = 5.0

    name = "over_forgetting"
    guarantee = "control"
    leaves_behind = "a hole where the forgotten were"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        step = NaturalAscent(step_size=self.times)
        return step.forget(recommender, interactions, request, readiness)
