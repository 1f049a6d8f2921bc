"""Superseded versions off the disk: those that hold somebody who was forgotten, or all of them."""

from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from typing import Any

from recsys_unlearn.errors import LostRequest
from recsys_unlearn.tracking.purge import Purged
from recsys_unlearn.tracking.purge import purge as remove
from recsys_unlearn.tracking.retention import Retention
from recsys_unlearn.workflows.deletion import clearing
from recsys_unlearn.workflows.deletion.erasing import finish_erasures
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workspace import Workspace

KIND = "purge"  # of the ledger's entry


@dataclass(frozen=True)
class PurgeOutcome:
    """What a purge removed, or with ``dry_run`` would remove.

    Parameters
    ----------
    versions
        Their numbers.
    kept
        (version, reason), newest first.
    unfinished
        Models that no version named: of crashed publications.
    files, bytes
        Of everything removed.
    """

    dry_run: bool
    versions: list[int]
    kept: list[tuple[int, str]]
    unfinished: int
    files: int
    bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def purge(
    workspace: Workspace,
    keep: str = "0",
    all_superseded: bool = False,
    dry_run: bool = False,
    wait: float = 0.0,
) -> PurgeOutcome:
    """Remove versions that are older than the champion, with their weights, index and pictures.

    Parameters
    ----------
    keep
        ``0`` none, ``3`` the newest three, ``30d`` each for thirty days.
    all_superseded
        Also those that hold nobody who was forgotten.
    dry_run
        Say what would go; nothing is changed.

    Raises
    ------
    UsageError
        If ``keep`` is not one of these.
    PartiallyDone
        If rows are gone and files are not; the same call carries on.
    Locked
        If another process is changing the workspace.
    """
    retention, clock = Terms(keep=keep).retention(), Stopwatch()
    with nullcontext() if dry_run else workspace.locked("purge", wait):
        if not dry_run:
            with suppress(LostRequest):  # it is for `resume` to tell of it
                finish_erasures(workspace)
        removed = _removed(workspace, retention, all_superseded, dry_run)
    return PurgeOutcome(
        dry_run=dry_run,
        versions=list(removed.versions),
        kept=list(removed.kept),
        unfinished=removed.unfinished,
        files=removed.files,
        bytes=removed.bytes,
        seconds=clock.seconds()["total"],
    )


def _removed(workspace: Workspace, retention: Retention, all_superseded: bool, dry_run: bool) -> Purged:
    registry = workspace.registry()
    if not registry.tracker.exists or not workspace.has_ledger:
        return Purged()
    outdated = None if all_superseded else clearing.outdated(workspace, registry, workspace.requests())
    removed = remove(registry, retention, outdated, clearing.REASON, dry_run=dry_run)
    if removed.versions and not dry_run:
        workspace.ledger().append(KIND, {"versions": list(removed.versions), "kept": list(removed.kept)})
    return removed
