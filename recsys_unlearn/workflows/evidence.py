"""What a deletion did: to the forgotten, and to everybody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_unlearn.audit.report import FEWEST_USERS, AuditReport, audit
from recsys_unlearn.interactions.contract import Splits, sample_users
from recsys_unlearn.metrics import Evaluation, evaluate
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.tracking.figures import recall_figure, roc_figure, score_figure
from recsys_unlearn.tracking.runs import Run
from recsys_unlearn.workflows.deletion_plan import DeletionPlan
from recsys_unlearn.workflows.train import UTILITY, K, seen

MOST_EVALUATED = 2000  # retained users; both versions are measured on the same ones
FEWEST_STRANGERS, MOST_STRANGERS = 150, 1000  # between them, twice as many as are forgotten


@dataclass(frozen=True)
class Evidence:
    """Measurements before and after, on the same users.

    Parameters
    ----------
    evaluations
        Before and after, of retained users with test items; None if there are none.
    audits
        Before and after; None where no whole account with a training history goes, or there are no
        strangers.
    sampled
        Whether some retained users with test items were not evaluated.
    """

    evaluations: tuple[Evaluation, Evaluation] | None
    audits: tuple[AuditReport, AuditReport] | None
    sampled: bool = False

    @property
    def verdict(self) -> AuditReport | None:
        """The audit of the new version."""
        return self.audits[1] if self.audits else None

    def utility(self) -> dict[str, dict[str, float]]:
        """Mean Recall@20 and NDCG@20 ``before`` and ``after``."""
        if not self.evaluations:
            return {"before": {}, "after": {}}
        means = [{name: each.mean()[name] for name in UTILITY} for each in self.evaluations]
        return dict(zip(("before", "after"), means, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Audit figures of the new version, with the AUC before; empty without an audit."""
        if not self.audits:
            return {}
        before, after = self.audits
        few = after.percentiles.tolist() if len(after.forgotten.users) < FEWEST_USERS else []
        return {**after.as_dict(), "auc_before": before.as_dict()["auc"], "percentiles": few}

    def metrics(self, parent: Mapping[str, float]) -> dict[str, float]:
        """The same for MLflow, under the names that every run shares.

        Where only a sample was evaluated, a version's figure is its ``parent``'s plus the difference on
        the sample: the sample's own mean could not be put beside one over everybody.
        """
        values: dict[str, float] = {}
        if self.evaluations:
            before, after = (each.mean() for each in self.evaluations)
            if self.sampled:
                after = {name: parent.get(name, before[name]) + after[name] - before[name] for name in after}
                before = {name: parent.get(name, before[name]) for name in before}
            values |= after | {f"before/{name}": before[name] for name in UTILITY}
        for report, group in zip(self.audits or (), ("before", "audit"), strict=False):
            values |= {f"{group}/auc": report.auc.value, f"{group}/recall_gap": report.recall_gap.value}
        return values

    def draw(self, run: Run) -> None:
        """Log the pictures that the measurements allow."""
        if self.evaluations:
            run.figure(recall_figure(self.utility()["before"], self.utility()["after"]), "recall.png")
        if self.audits and len(self.audits[1].forgotten.users):
            (then, others), (now, strangers) = (
                (each.forgotten.log_likelihood, each.strangers.log_likelihood) for each in self.audits
            )
            run.figure(score_figure(strangers, now, then, "log-likelihood of hidden items"), "scores.png")
            curves = {"before": then, "after": now}
            run.figure(roc_figure(curves, {"before": others, "after": strangers}), "roc.png")


def gather(before: Recommender, after: Recommender, splits: Splits, plan: DeletionPlan) -> Evidence:
    """Measure both versions; for whole accounts, against strangers."""
    everybody = splits.test.without_users(plan.accounts)
    retained = sample_users(everybody, MOST_EVALUATED, "evaluated users")
    excluded = seen(splits).of_users(retained.active_users)
    forgotten = plan.train.of_users(plan.accounts)
    enough = int(np.clip(2 * len(plan.accounts), FEWEST_STRANGERS, MOST_STRANGERS))
    strangers = sample_users(splits.strangers.without_users(plan.accounts), enough, "audited strangers")
    evaluations = audits = None
    if len(retained):
        evaluations = (
            evaluate(before, retained, exclude=excluded, k=K),
            evaluate(after, retained, exclude=excluded, k=K),
        )
    if len(forgotten) and len(strangers):
        audits = audit(before, forgotten, strangers), audit(after, forgotten, strangers)
    return Evidence(evaluations, audits, sampled=len(retained) < len(everybody))
