"""Passes over the forget set and over the retained data at once: what two-sided methods have in common."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.training import Pairs, Student, catalogues, endless, row_dropped


@dataclass(frozen=True)
class JointTraining(Unlearner):
    """Passes over the forget set; each of its batches is met by a batch of the retained.

    Parameters
    ----------
    learning_rate
        Of Adam.
    passes
        Over the forget set.
    batch_size
        Of both sides.
    """

    learning_rate: float = 1e-3
    passes: int = 10
    batch_size: int = 2048

    trains_again = True

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        retained, seed = interactions.without(request.forget_set), recommender.seed
        student = self._student(row_dropped(recommender, interactions, request), recommender, request)
        leaving = torch.from_numpy(recommender.user_table)
        targets = self._targets(interactions, request, seed)
        steps = self.passes * -(-len(targets) // self.batch_size)
        streams = [endless(part, self.batch_size, seed) for part in (targets, retained)]
        catalogue = catalogues(len(recommender.item_table), seed)
        for _, forget, retain, sample in zip(range(steps), *streams, catalogue, strict=False):
            there = Pairs(leaving[forget[0]], forget[1])
            student.step(self._objective(student, there, student.pairs(*retain), sample))
        return ForgetResult.of_training(student.recommender(), retained, readiness is not None)

    def _student(
        self, start: EmbeddingRecommender, original: EmbeddingRecommender, request: ForgetRequest
    ) -> Student:
        return Student(start, self.learning_rate)

    def _targets(self, interactions: Interactions, request: ForgetRequest, seed: int) -> Interactions:
        """Pairs that the passes go over."""
        return request.forget_set

    @abstractmethod
    def _objective(self, student: Student, forget: Pairs, retain: Pairs, catalogue: Tensor) -> Tensor:
        """Scalar that a step descends."""
