"""Receipts: that nothing can be changed in one unnoticed, with what is at hand."""

import json
from copy import deepcopy

import pytest

from recsys_unlearn.erasure.key import FILE as KEY_FILE
from recsys_unlearn.erasure.key import VARIABLE, Key
from recsys_unlearn.erasure.ledger import FILE, HEAD_FILE
from recsys_unlearn.erasure.receipt import Receipt, Verification, issue, verify
from recsys_unlearn.erasure.requests import State
from recsys_unlearn.errors import ConfigError, LedgerError


def changed(receipt, edit):
    values = deepcopy(json.loads(receipt.to_json()))
    edit(values)
    return json.dumps(values)


def resigned(receipt, edit, key):
    """Changed by somebody who has the key."""
    values = deepcopy(json.loads(receipt.to_json()))
    edit(values)
    return Receipt(**{**values, "mac": key.mac(Receipt(**values).payload())}).to_json()


# --- three levels --------------------------------------------------------------------------------


def test_by_itself(issued):
    found = verify(issued.read_bytes(), None)
    assert found == Verification(True, None, None)
    assert (found.passed, found.level) == (True, 1)


def test_with_the_key_of_the_environment(issued, monkeypatch, secret):
    monkeypatch.setenv(VARIABLE, secret)
    found = verify(issued.read_text(), None)
    assert found == Verification(True, True, None)
    assert (found.passed, found.level) == (True, 2)


def test_with_the_key_and_no_ledger(issued, directory):
    (directory / FILE).unlink()
    assert verify(issued.read_text(), directory) == Verification(True, True, None)


def test_with_the_ledger(issued, directory):
    found = verify(issued.read_text(), directory)
    assert found == Verification(True, True, True)
    assert (found.passed, found.level) == (True, 3)
    assert found.as_dict() == {
        "consistent": True,
        "mac": True,
        "ledger": True,
        "problems": [],
        "passed": True,
        "level": 3,
    }
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


def test_without_a_key_the_ledger_says_nothing(issued, directory):
    (directory / KEY_FILE).unlink()
    assert verify(issued.read_text(), directory) == Verification(True, None, None)
    assert not (directory / KEY_FILE).exists()


def test_checking_changes_nothing(issued, directory):
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    verify(issued.read_text(), directory)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


def test_one_that_was_reformatted_is_the_same(issued, directory):
    assert verify(json.dumps(json.loads(issued.read_text())), directory).level == 3
    assert verify(json.dumps(json.loads(issued.read_text())), directory).passed


def test_one_with_an_extension(ledger, requests, key, clock, remaining, carried, directory, key_file, parts):
    request = requests.receive("account", [key.user(0)], "asked")
    until = clock().replace(month=4, day=15)
    receipt = issue(
        ledger,
        carried(requests.extend(request.request_id, until, "many at once"), State.PURGED),
        users=remaining,
        **parts,
    )
    requests.advance(request.request_id, "receipted", receipt=receipt.digest)
    assert receipt.clock["extension_reason"] == "many at once"
    assert verify(receipt.to_json(), directory).passed
    for date in ("2026-04-15T12:00:01+00:00", "2026-02-15T12:00:00+00:00"):
        edited = changed(receipt, lambda values, date=date: values["clock"].update(extended_to=date))
        assert verify(edited, None).problems == ("the extension goes beyond two more months",)


# --- what is noticed, level by level -------------------------------------------------------------

NO_RECEIPT = "the file is not a receipt of this format"
NO_PART = "the receipt lacks a part, or has one of the wrong kind"
ISSUED = "the key's holder did not issue the receipt as it is"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{}",
        "{",
        b"\xff",
        "[" * 100_000,
        '{"request": 1, "request": 2}',
        '{"request": NaN}',
        '{"a b": 1}',
        "9" * 5000,
    ],
    ids=range(12),
)
def test_what_is_no_receipt_is_refused(text):
    assert verify(text, None) == Verification(False, None, None, (NO_RECEIPT,))
    with pytest.raises(ValueError, match=r"."):
        Receipt.from_json(text)


@pytest.mark.parametrize("name", sorted(Receipt.__dataclass_fields__))
def test_a_part_that_is_missing_is_noticed(receipt, name):
    assert verify(changed(receipt, lambda values: values.pop(name)), None).problems == (NO_RECEIPT,)


@pytest.mark.parametrize("name", sorted(set(Receipt.__dataclass_fields__)))
def test_a_part_of_another_kind_is_noticed(receipt, name, key, monkeypatch, secret):
    monkeypatch.setenv(VARIABLE, secret)
    assert not verify(changed(receipt, lambda values: values.update({name: [7]})), None).passed


def test_a_part_that_does_not_belong_is_noticed(receipt):
    assert verify(changed(receipt, lambda values: values.update(more=1)), None).problems == (NO_RECEIPT,)


def test_a_member_that_is_there_twice_is_noticed(receipt):
    text = receipt.to_json().replace('"version": 2', '"version": 2, "version": 3')
    assert verify(text, None).problems == (NO_RECEIPT,)


OTHER = "0" * 64
EDITS = {
    "format": (lambda v: v.update(format_version=2), "the receipt is of another format"),
    "statement": (
        lambda v: v.update(statement="Proof of absence."),
        "the statement of what the receipt attests was changed",
    ),
    "entry": (lambda v: v["ledger"]["entry"].update(at="2026-01-01"), "the ledger's entry was changed"),
    "entry's hash": (lambda v: v["ledger"]["entry"].update(hash=OTHER), "the ledger's entry was changed"),
    "request": (
        lambda v: v["request"].update(request_id="request-0"),
        "the ledger's entry is not of this request's purge",
    ),
    "root": (
        lambda v: v["ledger"].update(root=OTHER),
        "the proof does not show the entry to be in the ledger",
    ),
    "size": (lambda v: v["ledger"].update(size=8), "the proof does not show the entry to be in the ledger"),
    "index": (
        lambda v: v["ledger"]["proof"].update(index=5),
        "the proof does not show the entry to be in the ledger",
    ),
    "path": (
        lambda v: v["ledger"]["proof"]["path"].reverse(),
        "the proof does not show the entry to be in the ledger",
    ),
    "due": (
        lambda v: v["clock"].update(due_at="2026-02-16T12:00:00+00:00"),
        "the due date is not one month after the request's receipt",
    ),
    "received": (
        lambda v: v["clock"].update(
            received_at="2026-01-18T12:00:00+00:00", due_at="2026-02-18T12:00:00+00:00"
        ),
        "the request was completed before it was received",
    ),
    "completed": (
        lambda v: v["clock"].update(completed_at="2026-01-16T12:00:00+00:00"),
        "the time of completion contradicts the ledger's entry",
    ),
    "purged": (
        lambda v: v["clock"]["times"].update(purged="2026-01-18T12:00:00+00:00"),
        "the time of completion contradicts the ledger's entry",
    ),
    "order": (
        lambda v: v["clock"]["times"].update(planned="2026-01-18T12:00:00+00:00"),
        "the steps are out of order",
    ),
    "no absence": (lambda v: v.update(absence=None), "there is no proof that the users are absent"),
    "kind": (
        lambda v: v["request"].update(kind="items"),
        "the account stays, and yet its absence is claimed",
    ),
    "fewer users": (
        lambda v: v["request"]["subject"].pop(),
        "the proofs of absence are not of these users",
    ),
    "users root": (lambda v: v["absence"].update(root=OTHER), "a proof of absence does not hold"),
    "users": (lambda v: v["absence"].update(users=38), "a proof of absence does not hold"),
    "neighbour": (
        lambda v: next(iter(v["absence"]["proofs"].values())).update(before=None, after=None),
        "a proof of absence does not hold",
    ),
    "no entry": (lambda v: v["ledger"].pop("entry"), NO_PART),
    "no proof": (lambda v: v["ledger"].update(proof=None), NO_PART),
    "no times": (lambda v: v["clock"].pop("times"), NO_PART),
    "no date": (lambda v: v["clock"].update(due_at="soon"), NO_PART),
    "no body": (lambda v: v["ledger"]["entry"].update(body=[]), NO_PART),
    "no map": (lambda v: v["clock"].update(times=[1]), NO_PART),
    "mixed times": (lambda v: v["clock"]["times"].update(planned=7), NO_PART),
    "naive time": (lambda v: v["clock"].update(completed_at="2026-01-17T12:00:00"), NO_PART),
    "list of proofs": (lambda v: v["absence"].update(proofs=v["request"]["subject"]), NO_PART),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_noticed_by_anybody(receipt, edit):
    how, problem = EDITS[edit]
    found = verify(changed(receipt, how), None)
    assert not found.consistent
    assert not found.passed
    assert problem in found.problems
    assert (found.mac, found.ledger) == (None, None)


@pytest.mark.parametrize("edit", EDITS)
def test_and_by_who_has_the_key(receipt, edit, monkeypatch, secret):
    monkeypatch.setenv(VARIABLE, secret)
    found = verify(changed(receipt, EDITS[edit][0]), None)
    assert (found.consistent, found.mac) == (False, False)
    assert ISSUED in found.problems


@pytest.mark.parametrize("part", ["before", "after", "audit", "purge", "clock", "request"])
def test_an_edit_of_what_stands_alone_is_noticed_with_the_key(receipt, part, monkeypatch, secret):
    """Nothing else in the receipt depends on these: only the MAC tells."""
    edited = changed(receipt, lambda values: values[part].update(reason="another", extension_reason="x"))
    assert verify(edited, None).passed
    monkeypatch.setenv(VARIABLE, secret)
    assert verify(edited, None) == Verification(True, False, None, (ISSUED,))


def test_another_key_is_named(receipt, monkeypatch):
    monkeypatch.setenv(VARIABLE, "x" * 32)
    found = verify(receipt.to_json(), None)
    assert (found.consistent, found.mac) == (True, False)
    assert "the receipt was made with another key than this one" in found.problems


def test_a_receipt_that_another_keys_holder_forged_is_noticed(receipt, monkeypatch, secret):
    forged = resigned(receipt, lambda v: v["ledger"].update(key=Key(b"x" * 32).fingerprint), Key(b"x" * 32))
    assert verify(forged, None).passed
    monkeypatch.setenv(VARIABLE, secret)
    found = verify(forged, None)
    assert found.mac is False
    assert len(found.problems) == 2


@pytest.mark.parametrize("text", ["short", "x" * 31])
def test_a_key_that_cannot_be_used_is_said(receipt, monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError, match="a key needs 32"):
        verify(receipt.to_json(), None)


def test_a_key_file_that_others_can_read_is_said(issued, directory):
    (directory / KEY_FILE).chmod(0o644)
    with pytest.raises(LedgerError, match="can be read by others"):
        verify(issued.read_text(), directory)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda v: v["request"].update(reason="another"), "the ledger knows the request otherwise"),
        (lambda v: v["request"].update(items=3), "the ledger knows the request otherwise"),
        (
            lambda v: v["clock"]["times"].update(planned="2026-01-16T12:00:00+00:00"),
            "the ledger knows other times",
        ),
        (lambda v: v["clock"].update(extension_reason="x"), "the ledger knows other times"),
        (lambda v: v["after"].update(version=3), "the ledger does not record that this receipt was issued"),
        (lambda v: v["ledger"].update(root=OTHER), "the ledger is not the one that the receipt is from"),
    ],
)
def test_the_ledger_contradicts_even_the_keys_holder(issued, receipt, directory, key, edit, problem):
    found = verify(resigned(receipt, edit, key), directory)
    assert found.mac is True
    assert found.ledger is False
    assert problem in found.problems


def test_one_that_was_never_recorded_is_noticed(receipt, directory, key_file):
    """A crash between file and entry: `resume` issues it again and records it."""
    found = verify(receipt.to_json(), directory)
    assert found == Verification(
        True, True, False, ("the ledger does not record that this receipt was issued",)
    )


def test_a_request_that_the_ledger_does_not_know_is_noticed(issued, directory, ledger, key):
    """The workspace was put back to a state before the request: a restored backup resurrects its users."""
    for name in (FILE, HEAD_FILE):
        (directory / name).unlink()
    ledger.append("published", {})
    found = verify(issued.read_text(), directory)
    assert found.ledger is False
    assert found.problems == (
        "the ledger knows no such request: it may have been put back to an older state",
    )


def test_a_ledger_that_was_put_back_to_before_the_receipt_is_noticed(receipt, directory, requests, key_file):
    """In it the request is purged, and has no receipt yet."""
    backup = {name: (directory / name).read_bytes() for name in (FILE, HEAD_FILE)}
    requests.advance(receipt.request["request_id"], "receipted", receipt=receipt.digest)
    assert verify(receipt.to_json(), directory).passed
    for name, content in backup.items():
        (directory / name).write_bytes(content)
    assert verify(receipt.to_json(), directory).ledger is False


def test_a_ledger_that_is_damaged_is_said(issued, directory):
    content = (directory / FILE).read_bytes()
    (directory / FILE).write_bytes(content.replace(b"planned", b"planted"))
    found = verify(issued.read_text(), directory)
    assert (found.consistent, found.mac, found.ledger) == (True, True, False)
    assert found.problems == ("entry 1 of the ledger was altered: restore it from a backup",)


def test_the_receipt_of_another_request_does_not_serve(issued, receipt, directory, requests, key, carried):
    other = carried(requests.receive("account", [key.user(2)], "asked"), State.PURGED)
    requests.advance(other.request_id, "receipted", receipt="x")
    borrowed = resigned(receipt, lambda v: v["request"].update(request_id=other.request_id), key)
    found = verify(borrowed, directory)
    assert (found.consistent, found.ledger) == (False, False)


@pytest.mark.parametrize("size", ["7", None, [7], 10**30, -1])
def test_a_size_that_makes_no_sense_is_a_problem_and_no_error(issued, receipt, directory, key, size):
    found = verify(resigned(receipt, lambda v: v["ledger"].update(size=size), key), directory)
    assert (found.consistent, found.mac, found.ledger) == (False, True, False)


def test_no_part_of_a_receipt_can_be_spoiled_into_a_traceback(receipt, directory, key_file):
    """Every value of the whole tree replaced by one of another kind, in turn."""

    def places(value, path=()):
        yield path
        if isinstance(value, dict):
            for name in value:
                yield from places(value[name], (*path, name))
        elif isinstance(value, list):
            for number in range(len(value)):
                yield from places(value[number], (*path, number))

    whole = json.loads(receipt.to_json())
    for path in list(places(whole))[1:]:
        for value in (None, 7, "x", [{}], {}):
            spoiled = deepcopy(whole)
            inner = spoiled
            for name in path[:-1]:
                inner = inner[name]
            if inner[path[-1]] != value:
                inner[path[-1]] = value
                assert not verify(json.dumps(spoiled), directory).passed
