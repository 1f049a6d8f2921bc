"""The row of the table: a method's figures beside the original's and the oracle's, on the same users."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recsys_unlearn.audit.oracle import local_residual, tow
from recsys_unlearn.audit.report import AuditReport, audit
from recsys_unlearn.experiments.preparations import Prepared, oracle_of
from recsys_unlearn.experiments.setting import Setting
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.contract import Recommender

K = 20
RESIDUAL_USERS = 500  # retained users whose scores are compared with the oracle's


@dataclass(frozen=True)
class Figures:
    """What can be measured of one recommender in a setting."""

    audit: AuditReport
    utility: dict[str, float]

    @property
    def sides(self) -> dict[str, float]:
        """The three figures that tug of war compares."""
        return {
            "forget": float(self.audit.forgotten.recall.mean()),
            "retain": self.utility[f"ndcg@{K}"],
            "test": self.utility[f"recall@{K}"],
        }


class Measured:
    """A setting under one kind of readiness: its original and its oracle, against which methods are put."""

    def __init__(self, setting: Setting, start: Prepared) -> None:
        self.setting, self.start = setting, start
        self.oracle_recommender = oracle_of(start.name, setting)

    @cached_property
    def original(self) -> Figures:
        """Before the deletion."""
        return self.figures(self.start.recommender)

    @cached_property
    def oracle(self) -> Figures:
        """Of the retrain."""
        return self.figures(self.oracle_recommender)

    def figures(self, recommender: Recommender) -> Figures:
        """Audit the forgotten against the strangers; rank the test items of those who stay."""
        splits = self.setting.start.splits
        seen = splits.train.union(splits.validation)
        report = audit(recommender, splits.train.of_users(self.setting.forgotten), self.start.strangers)
        utility = evaluate(recommender, self.setting.retained_test, exclude=seen, k=K).mean()
        return Figures(report, utility)

    def row(
        self, method: str, recommender: Recommender, seconds_per_user: float | None = None
    ) -> dict[str, Any]:
        """One row of the results, with the keys that issue 3 fixes and some more."""
        found, setting = self.figures(recommender), self.setting
        report = found.audit
        return {
            "dataset": setting.start.dataset,
            "method": method,
            "readiness": self.start.name,
            "cohort": setting.cohort,
            "seed": setting.start.seed,
            "users": len(setting.forgotten),
            "auc": report.auc.value,
            "auc_interval": [report.auc.low, report.auc.high],
            "auc_oracle": self.oracle.audit.auc.value,
            "auc_original": self.original.audit.auc.value,
            "fold_in_recall": float(report.forgotten.recall.mean()),
            "fold_in_recall_strangers": float(report.strangers.recall.mean()),
            "fold_in_recall_oracle": float(self.oracle.audit.forgotten.recall.mean()),
            "retained_recall@20": found.utility[f"recall@{K}"],
            "retained_recall@20_original": self.original.utility[f"recall@{K}"],
            "retained_recall@20_oracle": self.oracle.utility[f"recall@{K}"],
            "ndcg@20": found.utility[f"ndcg@{K}"],
            "tow": tow(found.sides, self.oracle.sides),
            "residual": self._residual(recommender),
            "seconds_per_user": seconds_per_user,
            "seconds_retrain": setting.seconds_retrain,
            "seconds_training_overhead": self.start.seconds,
            "seconds_training": setting.start.seconds_fit,
        }

    def _residual(self, recommender: Recommender) -> float:
        retained = self.setting.retained
        sample = retained[:: max(1, len(retained) // RESIDUAL_USERS)]
        return local_residual(recommender, self.oracle_recommender, self.start.recommender, sample)
