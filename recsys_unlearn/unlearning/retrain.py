"""Train again without them: the oracle, and the fallback when nothing cheaper passes the audit."""

from dataclasses import dataclass

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner


@dataclass(frozen=True)
class Retrain(Unlearner):
    """Fit from scratch on what is left, with the streams, batches and epochs of the first training."""

    name = "retrain"
    guarantee = "exact"
    leaves_behind = "nothing; the number of epochs was chosen while the forgotten were there"
    trains_again = True
    forgets_from = Recommender

    def _forget(
        self,
        recommender: Recommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        retained = interactions.without(request.forget_set)
        return ForgetResult.of_training(recommender.retrain(retained), retained, readiness is not None)
