"""From a user's id to a version that has forgotten them.

    read -> unlearn -> index -> audit -> publish -> move the alias -> erase the data

The data goes last: until the new version serves, nothing is lost, and after a crash the same command
carries on. A user whose row is no longer in the champion is not unlearned twice; a deletion of single
items is recognised by the fingerprint that its version carries.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from recsys_unlearn.audit.report import AuditReport
from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.errors import PartiallyDone, StoreError, UsageError, VerificationFailed
from recsys_unlearn.interactions.contract import ItemId, Splits, UserId
from recsys_unlearn.progress import Progress
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.tracking.runs import Run
from recsys_unlearn.tracking.versions import Version
from recsys_unlearn.unlearning.contract import ForgetResult, Unlearner
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.registry import METHODS, unlearner
from recsys_unlearn.workflows.deletion_plan import DeletionPlan, plan_deletion
from recsys_unlearn.workflows.evidence import Evidence, gather
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workflows.version_files import STORE_TAG, open_version, staged
from recsys_unlearn.workspace import Workspace

FINGERPRINT_TAG = "deletion_fingerprint"
TRAINED_AGAIN_TAG = "trained_again"
STEPS = ("unlearning", "indexing", "auditing", "publishing", "erasing")

Status = Literal["planned", "completed"]


@dataclass(frozen=True)
class ForgetOutcome:
    """What a deletion did, or with ``planned`` what it would do.

    Parameters
    ----------
    version, parent_version
        The version that serves now and the one that served before; equal if the model held nothing of
        the users (strangers, or a deletion that was interrupted after its version was made).
    interactions
        Number of interactions erased from the store, of all splits.
    seconds
        ``data`` (store), ``model`` (unlearning) and ``index`` are the deletion's compute; then ``load``,
        ``audit``, ``publish`` and ``total``.
    older_versions
        Versions made before it, which may still hold the forgotten users' vectors.
    """

    request_id: str
    status: Status
    version: int
    parent_version: int
    users: int
    interactions: int
    method: str
    guarantee: str
    leaves_behind: str
    seconds: dict[str, float]
    utility: dict[str, dict[str, float]] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    older_versions: list[int] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; names no user."""
        return asdict(self)


def forget(
    workspace: Workspace,
    users: Sequence[UserId],
    items: Sequence[ItemId] | None = None,
    method: str = "natural_ascent",
    dry_run: bool = False,
    verify: bool = True,
    progress: Progress | None = None,
) -> ForgetOutcome:
    """Forget whole accounts, or some items of one user, and serve the version that results.

    Parameters
    ----------
    method
        One of :data:`recsys_unlearn.unlearning.registry.METHODS`.
    dry_run
        Say what would be done; nothing is written.
    verify
        Measure before and after, and refuse to serve a version whose audit fails.

    Raises
    ------
    UnknownUser, UnknownItem, UsageError
        If the request makes no sense; nothing was changed.
    VerificationFailed
        If the audit fails: the new version exists, serves nobody, and the data is as it was.
    PartiallyDone
        If the new version serves and the data could not be erased; the same call carries on.
    Locked
        If another process is changing the workspace.
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r}; there are {', '.join(METHODS)}")
    with nullcontext() if dry_run else workspace.locked():
        return _Deletion(workspace, method, dry_run, progress).carry_out(users, items, verify)


class _Deletion:
    """One deletion on its way through the rooms."""

    def __init__(self, workspace: Workspace, method: str, dry_run: bool, progress: Progress | None) -> None:
        self.clock = Stopwatch()
        self.request_id = f"request-{secrets.token_hex(6)}"
        self.method, self.dry_run, self.progress = method, dry_run, progress
        self.store, self.registry = workspace.store(), workspace.registry()
        self.parent = open_version(self.registry, self.store)
        with self.clock.part("load"):
            self.splits = self.store.splits() if dry_run else self.store.settled_splits()
            self.recommender = self.parent.recommender()
        self.unlearner = _configured(method, self.recommender, self.splits)

    def carry_out(
        self, users: Sequence[UserId], items: Sequence[ItemId] | None, verify: bool
    ) -> ForgetOutcome:
        plan = plan_deletion(self.store, self.splits, users, items)
        if self.dry_run:
            return self._outcome("planned", plan, self.parent.version, None)
        self._report("unlearning")
        result = self._unlearn(plan)
        if result.recommender is self.recommender:  # the model holds nothing of them
            self._erase(plan)
            return self._outcome("completed", plan, self.parent.version, None)
        self._report("indexing")
        with self.clock.part("index"):
            index = ItemIndex.build(result.recommender.item_table)
        return self._serve(plan, result, index, verify)

    def _unlearn(self, plan: DeletionPlan) -> ForgetResult:
        readiness = self.parent.readiness()
        if self._forgot_already(plan):
            nobody = np.zeros(0, np.int64)
            return ForgetResult(self.recommender, readiness, nobody, nobody)
        with self.clock.part("model"):
            return self.unlearner.forget(self.recommender, self.splits.train, plan.request, readiness)

    def _forgot_already(self, plan: DeletionPlan) -> bool:
        """Whether the champion, or a version it was made from, carries the deletion's fingerprint.

        What lies before a version that was trained on the data again does not count.
        """
        version: Version | None = self.parent.version
        while version is not None:
            if version.tags.get(FINGERPRINT_TAG) == plan.fingerprint:
                return True
            again = version.tags.get(TRAINED_AGAIN_TAG) == "True"
            version = self.registry.version(version.parent) if version.parent and not again else None
        return False

    def _serve(
        self, plan: DeletionPlan, result: ForgetResult, index: ItemIndex, verify: bool
    ) -> ForgetOutcome:
        tags = {
            STORE_TAG: self.store.store_id,
            FINGERPRINT_TAG: plan.fingerprint,
            "method": self.method,
            "guarantee": self.unlearner.guarantee,
            "request_id": self.request_id,
            TRAINED_AGAIN_TAG: str(self.unlearner.trains_again),
        }
        with self.registry.tracker.run(
            f"forget {self.request_id}", "forget", tags, self._parameters()
        ) as run:
            evidence = self._audit(plan, result, run) if verify else None
            version = self._publish(plan, result, index, tags, run)
            if evidence and evidence.verdict and not evidence.verdict.passed:
                raise VerificationFailed(self._refusal(version, evidence.verdict))
            self.registry.promote(version.number)
            self._erase(plan)
            run.metrics(self._counts(plan))
        return self._outcome("completed", plan, version, evidence)

    def _audit(self, plan: DeletionPlan, result: ForgetResult, run: Run) -> Evidence:
        self._report("auditing")
        with self.clock.part("audit"):
            evidence = gather(self.recommender, result.recommender, self.splits, plan)
            run.metrics(evidence.metrics(self.parent.version.metrics))
            evidence.draw(run)
        return evidence

    def _publish(
        self, plan: DeletionPlan, result: ForgetResult, index: ItemIndex, tags: dict[str, str], run: Run
    ) -> Version:
        self._report("publishing")
        retained = self.splits.train.without(plan.train)
        readiness = result.readiness or NaturalReadiness.measure(result.recommender, retained)
        run.dataset(self.store.digest, self.store.n_users, self.store.n_items, len(self.splits.train))
        with self.clock.part("publish"), staged(result.recommender, readiness, index) as directory:
            return self.registry.publish(directory, run, parent=self.parent.version.number, tags=tags)

    def _erase(self, plan: DeletionPlan) -> None:
        self._report("erasing")
        try:
            with self.clock.part("data"):
                self.store.erase(plan.accounts, plan.pairs if not len(plan.accounts) else None)
        except (OSError, StoreError) as error:
            raise PartiallyDone(
                f"the served version has forgotten them, but their data is still in the store: {error}. "
                "Run the same command again"
            ) from error

    def _outcome(
        self, status: Status, plan: DeletionPlan, version: Version, evidence: Evidence | None
    ) -> ForgetOutcome:
        older = [each.number for each in self.registry.versions() if each.number < version.number]
        return ForgetOutcome(
            request_id=self.request_id,
            status=status,
            version=version.number,
            parent_version=self.parent.version.number,
            users=len(plan.accounts) or len(plan.pairs.active_users),
            interactions=len(plan.pairs),
            method=self.method,
            guarantee=self.unlearner.guarantee,
            leaves_behind=self.unlearner.leaves_behind,
            seconds=self._seconds(),
            utility=evidence.utility() if evidence else {},
            audit=evidence.as_dict() if evidence else {},
            older_versions=older if status == "completed" else [],
        )

    def _seconds(self) -> dict[str, float]:
        parts = ("load", "data", "model", "index", "audit", "publish")
        return dict.fromkeys(parts, 0.0) | self.clock.seconds()

    def _counts(self, plan: DeletionPlan) -> dict[str, float]:
        counts = {"deleted/users": len(plan.accounts), "deleted/interactions": len(plan.pairs)}
        return counts | {f"seconds/{part}": value for part, value in self._seconds().items()}

    def _parameters(self) -> dict[str, Any]:
        return dict(_flat(asdict(self.unlearner), "method"))

    def _refusal(self, version: Version, found: AuditReport) -> str:
        return (
            f"the audit found the users {found.verdict} (membership AUC {found.auc.value:.3f}, 95 % interval "
            f"{found.auc.low:.3f} to {found.auc.high:.3f}). Version {version.number} was made and serves "
            f"nobody; version {self.parent.version.number} still serves, and the data is as it was. "
            "Run the same command with --method retrain"
        )

    def _report(self, step: str) -> None:
        if self.progress:
            self.progress(step, STEPS.index(step) + 1, len(STEPS))


def _flat(parameters: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _configured(method: str, recommender: Factorization, splits: Splits) -> Unlearner:
    """Return the method; one that stops at the strangers' level is told where that is."""
    chosen = unlearner(method)
    if not isinstance(chosen, GradientAscent) or not len(splits.strangers):
        return chosen
    level = fold_in_statistic(recommender, splits.strangers).log_likelihood.mean()
    return replace(chosen, stranger_level=float(level))
