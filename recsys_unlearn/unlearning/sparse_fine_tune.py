"""Fine-tuning on the retained data under an L1 penalty that fades out.

Jia et al., "Model Sparsity Can Simplify Machine Unlearning" (2304.04934), equation 4, "ℓ1-sparse MU":

    min_θ L_retained(θ) + γ_t ‖θ‖₁,    γ_t = γ (1 - t / T)

A sparse model has fewer places in which a trace can hide. On the sphere a vector's L1 length is that of
its direction: the penalty turns items toward few coordinates.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_unlearn.unlearning.fine_tune import FineTune
from recsys_unlearn.unlearning.training import Student


@dataclass(frozen=True)
class SparseFineTune(FineTune):
    """Drop the rows, then train on with the penalty on the item table.

    Parameters
    ----------
    gamma
        γ, weight of the mean L1 length of an item vector at the first step.
    """

    gamma: float = 0.5

    name = "sparse_fine_tune"
    guarantee = "heuristic"
    leaves_behind = "as fine-tuning, less what the penalty shrank away"

    def _penalty(self, student: Student, step: int) -> Tensor:
        every = student.item_rows(torch.arange(len(student.item)))
        return self.gamma * (1 - step / self.steps) * every.abs().sum(1).mean()
