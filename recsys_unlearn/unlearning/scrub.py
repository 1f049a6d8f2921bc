"""SCRUB: a student who disobeys the teacher about those who leave and obeys about those who stay.

Kurmanji et al., "Towards Unbounded Machine Unlearning" (2302.09880), equation 3. With the original model
as teacher, and KL the divergence teacher ‖ student over the scores of a positive and a sample of items,

    min_student  α · mean_retained KL + γ · mean_retained ℓ - mean_forgotten KL

in turns: a pass over the forget set ascends its KL (max steps), then some retained batches descend
the first two (min steps). After ``max_passes`` only min steps remain. The student starts as the teacher,
where the divergence has no slope: it is the min steps that set it going.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.training import Pairs, Student, catalogues, endless, row_dropped


@dataclass(frozen=True)
class Scrub(Unlearner):
    """Max and min steps in turn.

    Parameters
    ----------
    learning_rate
        Of Adam.
    passes, max_passes
        Rounds in all, and how many of them begin with a pass over the forget set.
    min_steps
        Retained batches per round.
    alpha, gamma
        Weights of the retained users' divergence and loss.
    batch_size
        Of both sides.
    """

    learning_rate: float = 5e-3
    passes: int = 6
    max_passes: int = 4
    min_steps: int = 20
    alpha: float = 1.0
    gamma: float = 1.0
    batch_size: int = 2048

    name = "scrub"
    guarantee = "heuristic"
    leaves_behind = "what the last min steps brought back; divergence has no maximum to stop at"
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
        streams = [endless(part, self.batch_size, seed) for part in (request.forget_set, retained)]
        catalogue = catalogues(len(recommender.item_table), seed)
        for is_max in self._turns(-(-len(request.forget_set) // self.batch_size)):
            users, items = next(streams[0] if is_max else streams[1])
            objective = self._disobey if is_max else self._obey
            student.step(objective(student, recommender, users, items, next(catalogue)))
        return ForgetResult.of_training(student.recommender(), retained, readiness is not None)

    def _turns(self, per_pass: int) -> Iterator[bool]:
        """Whether each step is a max step."""
        for turn in range(self.passes):
            yield from [True] * (per_pass if turn < self.max_passes else 0)
            yield from [False] * self.min_steps

    def _disobey(
        self, student: Student, teacher: EmbeddingRecommender, users: Tensor, items: Tensor, catalogue: Tensor
    ) -> Tensor:
        leaving = Pairs(torch.from_numpy(teacher.user_table)[users], items)
        return -divergence(student, teacher, leaving, leaving.users, catalogue)

    def _obey(
        self, student: Student, teacher: EmbeddingRecommender, users: Tensor, items: Tensor, catalogue: Tensor
    ) -> Tensor:
        staying = student.pairs(users, items)
        before = torch.from_numpy(student.start.user_table)[users]
        kept = divergence(student, teacher, staying, before, catalogue)
        return self.alpha * kept + self.gamma * student.loss(staying, catalogue)


def divergence(
    student: Student, teacher: EmbeddingRecommender, pairs: Pairs, before: Tensor, catalogue: Tensor
) -> Tensor:
    """Mean KL(teacher ‖ student) over each pair's own item and the catalogue sample.

    ``before`` (B, d) are the users' vectors as the teacher has them.
    """
    table = torch.from_numpy(teacher.item_table)
    theirs = _log_choice(before, table[pairs.items], table[catalogue])
    ours = _log_choice(pairs.users, student.item_rows(pairs.items), student.item_rows(catalogue))
    return kl_div(ours, theirs, reduction="batchmean", log_target=True)


def _log_choice(user: Tensor, positive: Tensor, sample: Tensor) -> Tensor:
    scores = torch.cat([(user * positive).sum(1, keepdim=True), user @ sample.T], dim=1)
    return log_softmax(scores, dim=1)
