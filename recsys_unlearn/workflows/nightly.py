"""The queue drained, unattended: one batch for all, audited; a full training when the budget is spent."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from recsys_unlearn.erasure.requests import Request, Requests
from recsys_unlearn.errors import ConfigError, LostRequest, VerificationFailed
from recsys_unlearn.progress import Progress
from recsys_unlearn.tracking.purge import Purged
from recsys_unlearn.tracking.versions import DIGEST_TAG
from recsys_unlearn.workflows.deletion import clearing
from recsys_unlearn.workflows.deletion.erasing import settle
from recsys_unlearn.workflows.deletion.open_requests import Carried, Carrier
from recsys_unlearn.workflows.deletion.outcome import in_parts
from recsys_unlearn.workflows.deletion.planning import trained_on, waiting
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.lineage import Lineage
from recsys_unlearn.workflows.nightly_report import NightlyReport
from recsys_unlearn.workflows.resume import Failure, outcomes
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workspace import Workspace

RETRAIN = "retrain"


@dataclass(frozen=True)
class NightlyOptions:
    """How a night's work is done.

    Parameters
    ----------
    method
        By which to forget while the budget lasts; None for the one that the model names.
    deletion_budget
        Share of the interactions of the last full training that may be taken out by cheaper methods;
        the batch that goes beyond it is forgotten by training again.
    keep
        Which superseded versions may stay: ``0`` none, ``3`` the newest three, ``30d`` each for thirty
        days.
    fall_back
        Train again where the audit of the cheaper method fails.

    Raises
    ------
    ConfigError, UsageError
        If the budget is not a share; if there is no such method, or ``keep`` cannot be understood.
    """

    method: str | None = None
    deletion_budget: float = 0.05
    keep: str | int = "0"
    fall_back: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.deletion_budget <= 1:
            raise ConfigError(f"deletion_budget is a share between 0 and 1, not {self.deletion_budget:g}")
        _ = self.terms

    @property
    def terms(self) -> Terms:
        """For requests whose turn it is."""
        return Terms(self.method, True, str(self.keep))


def nightly(
    workspace: Workspace,
    options: NightlyOptions | None = None,
    progress: Progress | None = None,
    wait: float = 0.0,
) -> NightlyReport:
    """Carry on what is under way, then all that is queued in one batch; purge, and report.

    Safe from cron: a second night at the same time is refused, one after a crash carries on, and one
    with nothing to do changes nothing.

    Raises
    ------
    Locked
        If another process is changing the workspace.
    """
    with workspace.locked("nightly", wait):
        return _Night(workspace, options or NightlyOptions(), progress).work()


class _Night:
    """One night's work."""

    def __init__(self, workspace: Workspace, options: NightlyOptions, progress: Progress | None) -> None:
        self.workspace, self.options, self.progress = workspace, options, progress
        self.clock, self.started = Stopwatch(), datetime.now(UTC)
        self.requests: Requests = workspace.requests()
        self.registry = workspace.registry()

    def work(self) -> NightlyReport:
        returned = []
        with suppress(LostRequest):  # told below, of the request that it stops
            returned = settle(self.workspace)
        queued = waiting(self.requests)
        resumed = [self._again(each) for each in self._carrier().begun(self.requests.open())]
        spent = bool(queued) and self._spent(queued) > self.options.deletion_budget
        terms = self.options.terms.by(RETRAIN if spent else None)
        fresh = [self._again(each) for each in self._carrier().new(queued, terms)]
        erased_again = sum(len(each.subject) for each in returned)
        removed = self._purged()
        return self._report([*resumed, *fresh], sum(len(each.ids) for each in resumed), erased_again, removed)

    def _carrier(self, method: str | None = None) -> Carrier:
        return Carrier(self.workspace, method, self.clock, self.progress)

    def _again(self, carried: Carried) -> Carried:
        """Train again for who is still remembered."""
        if not self.options.fall_back or not isinstance(carried.error, VerificationFailed):
            return carried
        chosen = [self.requests.get(name) for name in carried.ids]
        return next(iter(self._carrier(RETRAIN).begun(chosen)))

    def _spent(self, queued: Sequence[Request] = ()) -> float:
        """Share of the last full training that is gone, or would be with these."""
        champion = self.registry.champion()
        more = trained_on(self.workspace, self.requests, queued) if queued else 0
        lineage = Lineage(self.requests.ledger.entries())
        return lineage.spent(champion.tags.get(DIGEST_TAG) if champion else None, more)

    def _purged(self) -> Purged:
        """Remove what the policy has kept until now."""
        with self.clock.part("purge"):
            retention = self.options.terms.retention()
            return clearing.clear(self.workspace, self.registry, self.requests, retention)[0]

    def _report(self, done: list[Carried], resumed: int, erased_again: int, removed: Purged) -> NightlyReport:
        told, left = outcomes(self.requests, done), self.requests.open()
        purged = {number for each in told for number in each.purged_versions} | set(removed.versions)
        champion = self.registry.champion()
        serving = champion.number if champion else None
        return NightlyReport(
            started_at=self.started.isoformat(timespec="seconds"),
            requests=told,
            resumed=resumed,
            erased_again=erased_again,
            version=serving,
            budget={
                "limit": self.options.deletion_budget,
                "spent": self._spent(),
                "retrained": any(each.method == RETRAIN for each in told),
            },
            purged_versions=sorted(purged),
            kept_versions=[each for each in removed.kept if each[0] != serving],
            failed=[Failure.of(each) for each in done if each.error],
            open=len(left),
            next_due_at=left[0].deadline.isoformat() if left else None,
            seconds=in_parts(self.clock.seconds()),
        )
