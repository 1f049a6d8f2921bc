"""What a deletion did, in numbers: told from the ledger, whoever carried it out and when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from recsys_unlearn.erasure.requests import Request, Requests, State
from recsys_unlearn.workflows.deletion.planning import batch_of
from recsys_unlearn.workflows.deletion.receipts import path_of

Status = Literal["planned", "queued", "completed", "already erased", "failed", "unfinished"]
PARTS = ("load", "data", "model", "index", "audit", "publish", "purge")


@dataclass(frozen=True)
class ForgetOutcome:
    """What a deletion did, or with ``planned`` what it would do.

    Parameters
    ----------
    request_id, state, due_at
        Of the request; see :class:`recsys_unlearn.erasure.requests.Request`. None for what is only planned.
    version, parent_version
        The version that serves now and the one that served before; equal if the model held nothing of
        the users (strangers, or whoever was unlearned before); None if none serves.
    users
        Number of users that the request is about.
    interactions
        Number of interactions erased from the store, of all splits.
    already_erased
        Number of users asked for who had been erased before.
    seconds
        ``data`` (store), ``model`` (unlearning) and ``index`` are the deletion's compute; then ``load``,
        ``audit``, ``publish``, ``purge`` and ``total``.
    older_versions
        Versions that still hold the forgotten users, because the policy keeps them.
    purged_versions
        Versions that were removed because they did.
    residue
        What a search of the workspace found of the accounts afterwards: ``hits, files, bytes, places``.
        Empty where it was not searched: for items, and where versions are kept.
    receipt
        Path of the receipt; None before there is one.
    """

    request_id: str | None
    status: Status
    state: str | None = None
    version: int | None = None
    parent_version: int | None = None
    users: int = 0
    interactions: int = 0
    already_erased: int = 0
    method: str | None = None
    guarantee: str | None = None
    leaves_behind: str | None = None
    due_at: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    utility: dict[str, dict[str, float]] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    older_versions: list[int] = field(default_factory=list)
    purged_versions: list[int] = field(default_factory=list)
    residue: dict[str, Any] = field(default_factory=dict)
    receipt: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; names no user."""
        return asdict(self)

    @classmethod
    def of(
        cls, requests: Requests, request: Request, seconds: Mapping[str, float], already_erased: int = 0
    ) -> Self:
        """Tell what has become of a request by now."""
        first = requests.get(batch_of(request) or request.request_id)
        planned, verified, purged = (
            first.details.get(state, {}) for state in (State.PLANNED, State.VERIFIED, State.PURGED)
        )
        made_by = verified.get("made_by") or {}
        receipt = path_of(requests.directory, request.request_id)
        return cls(
            request_id=request.request_id,
            status=_status(request),
            state=str(request.state),
            version=verified.get("version"),
            parent_version=verified.get("parent_version"),
            users=len(request.subject),
            interactions=planned.get("counts", {}).get(request.request_id, [0])[0],
            already_erased=already_erased,
            method=made_by.get("method", planned.get("method")),
            guarantee=made_by.get("guarantee"),
            leaves_behind=made_by.get("leaves_behind"),
            due_at=request.deadline.isoformat(),
            seconds=in_parts(seconds),
            utility=_in_order(verified.get("utility", {})),
            audit=verified.get("audit", {}),
            older_versions=list(purged.get("older_versions", ())),
            purged_versions=list(purged.get("versions", ())),
            residue=dict(purged.get("residue") or {}),
            receipt=str(receipt) if receipt.exists() else None,
        )


def in_parts(seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds with all :data:`PARTS`, 0 for what was not done."""
    return dict.fromkeys(PARTS, 0.0) | dict(seconds)


def _in_order(utility: Mapping[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """``before`` and then ``after``, which the ledger sorts by name."""
    return {side: utility[side] for side in ("before", "after") if side in utility}


def _status(request: Request) -> Status:
    by_state: dict[State, Status] = {
        State.RECEIVED: "queued",
        State.RECEIPTED: "completed",
        State.FAILED: "failed",
    }
    return by_state.get(request.state, "unfinished")
