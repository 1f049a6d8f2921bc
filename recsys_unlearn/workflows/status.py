"""What is in a workspace: data, versions, requests and their deadlines, in numbers."""

from dataclasses import asdict, dataclass, field
from typing import Any

from recsys_unlearn.erasure.requests import Request, Requests, State
from recsys_unlearn.errors import LedgerError, Locked, LostRequest
from recsys_unlearn.tracking import Version
from recsys_unlearn.workflows.deletion.erasing import returned, settle
from recsys_unlearn.workflows.deletion.outcome import ForgetOutcome
from recsys_unlearn.workspace import Workspace

SHOWN = 10  # deletions, newest first


@dataclass(frozen=True)
class Status:
    """State of a workspace.

    Parameters
    ----------
    store
        Counts of the training store; None if nothing was ingested.
    champion
        Number of the version that serves; None if there is none.
    versions
        Of each version, newest first: ``version, kind, parent_version, created, aliases``.
    requests
        Those that are open, the most urgent first: ``request_id, kind, state, users, items,
        received_at, due_at, days_left, reason, error``.
    deletions
        The last ten that are done, newest first:
        ``request_id, completed_at, version, method, users, interactions``.
    erased_again
        Users who, or whose items, had been erased before and were in the store once more, as after a
        restored backup; that data has now been erased again.
    to_erase_again
        The same, where that could not be done just now.
    """

    store: dict[str, Any] | None
    champion: int | None
    versions: list[dict[str, Any]]
    requests: list[dict[str, Any]] = field(default_factory=list)
    deletions: list[dict[str, Any]] = field(default_factory=list)
    erased_again: int = 0
    to_erase_again: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the state with stable keys, for JSON."""
        return asdict(self)


def status(workspace: Workspace) -> Status:
    """Read the state of a workspace; one that is empty, or not there, has none.

    It changes one thing: who is on the suppression list and in the store is erased from it.

    Raises
    ------
    StoreError, LedgerError
        If there is a store, or a ledger, and it is damaged.
    """
    again, still = _returned(workspace)
    versions = workspace.registry().versions()
    champions = [version.number for version in versions if "champion" in version.aliases]
    requests = workspace.requests() if workspace.has_ledger else None
    return Status(
        store=_store(workspace),
        champion=champions[0] if champions else None,
        versions=[_version(version) for version in versions],
        requests=[_request(each) for each in requests.open()] if requests else [],
        deletions=_deletions(requests) if requests else [],
        erased_again=again,
        to_erase_again=still,
    )


def _returned(workspace: Workspace) -> tuple[int, int]:
    """Erase who came back, if nobody else is at work and the disk can be written."""
    users = len({row for each in returned(workspace) for row in each.rows.tolist()})
    if not users:
        return 0, 0
    try:
        with workspace.locked("status"):
            settle(workspace)
        return users, 0
    except (Locked, OSError, LedgerError, LostRequest):
        return 0, users


def _store(workspace: Workspace) -> dict[str, Any] | None:
    if not workspace.store_dir.exists():
        return None
    store = workspace.store()
    return {
        "store_id": store.store_id,
        "digest": store.digest,
        "users": len(store.known_rows()),
        "forgotten_users": store.n_users - len(store.known_rows()),
        "items": store.n_items,
        "interactions": sum(store.sizes.values()),
        **store.sizes,
        "erasures": store.generation,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "kind": version.tags.get("kind"),
        "parent_version": version.parent,
        "created": version.created.isoformat(timespec="seconds"),
        "aliases": list(version.aliases),
    }


def _request(request: Request) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "kind": request.kind,
        "state": str(request.state),
        "users": len(request.subject),
        "items": request.items,
        "received_at": request.received_at.isoformat(),
        "due_at": request.deadline.isoformat(),
        "days_left": request.days_left(),
        "reason": request.reason,
        "error": request.error,
    }


def _deletions(requests: Requests) -> list[dict[str, Any]]:
    done = [each for each in requests.all() if each.state == State.RECEIPTED][: -SHOWN - 1 : -1]
    return [_deletion(requests, each) for each in done]


def _deletion(requests: Requests, request: Request) -> dict[str, Any]:
    outcome = ForgetOutcome.of(requests, request, {})
    return {
        "request_id": request.request_id,
        "completed_at": request.completed_at and request.completed_at.isoformat(),
        "version": outcome.version,
        "method": outcome.method,
        "users": outcome.users,
        "interactions": outcome.interactions,
    }
