"""NegGrad+: descend the loss of those who stay and ascend that of those who leave, at once.

Kurmanji et al., "Towards Unbounded Machine Unlearning" (2302.09880), section 5, NegGrad+:

    L = β · mean_retained ℓ - (1 - β) · mean_forgotten ℓ
"""

from dataclasses import dataclass

from torch import Tensor

from recsys_unlearn.unlearning.joint_training import JointTraining
from recsys_unlearn.unlearning.training import Pairs, Student


@dataclass(frozen=True)
class NegGrad(JointTraining):
    """Ascent on the forget set, held in place by descent on the rest.

    Parameters
    ----------
    beta
        Weight of the retained loss, in (0, 1].
    """

    learning_rate: float = 2e-3
    passes: int = 20
    beta: float = 0.8

    name = "neg_grad"
    guarantee = "heuristic"
    leaves_behind = "what ascent had not reached when it stopped; it has no minimum and may go past strangers"

    def _objective(self, student: Student, forget: Pairs, retain: Pairs, catalogue: Tensor) -> Tensor:
        kept, left = student.loss(retain, catalogue), student.loss(forget, catalogue)
        return self.beta * kept - (1 - self.beta) * left
