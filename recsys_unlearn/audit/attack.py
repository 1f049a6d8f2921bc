"""How well a membership attack does, where it matters: at few false alarms.

An AUC averages over all thresholds. An attacker who is sure of one user in a hundred and knows nothing
of the rest has an AUC near 0.5 and is still a danger to that one: true-positive rates at low
false-positive rates show it (Carlini et al. 2022, arXiv 2112.03570).
"""

from dataclasses import asdict, dataclass

import numpy as np

from recsys_unlearn.audit.membership import membership_auc

Curve = tuple[np.ndarray, np.ndarray]
"""False- and true-positive rates, float64, ascending from (0, 0) to (1, 1)."""


@dataclass(frozen=True)
class AttackFigures:
    """What an attack's scores come to; NaN where a side has no users.

    Parameters
    ----------
    auc
        Area under the ROC curve.
    tpr_at_1_percent, tpr_at_01_percent
        Highest true-positive rate at a false-positive rate of at most 1 % and 0.1 %. With fewer than
        100 (1,000) strangers that means no false alarm at all.
    balanced_accuracy
        ½ (1 + max over thresholds of TPR - FPR); 0.5 is guessing.
    """

    auc: float
    tpr_at_1_percent: float
    tpr_at_01_percent: float
    balanced_accuracy: float

    @classmethod
    def of(cls, members: np.ndarray, strangers: np.ndarray) -> "AttackFigures":
        """Figures of scores where higher means more a member."""
        if not len(members) or not len(strangers):
            return cls(*[float("nan")] * 4)
        false, true = roc(members, strangers)
        balanced = 0.5 * (1 + float((true - false).max()))
        rates = tpr_at((false, true), 0.01), tpr_at((false, true), 0.001)
        return cls(membership_auc(members, strangers), *rates, balanced)

    def as_dict(self) -> dict[str, float]:
        """JSON-ready where both sides had users."""
        return asdict(self)


def roc(members: np.ndarray, strangers: np.ndarray) -> Curve:
    """False- and true-positive rates at every threshold; equal scores move together."""
    thresholds = np.unique(np.concatenate([members, strangers]))[::-1]
    false, true = _share_at_least(strangers, thresholds), _share_at_least(members, thresholds)
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], true])


def tpr_at(curve: Curve, rate: float) -> float:
    """Highest true-positive rate whose false-positive rate is at most ``rate``."""
    false, true = curve
    return float(true[np.searchsorted(false, rate, side="right") - 1])


def _share_at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    # Counts first: 1 - 99 / 100 is a little more than 0.01, and would miss the threshold there.
    return (len(values) - np.searchsorted(np.sort(values), thresholds, side="left")) / len(values)
