"""What a deletion did: to the forgotten, and to everybody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_unlearn.audit.attack import roc
from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.duplicates import Duplicates, near_duplicates
from recsys_unlearn.audit.membership import two_sided
from recsys_unlearn.audit.report import FEWEST_USERS, AuditReport, audit
from recsys_unlearn.audit.version_difference import Recovery, recover
from recsys_unlearn.interactions.contract import Interactions, Splits, sample_users
from recsys_unlearn.metrics import Evaluation, evaluate
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.tracking.attack_figures import roc_figure
from recsys_unlearn.tracking.figures import recall_figure, score_figure
from recsys_unlearn.tracking.runs import Run
from recsys_unlearn.workflows.deletion_plan import DeletionPlan
from recsys_unlearn.workflows.train import UTILITY, K, seen

SCORE_NAME = "log-likelihood of hidden items, less difficulty"
MOST_EVALUATED = 2000  # retained users; both versions are measured on the same ones
FEWEST_STRANGERS, MOST_STRANGERS = 150, 1000  # between them, twice as many as are forgotten
MOST_ATTACKED = 100  # forgotten users whose items the two-version attack tries to recover


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
    duplicates
        Retained accounts nearly the same as a forgotten one; None where no whole account goes.
    recovery
        What an attacker who holds both versions reads off them; None without tables or accounts.
    sampled
        Whether some retained users with test items were not evaluated.
    """

    evaluations: tuple[Evaluation, Evaluation] | None
    audits: tuple[AuditReport, AuditReport] | None
    duplicates: Duplicates | None = None
    recovery: Recovery | None = None
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
        """Audit figures of the new version, with the AUC before; empty where no whole account goes.

        ``percentiles`` and ``two_sided`` are those of single users where there are too few to judge;
        ``near_duplicates`` are rows, never ids.
        """
        found: dict[str, Any] = {}
        if self.audits:
            before, after = self.audits
            few = after.percentiles if len(after.forgotten.users) < FEWEST_USERS else np.zeros(0)
            auc_before, adjusted_before = (before.as_dict()[name] for name in ("auc", "adjusted_auc"))
            found |= after.as_dict() | {"auc_before": auc_before, "adjusted_auc_before": adjusted_before}
            found |= {"percentiles": few.tolist(), "two_sided": two_sided(few).tolist()}
        if self.duplicates is not None:
            found["near_duplicates"] = self.duplicates.rows
        if self.recovery and len(self.recovery.users):
            found["version_difference"] = self.recovery.as_dict()
        return found

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
            values[f"{group}/adjusted_auc"] = report.adjusted_auc.value
        if self.duplicates is not None:
            values["audit/near_duplicates"] = len(self.duplicates.rows)
        if self.recovery and len(self.recovery.users):
            values["audit/recovered"] = self.recovery.best[1]
        return values

    def draw(self, run: Run) -> None:
        """Log the pictures that the measurements allow."""
        if self.evaluations:
            run.figure(recall_figure(self.utility()["before"], self.utility()["after"]), "recall.png")
        if not self.audits:
            return
        (then, others), (now, strangers) = (each.scores for each in self.audits)
        if len(now) and len(strangers):  # who has a single item has nothing to hide, and no score
            run.figure(score_figure(strangers, now, then, SCORE_NAME), "scores.png")
            run.figure(roc_figure({"before": roc(then, others), "after": roc(now, strangers)}), "roc.png")


def gather(before: Recommender, after: Recommender, splits: Splits, plan: DeletionPlan) -> Evidence:
    """Measure both versions; for whole accounts, against strangers."""
    everybody = splits.test.without_users(plan.accounts)
    retained = sample_users(everybody, MOST_EVALUATED, "evaluated users")
    excluded = seen(splits).of_users(retained.active_users)
    forgotten = plan.train.of_users(plan.accounts)
    enough = int(np.clip(2 * len(plan.accounts), FEWEST_STRANGERS, MOST_STRANGERS))
    strangers = sample_users(splits.strangers.without_users(plan.accounts), enough, "audited strangers")
    evaluations = duplicates = None
    if len(retained):
        evaluations = (
            evaluate(before.given(splits.train), retained, exclude=excluded, k=K),
            evaluate(after.given(splits.train), retained, exclude=excluded, k=K),
        )
    if len(plan.accounts):
        duplicates = near_duplicates(plan.pairs, splits.everything().without_users(plan.accounts))
    return Evidence(
        evaluations,
        _audits(before, after, splits.train, forgotten, strangers),
        duplicates,
        _recovery(before, after, forgotten),
        sampled=len(retained) < len(everybody),
    )


def _audits(
    before: Recommender,
    after: Recommender,
    train: Interactions,
    forgotten: Interactions,
    strangers: Interactions,
) -> tuple[AuditReport, AuditReport] | None:
    if not len(forgotten) or not len(strangers):
        return None
    thorough = len(forgotten.active_users) >= FEWEST_USERS  # five times the cost; fewer are not judged
    difficulty = Difficulty.of(forgotten.union(strangers), train, cross_fitted=thorough)
    return (
        audit(before, forgotten, strangers, difficulty=difficulty),
        audit(after, forgotten, strangers, difficulty=difficulty),
    )


def _recovery(before: Recommender, after: Recommender, forgotten: Interactions) -> Recovery | None:
    if not isinstance(before, EmbeddingRecommender) or not isinstance(after, EmbeddingRecommender):
        return None
    if not len(forgotten):
        return None
    return recover(before, after, sample_users(forgotten, MOST_ATTACKED, "attacked users"))
