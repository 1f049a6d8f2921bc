"""SalUn: random labels, but only those weights move that the forget set's loss depends on most.

Fan et al., "SalUn" (2310.12508), equations 3 and 4: the mask is 1 where |∂L_forget/∂θ| ≥ γ, and

    θ_new = mask ⊙ (θ_trained by random labels) + (1 - mask) ⊙ θ_original

Other users' rows have no such gradient, so they stay; of the items, ``entries`` or whole ``rows`` move.
On the sphere a row of which one entry moves is normalised as a whole.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import loss_sums
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult
from recsys_unlearn.unlearning.random_label import RandomLabel
from recsys_unlearn.unlearning.training import Student

Grain = Literal["entries", "rows"]


@dataclass(frozen=True)
class Saliency(RandomLabel):
    """Random labels under a mask.

    Parameters
    ----------
    share
        Of the entries (or rows) of the item table that may move; the paper's median is 0.5.
    grain
        Whether single entries or whole item rows are chosen.
    """

    share: float = 0.5
    grain: Grain = "entries"

    name = "saliency"
    guarantee = "heuristic"
    leaves_behind = "as random labels, and everything in the weights outside the mask"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        result = super()._forget(recommender, interactions, request, readiness)
        items = np.flatnonzero(self.mask(recommender, request.forget_set).any(1).numpy())
        return ForgetResult(result.recommender, result.readiness, items, request.users)

    def _student(
        self, start: EmbeddingRecommender, original: EmbeddingRecommender, request: ForgetRequest
    ) -> Student:
        return Student(start, self.learning_rate, self.mask(original, request.forget_set))

    def mask(self, recommender: EmbeddingRecommender, forget_set: Interactions) -> Tensor:
        """Bool (n_items, d): the ``share`` of the table with the largest |∂L_forget/∂v|."""
        size = loss_sums(recommender, forget_set).gradient.abs()
        if self.grain == "rows":
            size = size.norm(dim=1, keepdim=True).expand_as(size)
        return size >= torch.from_numpy(np.quantile(size.numpy(), 1 - self.share, keepdims=True))
