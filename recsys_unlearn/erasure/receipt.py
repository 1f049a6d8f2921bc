"""What a privacy officer keeps of a deletion: JSON that can be checked years later, without a network.

Three levels, each of which needs more than the one before:

1. *By itself.* The receipt is whole, its times fit the law's, the ledger's entry of the deletion is in
   the tree whose root it gives, and each erased user is absent from the tree of those who remained.
   Anybody can make up a receipt that passes this; it shows that the parts belong together.
2. *With the key.* Its MAC shows that the workspace issued it, and that nothing was changed since.
3. *With the ledger.* The ledger still holds what the receipt says, and records that it was issued.

Nobody can have put the ledger back to a state before the receipt was issued: the third level would find
that out.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from recsys_unlearn import durable
from recsys_unlearn.erasure.chain import Entry, canonical
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.ledger import FILE as LEDGER_FILE
from recsys_unlearn.erasure.ledger import Ledger
from recsys_unlearn.erasure.merkle import Absence, Proof, SortedTree
from recsys_unlearn.erasure.request import MONTHS, MORE_MONTHS, STEPS, Request, State, add_months
from recsys_unlearn.erasure.requests import Requests
from recsys_unlearn.errors import LedgerError, UsageError, VerificationFailed

DIRECTORY = "receipts"
FORMAT_VERSION = 1
STATEMENT = (
    "This receipt attests the procedure that was carried out, the hashes of its inputs and outputs, and "
    "the measurements made on them. It is not proof of absence."
)


@dataclass(frozen=True)
class Receipt:
    """One deletion, told from its request to its end. Use ``issue``.

    Parameters
    ----------
    request
        ``request_id, kind, subject, items, items_mac, reason``.
    clock
        ``received_at, due_at, extended_to, extension_reason, completed_at``, and ``times`` of all steps.
    before, after
        The version that served and its digests, before and after.
    audit
        Figures of the measurement.
    purge
        Which versions were removed, which were kept, and why.
    ledger
        ``key`` (fingerprint), ``size`` and ``root`` of the tree, ``entry`` and its ``proof``.
    absence
        ``root`` and ``users`` of the tree over the keyed hashes of all who remained, and a proof for each
        subject; None if items were forgotten and the account stays.
    mac
        Over all of the above; empty until it is issued.
    """

    request: Mapping[str, Any]
    clock: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    audit: Mapping[str, Any]
    purge: Mapping[str, Any]
    ledger: Mapping[str, Any]
    absence: Mapping[str, Any] | None
    mac: str = ""
    statement: str = STATEMENT
    format_version: int = FORMAT_VERSION

    def payload(self) -> bytes:
        """Bytes that the MAC is made of."""
        return canonical({name: value for name, value in vars(self).items() if name != "mac"})

    def to_json(self) -> str:
        """Text that is kept."""
        return json.dumps(vars(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the text, which the ledger records when the receipt is issued."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def write(self, directory: Path) -> Path:
        """Keep it as ``receipts/REQUEST_ID.json`` below ``WORKSPACE/data/erasure``; durable."""
        path = directory / DIRECTORY / f"{self.request['request_id']}.json"
        with durable.replacing(path) as temporary:
            temporary.write_text(self.to_json())
        return path

    @classmethod
    def from_json(cls, text: str | bytes) -> "Receipt":
        """Inverse of ``to_json``.

        Raises
        ------
        ValueError
            It is not a receipt of this format.
        """
        try:
            values = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse)
            receipt = cls(**values)
            maps = (value for name, value in values.items() if name not in _NO_MAPS)
            whole = values.keys() == vars(receipt).keys() and isinstance(receipt.mac, str)
            if whole and all(isinstance(each, dict) for each in maps):
                return receipt
        except (TypeError, RecursionError):
            pass
        raise ValueError("not a receipt")


_NO_MAPS = {"absence", "mac", "statement", "format_version"}


def issue(
    ledger: Ledger,
    request: Request,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    audit: Mapping[str, Any],
    purge: Mapping[str, Any],
    users: SortedTree | None,
) -> Receipt:
    """Make the receipt of a request that is purged; the same one whenever it is asked for.

    Write it, and then record it: ``requests.advance(request_id, "receipted", receipt=receipt.digest)``.

    Parameters
    ----------
    before, after, audit, purge
        See ``Receipt``: JSON, without any id, and finite numbers alone.
    users
        ``SortedTree`` of the keyed hashes of all users in the store; for items it is not looked at.

    Raises
    ------
    UsageError
        The request is not purged.
    VerificationFailed
        A user whose account was to be erased is still in the store.
    """
    number = request.sequences.get(State.PURGED.value)
    if number is None:
        raise UsageError(f"{request.request_id} is at {request.reached}: its receipt comes after the purge")
    receipt = Receipt(
        request={name: request.as_dict()[name] for name in _ASKED},
        clock=_clock(request),
        before=before,
        after=after,
        audit=audit,
        purge=purge,
        ledger=_place(ledger, number),
        absence=_absence(request, users),
    )
    # What comes back from JSON is what is signed: tuples are lists by then, and keys are text.
    receipt = Receipt.from_json(receipt.to_json())
    return Receipt(**{**vars(receipt), "mac": ledger.key.mac(receipt.payload())})


_ASKED = ("request_id", "kind", "subject", "items", "items_mac", "reason")
_CLOCK = ("received_at", "due_at", "extended_to", "extension_reason", "completed_at")


def _clock(request: Request) -> dict[str, Any]:
    """Times up to the purge: what comes later is not in the receipt of it."""
    values = request.as_dict()
    times = {name: at for name, at in request.times.items() if name != State.RECEIPTED}
    return {name: values[name] for name in _CLOCK} | {"times": times}


def _place(ledger: Ledger, number: int) -> dict[str, Any]:
    """Ledger's entry, in the tree that ends with it: later entries change nothing in the proof."""
    size = number + 1
    return {
        "key": ledger.key.fingerprint,
        "size": size,
        "root": ledger.root(size),
        "entry": ledger.entries()[number].as_dict(),
        "proof": ledger.inclusion(number, size).as_dict(),
    }


def _absence(request: Request, users: SortedTree | None) -> dict[str, Any] | None:
    if request.kind == "items":
        return None
    if users is None:
        raise UsageError("the receipt of an account needs the tree of the users who remain")
    try:
        proofs = {each: users.absence(each).as_dict() for each in request.subject}
    except ValueError:
        raise VerificationFailed(
            f"{request.request_id} is purged, and a user it is about is still in the store: run `resume`"
        ) from None
    return {"root": users.root, "users": len(users), "proofs": proofs}


@dataclass(frozen=True)
class Verification:
    """What was checked of a receipt, and what was wrong.

    Parameters
    ----------
    consistent
        Level 1: the receipt fits together.
    mac
        Level 2: the workspace issued it as it is; None if there was no key to check with.
    ledger
        Level 3: the ledger bears it out; None if there was no ledger to check with.
    problems
        What was wrong, in sentences.
    """

    consistent: bool
    mac: bool | None
    ledger: bool | None
    problems: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing that could be checked was wrong."""
        return not self.problems

    @property
    def level(self) -> int:
        """How far the checks went, from 1 to 3."""
        return 1 + (self.mac is not None) + (self.ledger is not None)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"problems": list(self.problems), "passed": self.passed, "level": self.level}


def verify(text: str | bytes, directory: Path | None) -> Verification:
    """Check a receipt with whatever is at hand; changes nothing and asks nobody.

    Parameters
    ----------
    text
        The receipt.
    directory
        ``WORKSPACE/data/erasure``, or None to check it without the workspace. The environment's key
        is used in either case.

    Raises
    ------
    LedgerError, ConfigError
        The key is there and cannot be used.
    """
    try:
        receipt = Receipt.from_json(text)
    except ValueError:
        return Verification(False, None, None, ("the file is not a receipt of this format",))
    within = _found(_own_problems, receipt)
    key = Key.find(directory)
    if key is None:
        return Verification(not within, None, None, within)
    forged = _found(_mac_problems, receipt, key)
    if directory is None or not (directory / LEDGER_FILE).exists():
        return Verification(not within, not forged, None, within + forged)
    denied = _found(_ledger_problems, receipt, Ledger(directory, key))
    return Verification(not within, not forged, not denied, within + forged + denied)


def _found(check: Callable[..., Iterator[tuple[bool, str]]], *of: Any) -> tuple[str, ...]:
    """Sentences of all checks that fail; one that meets a value of another shape fails as a whole."""
    try:
        return tuple(message for is_right, message in check(*of) if not is_right)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return ("the receipt lacks a part, or has one of the wrong kind",)


def _own_problems(receipt: Receipt) -> Iterator[tuple[bool, str]]:
    entry, place = Entry(**receipt.ledger["entry"]), receipt.ledger
    proof = Proof.of(place["proof"])
    yield receipt.format_version == FORMAT_VERSION, "the receipt is of another format"
    yield receipt.statement == STATEMENT, "the statement of what the receipt attests was changed"
    yield hashlib.sha256(entry.payload()).hexdigest() == entry.hash, "the ledger's entry was changed"
    yield (
        (entry.kind, entry.body["request"]) == (State.PURGED, receipt.request["request_id"]),
        "the ledger's entry is not of this request's purge",
    )
    yield (
        (proof.index, proof.size) == (entry.sequence, place["size"])
        and proof.holds(entry.payload(), place["root"]),
        "the proof does not show the entry to be in the ledger",
    )
    yield from _clock_problems(receipt.clock, entry.at)
    yield from _absence_problems(receipt.request, receipt.absence)


def _clock_problems(clock: Mapping[str, Any], purged_at: str) -> Iterator[tuple[bool, str]]:
    received, due, completed = (
        datetime.fromisoformat(clock[name]) for name in ("received_at", "due_at", "completed_at")
    )
    yield (
        due == add_months(received, MONTHS),
        "the due date is not one month after the request's receipt",
    )
    if clock["extended_to"] is not None:
        extended = datetime.fromisoformat(clock["extended_to"])
        latest = add_months(received, MONTHS + MORE_MONTHS)
        yield due < extended <= latest, "the extension goes beyond two more months"
    yield received <= completed, "the request was completed before it was received"
    times = [clock["times"][state] for state in STEPS if state in clock["times"]]  # JSON sorts them by name
    yield times == sorted(times), "the steps are out of order"
    yield (
        clock["completed_at"] == clock["times"][State.PURGED] == purged_at,
        "the time of completion contradicts the ledger's entry",
    )


def _absence_problems(
    request: Mapping[str, Any], absence: Mapping[str, Any] | None
) -> Iterator[tuple[bool, str]]:
    if request["kind"] == "items":
        yield absence is None, "the account stays, and yet its absence is claimed"
        return
    yield absence is not None, "there is no proof that the users are absent"
    if absence:
        yield sorted(absence["proofs"]) == request["subject"], "the proofs of absence are not of these users"
        for value, proof in absence["proofs"].items():
            yield (
                Absence.of(proof).holds(value, absence["root"], absence["users"]),
                "a proof of absence does not hold",
            )


def _mac_problems(receipt: Receipt, key: Key) -> Iterator[tuple[bool, str]]:
    yield (
        receipt.ledger["key"] == key.fingerprint,
        "the receipt was made with another key than this one",
    )
    yield (
        key.signed(receipt.payload(), receipt.mac),
        "the key's holder did not issue the receipt as it is",
    )


def _ledger_problems(receipt: Receipt, ledger: Ledger) -> Iterator[tuple[bool, str]]:
    try:
        request = Requests(ledger.directory, ledger).get(receipt.request["request_id"])
    except UsageError:
        yield False, "the ledger knows no such request: it may have been put back to an older state"
        return
    except LedgerError as error:
        yield False, str(error)
        return
    place = receipt.ledger
    yield (
        ledger.holds(place["size"], place["root"]),
        "the ledger is not the one that the receipt is from",
    )
    known = request.as_dict()
    yield {name: known[name] for name in _ASKED} == receipt.request, "the ledger knows the request otherwise"
    yield _clock(request) == receipt.clock, "the ledger knows other times"
    recorded = request.details.get(State.RECEIPTED.value, {}).get("receipt")
    yield recorded == receipt.digest, "the ledger does not record that this receipt was issued"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a member that is there twice, of which a reader might see the other one."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a member is there twice")
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
