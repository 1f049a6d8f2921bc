"""Fine-tuning on the retained data, and hoping that the rest fades.

The first baseline of every comparison (Golatkar et al., "Eternal Sunshine of the Spotless Net", 1911.04933,
section 5): catastrophic forgetting does the work, so a model whose items are at rest forgets little.
"""

from dataclasses import dataclass

from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.training import Student, catalogues, endless, row_dropped


@dataclass(frozen=True)
class FineTune(Unlearner):
    """Drop the rows, then train on for some batches of the retained interactions.

    Parameters
    ----------
    steps
        Batches of the retained.
    learning_rate
        Of Adam, which starts without momentum.
    batch_size
        Of the retained.
    """

    steps: int = 200
    learning_rate: float = 3e-3
    batch_size: int = 2048

    name = "fine_tune"
    guarantee = "heuristic"
    leaves_behind = "most of the trace in the item table: nothing pushes it out"
    trains_again = True

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        retained, seed = interactions.without(request.forget_set), recommender.seed
        student = Student(row_dropped(recommender, interactions, request), self.learning_rate)
        batches = endless(retained, self.batch_size, seed)
        catalogue = catalogues(recommender.n_items, seed)
        for step, batch, sample in zip(range(self.steps), batches, catalogue, strict=False):
            loss = student.loss(student.pairs(*batch), sample)
            student.step(loss + self._penalty(student, step))
        return ForgetResult.of_training(student.recommender(), retained, readiness is not None)

    def _penalty(self, student: Student, step: int) -> Tensor | float:
        """What is added to the retained loss."""
        return 0.0
