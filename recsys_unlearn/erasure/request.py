"""One deletion request: where it stands, and how long the law leaves for it.

::

    received -> planned -> data_erased -> model_updated -> index_rebuilt -> verified -> purged -> receipted
       `-> denied                     any open state -> failed -> the next one, when it is resumed
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from recsys_unlearn.erasure.chain import Entry

MONTHS = 1  # GDPR art. 12(3): within one month of receipt of the request
MORE_MONTHS = 2  # and two further months where necessary, if the person is told within the first
EXTENDED = "extended"  # kind of the ledger's entry

Kind = Literal["account", "items"]


class State(StrEnum):
    """Where a request stands; the first eight in their order."""

    RECEIVED = "received"
    PLANNED = "planned"
    DATA_ERASED = "data_erased"
    MODEL_UPDATED = "model_updated"
    INDEX_REBUILT = "index_rebuilt"
    VERIFIED = "verified"
    PURGED = "purged"
    RECEIPTED = "receipted"
    DENIED = "denied"
    FAILED = "failed"


STEPS = tuple(State)[:8]
CLOSED = frozenset({State.RECEIPTED, State.DENIED})


@dataclass(frozen=True)
class Request:
    """One deletion request, as the ledger tells it.

    Parameters
    ----------
    request_id
        Random name.
    kind
        Whole accounts, or items of one account.
    subject
        Keyed hashes of the users, ascending.
    items
        Number of items that are to be forgotten; 0 for accounts.
    items_mac
        Seals which items they are, without telling; None for accounts.
    reason
        What the caller gave as the reason.
    state
        Where it stands.
    reached
        The last step that was done: what ``state`` was before it failed or was denied.
    received_at, due_at
        When it came in, and one calendar month later.
    extended_to, extension_reason
        The later date that replaced ``due_at``, and why; or None.
    completed_at
        When the last effect was done (``purged``; the receipt only writes it down), or when it was
        denied; else None.
    error
        Why it failed or was denied; else None.
    times
        When each step was done: state to ISO time.
    details
        What ``advance`` was told at each step.
    sequences
        Number of each step's entry in the ledger.
    """

    request_id: str
    kind: Kind
    subject: tuple[str, ...]
    items: int
    items_mac: str | None
    reason: str
    state: State
    reached: State
    received_at: datetime
    due_at: datetime
    extended_to: datetime | None = None
    extension_reason: str | None = None
    completed_at: datetime | None = None
    error: str | None = None
    times: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)

    @property
    def deadline(self) -> datetime:
        """Date by which it has to be done."""
        return self.extended_to or self.due_at

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return self.state not in CLOSED

    @property
    def next_state(self) -> State | None:
        """The step to do next; None if the request is closed."""
        return STEPS[STEPS.index(self.reached) + 1] if self.is_open else None

    def days_left(self, now: datetime | None = None) -> int:
        """Whole days until the deadline; negative once it has passed."""
        return (self.deadline - (now or datetime.now(UTC))).days

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with times in ISO 8601."""
        values = {**vars(self), "subject": list(self.subject)}
        dates = {name: each.isoformat() for name, each in values.items() if isinstance(each, datetime)}
        return values | {"state": str(self.state), "reached": str(self.reached)} | dates


def add_months(moment: datetime, months: int) -> datetime:
    """Same day and time ``months`` later, or the last day of that month if it has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def received(entry: Entry) -> Request:
    """Request that an entry of the kind ``received`` opens."""
    body = entry.body
    # Where the clock was behind the ledger's last entry the earlier time counts: the law's began to run then.
    at = datetime.fromisoformat(entry.at) - timedelta(seconds=body.get("clock_behind_s", 0))
    return Request(
        request_id=body["request"],
        kind=body["kind"],
        subject=tuple(body["subject"]),
        items=body["items"],
        items_mac=body["items_mac"],
        reason=body["reason"],
        state=State.RECEIVED,
        reached=State.RECEIVED,
        received_at=at,
        due_at=add_months(at, MONTHS),
        times={State.RECEIVED.value: entry.at},
        sequences={State.RECEIVED.value: entry.sequence},
    )


def moved(request: Request, entry: Entry) -> Request:
    """Request after an entry of any other state's kind, or of the kind ``extended``."""
    body, at = entry.body, datetime.fromisoformat(entry.at)
    if entry.kind == EXTENDED:
        until = datetime.fromisoformat(body["until"])
        return replace(request, extended_to=until, extension_reason=body["reason"])
    state = State(entry.kind)
    times = {**request.times, state.value: entry.at}
    sequences = {**request.sequences, state.value: entry.sequence}
    if state in STEPS:
        details = {**request.details, state.value: body["details"]}
        request = replace(request, reached=state, error=None, details=details)
    else:
        request = replace(request, error=body["error"])
    done = at if state in (State.PURGED, State.DENIED) else request.completed_at
    return replace(request, state=state, completed_at=done, times=times, sequences=sequences)
