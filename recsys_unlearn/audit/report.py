"""What an audit found, and whether it is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from recsys_unlearn.audit.attack import AttackFigures
from recsys_unlearn.audit.cross_fit import CrossFit, cross_fit
from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.forget_quality import forget_quality
from recsys_unlearn.audit.membership import Estimate, auc_estimate, gap_estimate, percentiles
from recsys_unlearn.audit.statistic import FoldInStatistic, fold_in_statistic
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.contract import Recommender

FEWEST_USERS = 20  # on either side; below, one odd user moves the AUC by more than TOLERANCE
TOLERANCE = 0.05  # how far the AUC of a random cohort strays from 0.5 in a retrained model

Verdict = Literal["pass", "remembered", "over-forgotten", "too few users"]
Sides = tuple[np.ndarray, np.ndarray]
"""One value per forgotten user, and one per stranger."""


@dataclass(frozen=True)
class AuditReport:
    """Forgotten users against strangers, under one item table.

    Parameters
    ----------
    forgotten, strangers
        Fold-in statistics.
    seed
        Of the bootstrap.
    adjusted
        Statistics of both sides less what their difficulty explains, where it was known.
    """

    forgotten: FoldInStatistic
    strangers: FoldInStatistic
    seed: int = 0
    adjusted: Sides | None = None

    @cached_property
    def auc(self) -> Estimate:
        """Membership AUC on the log-likelihood of hidden items; 0.5 is indistinguishable."""
        sides = self.forgotten.log_likelihood, self.strangers.log_likelihood
        return auc_estimate(*sides, generator(self.seed, "audit auc"))

    @cached_property
    def adjusted_auc(self) -> Estimate:
        """The same with difficulty taken out: the sharper attack, and what the verdict is about."""
        if self.adjusted is None:
            return self.auc
        return auc_estimate(*self.adjusted, generator(self.seed, "adjusted auc"))

    @cached_property
    def recall_gap(self) -> Estimate:
        """Fold-in Recall@20 of the forgotten minus the strangers'."""
        return gap_estimate(self.forgotten.recall, self.strangers.recall, generator(self.seed, "audit gap"))

    @property
    def scores(self) -> Sides:
        """The sharpest statistic that was measured; higher is more a member."""
        return self.adjusted or (self.forgotten.log_likelihood, self.strangers.log_likelihood)

    @property
    def percentiles(self) -> np.ndarray:
        """Each forgotten user's place among the strangers, (0, 1); near 1 remembered, near 0 a hole."""
        return percentiles(*self.scores)

    @property
    def verdict(self) -> Verdict:
        """``pass`` unless the adjusted AUC's whole interval is further than ``TOLERANCE`` from 0.5.

        A cohort of few users is measured and not judged.
        """
        if min(len(self.forgotten.users), len(self.strangers.users)) < FEWEST_USERS:
            return "too few users"
        if self.adjusted_auc.low > 0.5 + TOLERANCE:
            return "remembered"
        return "over-forgotten" if self.adjusted_auc.high < 0.5 - TOLERANCE else "pass"

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against serving this version."""
        return self.verdict in ("pass", "too few users")

    def as_dict(self) -> dict[str, Any]:
        """Figures without users: AUC and recall gap with intervals, both sides' means, the verdict.

        ``forget_quality`` is the Kolmogorov-Smirnov p-value against the strangers. Below
        ``FEWEST_USERS`` the intervals are null: resampling one person says nothing of others.
        """
        attack = AttackFigures.of(*self.scores)
        return {
            "auc": _finite(self.auc.value),
            "auc_interval": self._interval(self.auc),
            "adjusted_auc": _finite(self.adjusted_auc.value),
            "adjusted_auc_interval": self._interval(self.adjusted_auc),
            "tpr_at_1_percent": _finite(attack.tpr_at_1_percent),
            "forget_quality": _finite(forget_quality(*self.scores)),
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
    recommender: Recommender,
    forgotten: Interactions,
    strangers: Interactions,
    seed: int = 0,
    difficulty: Difficulty | None = None,
) -> AuditReport:
    """Measure the histories ``forgotten`` against those of ``strangers`` under ``recommender``'s items.

    Parameters
    ----------
    difficulty
        Of all these users. It depends on no recommender: measure it once, and give it to the audits
        of all versions and methods that are to be compared.
    """
    sides = fold_in_statistic(recommender, forgotten, seed), fold_in_statistic(recommender, strangers, seed)
    if difficulty is None:
        return AuditReport(*sides, seed)
    finer: Sequence[FoldInStatistic | CrossFit] = sides
    if difficulty.cross_fitted:
        finer = cross_fit(recommender, forgotten, seed), cross_fit(recommender, strangers, seed)
    adjusted = difficulty.take_out(*((each.users, each.log_likelihood) for each in finer))
    return AuditReport(*sides, seed, adjusted)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
