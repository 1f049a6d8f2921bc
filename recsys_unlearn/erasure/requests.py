"""The deletion requests of a workspace, from their receipt to their receipt.

The ledger is the one source of truth: a state is an entry in it, written *after* its effect is durable,
so that what is left to do after a crash begins at the last entry. Entries of other kinds than the
states' are not about requests, and are passed over.
"""

import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_unlearn import durable
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.ledger import Entry, Ledger
from recsys_unlearn.erasure.request import (
    EXTENDED,
    MONTHS,
    MORE_MONTHS,
    STEPS,
    Kind,
    Request,
    State,
    add_months,
    moved,
    received,
)
from recsys_unlearn.errors import UsageError

WORKING = "requests"

__all__ = ["STEPS", "WORKING", "Kind", "Request", "Requests", "State", "items_mac"]


class Requests:
    """The requests of a workspace.

    Parameters
    ----------
    directory
        ``WORKSPACE/data/erasure``.
    ledger
        Of the same directory.
    """

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self.directory, self.ledger = directory, ledger
        self._requests: dict[str, Request] = {}
        self._of_subject: dict[str, list[str]] = {}
        self._read: list[Entry] = []

    def receive(
        self,
        kind: Kind,
        subjects: Iterable[str],
        reason: str,
        items: Iterable[str] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> Request:
        """Take in a request, or return the open one that already asks for all of it.

        Asking again for what is being done starts nothing: if an open request covers every subject (the
        same ones, or more, of whole accounts; the very same items, of ``items``), it is returned. A
        request for more than any open one covers is a new one, for all of its subjects. It may overlap
        with others: to erase somebody twice does no harm, while to leave one out would tie the fate of
        this request to that of another. Closed requests do not count; the caller knows from ``find``
        whether somebody was erased before.

        Parameters
        ----------
        kind
            ``account``, or ``items`` of exactly one account.
        subjects
            Keyed hashes of users (``Key.user``), in any order.
        reason
            Why, for the record; must name nobody.
        items
            Keyed hashes of items (``Key.item``). Only their number is recorded, and a seal.
        files
            What is needed to carry it out and cannot be told from keyed hashes: content by name, written
            to the working directory before the request counts as received.

        Raises
        ------
        UsageError
            Nobody is named, something is not a keyed hash, or items do not go with the kind.
        """
        asked = _Asked.of(kind, subjects, items, self.ledger)
        with self._locked():
            covering = self._covering(asked)
            if covering:
                return covering
            request_id = f"request-{secrets.token_hex(6)}"
            self._store(request_id, files or {})
            self._record(State.RECEIVED, {"request": request_id, "reason": reason, **vars(asked)})
            return self._one(request_id)

    def advance(self, request_id: str, state: State | str, **details: Any) -> Request:
        """Record that a request has reached its next state, whose effect is durable by now.

        Raises
        ------
        UsageError
            There is no such request, it is closed, or the state is not the next one. To record the
            state that was reached last once more changes nothing.
        """
        return self.advance_all([request_id], state, **details)[0]

    def advance_all(self, request_ids: Sequence[str], state: State | str, **details: Any) -> list[Request]:
        """``advance`` for requests that are carried out together, in one write."""
        return self.advance_each(dict.fromkeys(request_ids, details), state)

    def advance_each(self, details: Mapping[str, Mapping[str, Any]], state: State | str) -> list[Request]:
        """``advance_all`` with details of each request's own."""
        with self._locked():
            moving = [each for each in details if self._may_reach(self._one(each), state)]
            self._record(state, *({"request": each, "details": dict(details[each])} for each in moving))
            return [self._one(each) for each in details]

    def deny(self, request_id: str, reason: str) -> Request:
        """Close a request that will not be carried out; possible until data was erased.

        Its working directory is removed.

        Raises
        ------
        UsageError
            There is no such request, it is closed, or some of it was done already.
        """
        with self._locked():
            request = self._open_one(request_id)
            if request.reached not in STEPS[:2]:
                raise UsageError(
                    f"{request_id} is at {request.reached}: its data is erased, so it can only be finished. "
                    "Run `resume`"
                )
            self._record(State.DENIED, {"request": request_id, "error": reason})
            self.discard(request_id)
            return self._one(request_id)

    def fail(self, request_id: str, error: str) -> Request:
        """Record that a request could not be carried on; ``advance`` takes it up again.

        Parameters
        ----------
        error
            What went wrong; must name nobody. The same one again, after no progress, changes nothing.

        Raises
        ------
        UsageError
            There is no such request, or it is closed.
        """
        with self._locked():
            request = self._open_one(request_id)
            if (request.state, request.error) != (State.FAILED, error):
                self._record(State.FAILED, {"request": request_id, "error": error})
            return self._one(request_id)

    def extend(self, request_id: str, until: datetime, reason: str) -> Request:
        """Move the deadline, for which the law asks a reason that the person is told.

        Raises
        ------
        UsageError
            There is no such request, it is closed, its first month is over, no reason is given, or
            ``until`` is not later than the deadline, or later than three months from receipt.
        """
        with self._locked():
            request = self._open_one(request_id)
            until = until.astimezone(UTC).replace(microsecond=0)
            if (request.extended_to, request.extension_reason) == (until, reason):
                return request
            self._check_extension(request, until, reason)
            body = {"request": request_id, "until": until.isoformat(), "reason": reason}
            self._record(EXTENDED, body)
            return self._one(request_id)

    def get(self, request_id: str) -> Request:
        """Return one request; UsageError if there is none of that name."""
        self._refresh()
        return self._one(request_id)

    def all(self) -> list[Request]:
        """All requests, in the order of their receipt."""
        self._refresh()
        return list(self._requests.values())

    def open(self) -> list[Request]:
        """Requests that something is left to do for, in the order of their deadlines."""
        return sorted((each for each in self.all() if each.is_open), key=lambda each: each.deadline)

    def find(self, subject_hash: str) -> list[Request]:
        """All requests about one user, by keyed hash, in the order of their receipt."""
        self._refresh()
        return [self._requests[each] for each in self._of_subject.get(subject_hash, ())]

    def working(self, request_id: str) -> Path:
        """Directory of what is needed to carry an open request out, for its owner's eyes alone.

        It may hold rows and items of the people concerned: it goes when the request is done.
        """
        self._refresh()
        self._open_one(request_id)
        return self._made(request_id)

    def discard(self, request_id: str) -> None:
        """Remove a request's working directory; does nothing if there is none."""
        path = self._directory_of(self.get(request_id).request_id)
        if path.exists():
            _remove(path)

    def sweep(self) -> None:
        """Remove what a crash left: half-made files, and working directories that nobody needs any more.

        For the holder of the workspace's lock, before it starts to work.
        """
        with self._locked():
            needed = {each.request_id for each in self.open()}
            for path in (self.directory / WORKING).glob("*"):
                if path.name not in needed:
                    _remove(path)
            for path in self.directory.rglob(f"{durable.TEMPORARY}*"):
                path.unlink()

    def _store(self, request_id: str, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            with durable.replacing(self._made(request_id) / name) as temporary:
                temporary.write_bytes(content)

    def _directory_of(self, request_id: str) -> Path:
        return self.directory / WORKING / request_id

    def _made(self, request_id: str) -> Path:
        path = self._directory_of(request_id)
        for directory in (path.parent, path):
            if not directory.is_dir():
                directory.unlink(missing_ok=True)  # a file in its place holds nothing of ours
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                durable.sync(directory.parent)
        return path

    def _one(self, request_id: str) -> Request:
        try:
            return self._requests[request_id]
        except KeyError:
            raise UsageError("no such request in this workspace: `status` lists them") from None

    def _open_one(self, request_id: str) -> Request:
        request = self._one(request_id)
        if not request.is_open:
            raise UsageError(f"{request_id} is closed ({request.state}): make a new request")
        return request

    def _may_reach(self, request: Request, state: str) -> bool:
        """Whether there is something to record; UsageError if the state is out of turn."""
        if state == request.reached and request.state != State.DENIED:
            return False
        expected = self._open_one(request.request_id).next_state
        if state != expected:
            raise UsageError(
                f"{request.request_id} is at {request.reached}, and {expected} comes next, not {state}"
            )
        return True

    def _check_extension(self, request: Request, until: datetime, reason: str) -> None:
        latest = add_months(request.received_at, MONTHS + MORE_MONTHS)
        if not reason.strip():
            raise UsageError(f"{request.request_id}: give the reason of the extension; the person is told it")
        if self.ledger.clock() > request.due_at:
            raise UsageError(
                f"{request.request_id} was due on {request.due_at:%Y-%m-%d}: it could be extended until then"
            )
        if not request.deadline < until <= latest:
            raise UsageError(
                f"{request.request_id} can be extended to a date after {request.deadline:%Y-%m-%d} and not "
                f"after {latest:%Y-%m-%d}"
            )

    def _covering(self, asked: "_Asked") -> Request | None:
        about_the_first = (self._requests[each] for each in self._of_subject.get(asked.subject[0], ()))
        return next((each for each in about_the_first if each.is_open and asked.is_covered_by(each)), None)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep what is known true until the answer is written."""
        with self.ledger.locked():
            self._refresh()
            yield

    def _refresh(self) -> None:
        """Fold the ledger's new entries into what is known."""
        entries = self.ledger.entries()
        if entries[: len(self._read)] != self._read:  # a backup was restored
            self._requests, self._of_subject, self._read = {}, {}, []
        for entry in entries[len(self._read) :]:
            self._fold(entry)

    def _record(self, kind: str, *bodies: Mapping[str, Any]) -> None:
        for entry in self.ledger.append_all((kind, body) for body in bodies):
            self._fold(entry)

    def _fold(self, entry: Entry) -> None:
        self._read.append(entry)
        if entry.kind == State.RECEIVED:
            request = received(entry)
            self._requests[request.request_id] = request
            for subject in request.subject:
                self._of_subject.setdefault(subject, []).append(request.request_id)
        elif entry.kind == EXTENDED or entry.kind in tuple(State):
            request = self._requests[entry.body["request"]]
            self._requests[request.request_id] = moved(request, entry)


def items_mac(key: Key, items: Iterable[str]) -> str:
    """Seal of a set of items, given their keyed hashes: tells the same set again, and not what is in it."""
    return key.mac("".join(sorted(set(items))).encode())


@dataclass(frozen=True)
class _Asked:
    """What a request is about, as the ledger records it."""

    kind: Kind
    subject: list[str]
    items: int
    items_mac: str | None

    @classmethod
    def of(cls, kind: Kind, subjects: Iterable[str], items: Iterable[str], ledger: Ledger) -> "_Asked":
        users, things = _hashes(subjects), _hashes(items)
        if kind not in ("account", "items"):
            raise UsageError(f"no kind of request {kind!r}: it is account or items")
        if not users:
            raise UsageError("a request names at least one user")
        if (kind == "items") != bool(things):
            raise UsageError("items go with a request of the kind items, and with no other")
        if kind == "items" and len(users) != 1:
            raise UsageError("items go with exactly one user: make one request for each")
        return cls(kind, users, len(things), items_mac(ledger.key, things) if things else None)

    def is_covered_by(self, request: Request) -> bool:
        """Whether an open request asks for all of this: whole accounts cover their items."""
        if request.kind == "account":
            return set(self.subject) <= set(request.subject)
        return self.items_mac == request.items_mac


def _hashes(values: Iterable[str]) -> list[str]:
    found = sorted(set(values))
    if not all(len(each) == 64 and set(each) <= set("0123456789abcdef") for each in found):
        raise UsageError("a request holds keyed hashes alone: pass ids through Key.user and Key.item")
    return found


def _remove(path: Path) -> None:
    """Remove a working directory; one that was half removed is no directory of any request."""
    gone = path.with_name(f"{durable.TEMPORARY}{path.name.removeprefix(durable.TEMPORARY)}")
    path.rename(gone)
    shutil.rmtree(gone)
    durable.sync(path.parent)
