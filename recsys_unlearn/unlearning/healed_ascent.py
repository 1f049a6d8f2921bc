"""Natural ascent, and then a little more training on everybody else.

The ascent moves items that retained users need too; some steps of the training loss on retained data
bring their recall back, and with it a part of what was forgotten (FORGETTING, section 3, gowalla).
"""

from dataclasses import dataclass, field

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import ResumableRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent


@dataclass(frozen=True)
class HealedAscent(Unlearner):
    """One natural step, then ``steps`` batches of training on the retained interactions.

    Parameters
    ----------
    ascent
        The step.
    steps
        Batches of the retained interactions.
    learning_rate
        Of these; a tenth of training's, see ``ResumableRecommender.resume``.
    """

    ascent: NaturalAscent = field(default_factory=NaturalAscent)
    steps: int = 100
    learning_rate: float = 1e-3

    name = "healed_ascent"
    guarantee = "heuristic"
    leaves_behind = "as natural ascent, and what the retained data teaches again"
    trains_again = True
    forgets_from = ResumableRecommender

    def _forget(
        self,
        recommender: ResumableRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        stepped = self.ascent.forget(recommender, interactions, request, readiness).recommender
        retained = interactions.without(request.forget_set)
        healed = stepped.resume(retained, self.steps, self.learning_rate)
        return ForgetResult.of_training(healed, retained, readiness is not None)
