"""What a deletion did: to the forgotten, and to everybody else."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_unlearn.audit.report import FEWEST_USERS, AuditReport, audit
from recsys_unlearn.interactions.contract import Interactions, Splits
from recsys_unlearn.metrics import Evaluation, evaluate
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.tracking.figures import recall_figure, roc_figure, score_figure
from recsys_unlearn.tracking.runs import Run
from recsys_unlearn.workflows.deletion_plan import DeletionPlan
from recsys_unlearn.workflows.train import K, seen

MOST_EVALUATED = 5000  # retained users; both versions are measured on the same ones
MOST_STRANGERS = 500
UTILITY = (f"recall@{K}", f"ndcg@{K}")


@dataclass(frozen=True)
class Evidence:
    """Measurements before and after, on the same users.

    Parameters
    ----------
    utility_before, utility_after
        Of retained users with test items; None if there are none.
    before, after
        Audits; None where the deletion leaves no history to hide, or there are no strangers.
    """

    utility_before: Evaluation | None
    utility_after: Evaluation | None
    before: AuditReport | None
    after: AuditReport | None

    def utility(self) -> dict[str, dict[str, float]]:
        """Mean Recall@20 and NDCG@20 ``before`` and ``after``."""
        sides = {"before": self.utility_before, "after": self.utility_after}
        return {
            side: {name: measured.mean()[name] for name in UTILITY} if measured else {}
            for side, measured in sides.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Audit figures of the new version, with the AUC before; empty without an audit."""
        if not self.after:
            return {}
        few = self.after.percentiles.tolist() if len(self.after.forgotten.users) < FEWEST_USERS else []
        before = self.before.as_dict()["auc"]
        return {**self.after.as_dict(), "auc_before": before, "percentiles": few}

    def metrics(self) -> dict[str, float]:
        """The same for MLflow, under the names that every run shares."""
        values = dict(self.utility_after.mean()) if self.utility_after else {}
        if self.utility_before:
            mean = self.utility_before.mean()
            values |= {f"before/{name}": mean[name] for name in UTILITY}
        for report, group in ((self.after, "audit"), (self.before, "before")):
            if report and len(report.forgotten.users):
                values |= {f"{group}/auc": report.auc.value, f"{group}/recall_gap": report.recall_gap.value}
        return values

    def draw(self, run: Run) -> None:
        """Log the pictures that the measurements allow."""
        if self.utility_after:
            run.figure(recall_figure(**self.utility()), "recall.png")
        if self.after and len(self.after.forgotten.users) and len(self.after.strangers.users):
            now, then = self.after.forgotten.log_likelihood, self.before.forgotten.log_likelihood
            strangers = self.after.strangers.log_likelihood
            run.figure(score_figure(strangers, now, then, "log-likelihood of hidden items"), "scores.png")
            sides = {"before": self.before.strangers.log_likelihood, "after": strangers}
            run.figure(roc_figure({"before": then, "after": now}, sides), "roc.png")


def gather(before: Recommender, after: Recommender, splits: Splits, plan: DeletionPlan) -> Evidence:
    """Measure both versions; for whole accounts, against strangers."""
    retained = _sample(splits.test.without_users(plan.accounts), MOST_EVALUATED, "evaluated users")
    excluded = seen(splits).of_users(retained.active_users)
    sides = (before, after) if len(retained) else ()
    utility = [evaluate(side, retained, exclude=excluded, k=K) for side in sides]
    strangers = _sample(splits.strangers.without_users(plan.accounts), MOST_STRANGERS, "audited strangers")
    forgotten = plan.train.of_users(plan.accounts)
    audits = [
        audit(side, forgotten, strangers) for side in (before, after) if len(forgotten) and len(strangers)
    ]
    return Evidence(*(utility or (None, None)), *(audits or (None, None)))


def _sample(interactions: Interactions, most: int, purpose: str) -> Interactions:
    users = interactions.active_users
    draw = keyed_uniform(stream_key(0, purpose), users)
    return interactions.of_users(users[np.argsort(draw)[:most]])
