"""What an audit found, and whether it is good enough."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from recsys_unlearn.audit.membership import Estimate, auc_estimate, gap_estimate, percentiles
from recsys_unlearn.audit.statistic import FoldInStatistic, fold_in_statistic
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.contract import Recommender

FEWEST_USERS = 20  # on either side; below, one odd user moves the AUC by more than TOLERANCE
TOLERANCE = 0.05  # how far the AUC of a random cohort strays from 0.5 in a retrained model

Verdict = Literal["pass", "remembered", "over-forgotten", "too few users"]


@dataclass(frozen=True)
class AuditReport:
    """Forgotten users against strangers, under one item table.

    Parameters
    ----------
    forgotten, strangers
        Fold-in statistics.
    seed
        Of the bootstrap.
    """

    forgotten: FoldInStatistic
    strangers: FoldInStatistic
    seed: int = 0

    @cached_property
    def auc(self) -> Estimate:
        """Membership AUC on the log-likelihood of hidden items; 0.5 is indistinguishable."""
        sides = self.forgotten.log_likelihood, self.strangers.log_likelihood
        return auc_estimate(*sides, generator(self.seed, "audit auc"))

    @cached_property
    def recall_gap(self) -> Estimate:
        """Fold-in Recall@20 of the forgotten minus the strangers'."""
        return gap_estimate(self.forgotten.recall, self.strangers.recall, generator(self.seed, "audit gap"))

    @property
    def percentiles(self) -> np.ndarray:
        """Each forgotten user's place among the strangers, (0, 1); near 1 remembered, near 0 a hole."""
        return percentiles(self.forgotten.log_likelihood, self.strangers.log_likelihood)

    @property
    def verdict(self) -> Verdict:
        """``pass`` unless the AUC's whole interval is further than ``TOLERANCE`` from 0.5.

        A cohort of few users is measured and not judged.
        """
        if min(len(self.forgotten.users), len(self.strangers.users)) < FEWEST_USERS:
            return "too few users"
        if self.auc.low > 0.5 + TOLERANCE:
            return "remembered"
        return "over-forgotten" if self.auc.high < 0.5 - TOLERANCE else "pass"

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against serving this version."""
        return self.verdict in ("pass", "too few users")

    def as_dict(self) -> dict[str, Any]:
        """Figures without users: AUC and recall gap with intervals, both sides' means, the verdict.

        Below ``FEWEST_USERS`` the intervals are null: resampling one person says nothing of others.
        """
        return {
            "auc": _finite(self.auc.value),
            "auc_interval": self._interval(self.auc),
            "recall_gap": _finite(self.recall_gap.value),
            "recall_gap_interval": self._interval(self.recall_gap),
            "fold_in_recall": _mean(self.forgotten.recall),
            "fold_in_recall_strangers": _mean(self.strangers.recall),
            "users": len(self.forgotten.users),
            "strangers": len(self.strangers.users),
            "verdict": self.verdict,
        }

    def _interval(self, estimate: Estimate) -> list[float | None]:
        judged = self.verdict != "too few users"
        return [_finite(end) if judged else None for end in (estimate.low, estimate.high)]


def audit(
    recommender: Recommender, forgotten: Interactions, strangers: Interactions, seed: int = 0
) -> AuditReport:
    """Measure the histories ``forgotten`` against those of ``strangers`` under ``recommender``'s items."""
    return AuditReport(
        forgotten=fold_in_statistic(recommender, forgotten, seed),
        strangers=fold_in_statistic(recommender, strangers, seed),
        seed=seed,
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
