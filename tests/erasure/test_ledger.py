"""The ledger on disk: what it keeps, what it notices, what it says."""

import json
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.ledger import FILE, HEAD_FILE, Entry, Ledger, utc_now
from recsys_unlearn.erasure.merkle import EMPTY_ROOT, Tree, is_consistent
from recsys_unlearn.errors import LedgerError, RecsysUnlearnError

COUNT = 12


@pytest.fixture
def filled(ledger):
    ledger.append_all(("planned", {"number": number}) for number in range(COUNT))
    return ledger


@pytest.fixture
def fresh(directory, key, clock):
    """Open the same directory again, as another process would."""
    return lambda: Ledger(directory, key, clock)


def lines_of(directory):
    return (directory / FILE).read_bytes().splitlines(keepends=True)


# --- what it keeps -------------------------------------------------------------------------------


def test_what_is_appended_is_there(filled, fresh):
    entries = fresh().entries()
    assert [entry.body["number"] for entry in entries] == list(range(COUNT))
    assert entries == filled.entries()
    assert all(isinstance(entry, Entry) and entry.kind == "planned" for entry in entries)
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]


def test_append_returns_the_entry_as_it_will_be_read(ledger, fresh):
    entry = ledger.append("verified", {"tuple": (1, 2), "text": "ü", "number": 0.1})
    assert entry == fresh().entries()[0]
    assert entry.body == {"tuple": [1, 2], "text": "ü", "number": 0.1}
    assert (entry.sequence, entry.at) == (0, "2026-01-15T12:00:00+00:00")


def test_many_are_appended_in_one_go(filled, fresh):
    added = filled.append_all(("purged", {"n": n}) for n in range(3))
    assert [entry.sequence for entry in added] == [COUNT, COUNT + 1, COUNT + 2]
    assert fresh().entries()[COUNT:] == added
    assert filled.append_all([]) == []
    assert len(fresh().entries()) == COUNT + 3


def test_nothing_is_made_by_looking(directory, ledger):
    assert ledger.entries() == []
    assert ledger.root() == EMPTY_ROOT
    assert ledger.holds(0, EMPTY_ROOT)
    assert not directory.exists()


def test_its_owner_alone_can_read_it(directory, filled):
    assert stat.S_IMODE((directory / FILE).stat().st_mode) == 0o600


def test_the_list_that_is_returned_is_the_callers(filled):
    filled.entries().clear()
    assert len(filled.entries()) == COUNT


def test_two_writers_take_turns(filled, fresh):
    other = fresh()
    assert other.append("planned", {}).sequence == COUNT
    assert filled.append("planned", {}).sequence == COUNT + 1
    assert other.append("planned", {}).sequence == COUNT + 2
    assert filled.entries() == other.entries() == fresh().entries()


def test_nothing_but_json_is_taken_and_nothing_is_left_of_what_was_not(filled, fresh):
    for body, error in [({"x": {1}}, TypeError), ({"x": float("nan")}, ValueError)]:
        with pytest.raises(error):
            filled.append_all([("planned", {"good": 1}), ("planned", body)])
        assert len(filled.entries()) == len(fresh().entries()) == COUNT
    assert filled.append("planned", {}).sequence == COUNT


# --- roots and proofs ----------------------------------------------------------------------------


def test_its_root_is_that_of_the_tree_over_the_payloads(filled):
    tree = Tree(entry.payload() for entry in filled.entries())
    assert filled.root() == tree.root()
    assert [filled.root(size) for size in range(COUNT + 1)] == [tree.root(size) for size in range(COUNT + 1)]


def test_every_entry_can_be_shown_to_be_in_it(filled):
    for entry in filled.entries():
        assert filled.inclusion(entry.sequence).holds(entry.payload(), filled.root())
        assert filled.inclusion(entry.sequence, COUNT - 0).size == COUNT
        early = filled.inclusion(entry.sequence, entry.sequence + 1)
        assert early.holds(entry.payload(), filled.root(entry.sequence + 1))


def test_it_can_be_shown_to_have_only_grown(filled, fresh):
    earlier, root = 5, filled.root(5)
    fresh().append("purged", {})
    path = filled.consistency(earlier)  # sees what the other one appended
    assert is_consistent(earlier, COUNT + 1, root, filled.root(), path)


def test_proofs_see_what_others_appended(filled, fresh):
    fresh().append("purged", {})
    assert filled.inclusion(COUNT).size == COUNT + 1


def test_who_remembers_a_root_finds_out_about_an_older_state(directory, filled, fresh):
    """The one thing that the two files cannot tell by themselves."""
    backup = {name: (directory / name).read_bytes() for name in (FILE, HEAD_FILE)}
    filled.append("purged", {})
    size, root = COUNT + 1, filled.root()
    assert filled.holds(size, root)
    assert filled.holds(3, filled.root(3))
    assert not filled.holds(3, root)
    assert not filled.holds(-1, root)
    for name, content in backup.items():
        (directory / name).write_bytes(content)
    assert len(fresh().entries()) == COUNT
    assert not fresh().holds(size, root)
    assert not filled.holds(size, root)
    assert len(filled.entries()) == COUNT


def test_under_the_lock_the_files_are_verified_once(filled, monkeypatch):
    """A batch of receipts asks a thousand times, and nobody else can append meanwhile."""
    read, reads = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path.name) or read(path))
    with filled.locked():
        for _ in range(3):
            assert len(filled.entries()) == COUNT
        assert reads.count(FILE) == 1
        filled.append("purged", {})
        assert len(filled.entries()) == COUNT + 1
        assert reads.count(FILE) == 1
    filled.entries()
    filled.entries()
    assert reads.count(FILE) == 3


# --- the clock -----------------------------------------------------------------------------------


def test_times_are_utc_and_whole_seconds(ledger, clock):
    clock.now = datetime(2026, 7, 1, 14, 30, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert ledger.append("planned", {}).at == "2026-07-01T12:30:59+00:00"


def test_a_clock_that_went_back_does_not_take_the_ledger_with_it(ledger, clock):
    ledger.append("planned", {})
    clock.pass_by(hours=-2)
    behind = ledger.append("planned", {"n": 1})
    assert behind.at == "2026-01-15T12:00:00+00:00"
    assert behind.body == {"n": 1, "clock_behind_s": 7200}
    clock.pass_by(hours=2)
    assert ledger.append("planned", {}).body == {}  # the same second is not behind
    clock.pass_by(seconds=1)
    assert ledger.append("planned", {}).at == "2026-01-15T12:00:01+00:00"


def test_the_clock_of_the_machine_is_in_utc(directory, key):
    assert utc_now().tzinfo is UTC
    entry = Ledger(directory, key).append("planned", {})
    assert abs(datetime.fromisoformat(entry.at) - datetime.now(UTC)) < timedelta(minutes=1)


# --- what it notices -----------------------------------------------------------------------------


def noticed(fresh, match):
    with pytest.raises(LedgerError, match=match):
        fresh().entries()
    with pytest.raises(LedgerError, match=match):
        fresh().append("planned", {})


def test_every_truncation_is_noticed(directory, filled):
    """Of the ledger alone, at every byte of its end and about the end of every line: the head misses it."""
    whole = (directory / FILE).read_bytes()
    last = len(whole) - len(lines_of(directory)[-1])
    ends = [place for place, byte in enumerate(whole) if byte == 10]
    for length in {
        0,
        1,
        *range(last - 2, len(whole)),
        *(end + by for end in ends for by in (0, 1, 2) if end < last),
    }:
        (directory / FILE).write_bytes(whole[:length])
        with pytest.raises(LedgerError, match=rf"had {COUNT} entries and has \d+: restore it from a backup"):
            filled.entries()


def test_a_missing_ledger_is_noticed(directory, filled, fresh):
    (directory / FILE).unlink()
    noticed(fresh, rf"had {COUNT} entries and has 0")


def test_every_edit_of_the_head_is_noticed(directory, filled, fresh):
    whole = (directory / HEAD_FILE).read_bytes()
    reader = fresh()
    for place, byte in enumerate(whole):
        for value in {10, 49, byte ^ 1} - {byte}:
            (directory / HEAD_FILE).write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            with pytest.raises(LedgerError):
                reader.entries()
    for length in {*range(0, len(whole), 9), len(whole) - 1}:
        (directory / HEAD_FILE).write_bytes(whole[:length])
        with pytest.raises(LedgerError, match="head is missing or was altered: restore it, with the ledger"):
            reader.entries()
    (directory / HEAD_FILE).write_bytes(whole)
    assert len(reader.entries()) == COUNT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null\n",
        b"[]\n",
        b'"text"\n',
        b"{}\n",
        b"\xff",
        b"[" * 100_000,
        b'{"entries":true}\n',
        b"9" * 5000,
    ],
    ids=["empty", "null", "list", "text", "object", "bytes", "deep", "true", "wide"],
)
def test_a_head_that_is_none_is_noticed(directory, filled, fresh, content):
    (directory / HEAD_FILE).write_bytes(content)
    noticed(fresh, "head is missing or was altered: restore it, with the ledger, from a backup")


@pytest.mark.parametrize("size", ["-1", "0", "1.0", '"12"', "null", "11"])
def test_a_head_of_another_size_needs_its_own_seal(directory, filled, fresh, size):
    head = (directory / HEAD_FILE).read_text()
    (directory / HEAD_FILE).write_text(head.replace('"entries":12', f'"entries":{size}'))
    noticed(fresh, "head is missing or was altered")


def test_a_missing_head_is_noticed(directory, filled, fresh):
    (directory / HEAD_FILE).unlink()
    noticed(fresh, "head is missing or was altered: restore it, with the ledger, from a backup")


def test_ledger_and_head_cut_back_together_are_noticed(directory, filled, fresh):
    """Without the key nobody can seal a head for a shorter ledger."""
    lines = lines_of(directory)
    (directory / FILE).write_bytes(b"".join(lines[:-2]))
    head = json.loads((directory / HEAD_FILE).read_bytes())
    forged = Ledger(directory, Key(b"x" * 32))._chain.head(0)
    shorter = {**head, "entries": COUNT - 2, "last": json.loads(lines[-3])["hash"]}
    for content in (json.dumps(shorter, separators=(",", ":")).encode() + b"\n", forged, b""):
        (directory / HEAD_FILE).write_bytes(content)
        with pytest.raises(LedgerError):
            fresh().entries()
    (directory / HEAD_FILE).unlink()
    noticed(fresh, "head is missing")


def test_an_edit_is_noticed_by_who_has_read_before(directory, filled):
    """What was verified once is compared byte by byte, not trusted."""
    assert len(filled.entries()) == COUNT
    whole = (directory / FILE).read_bytes()
    (directory / FILE).write_bytes(whole.replace(b'"number":3', b'"number":4'))
    with pytest.raises(LedgerError, match="entry 3 of the ledger was altered: restore it from a backup"):
        filled.entries()
    (directory / FILE).write_bytes(whole)
    assert [entry.body["number"] for entry in filled.entries()] == list(range(COUNT))


def test_an_edit_of_what_others_appended_is_noticed_and_forgotten(directory, filled, fresh):
    fresh().append("planned", {"number": "new"})
    whole = (directory / FILE).read_bytes()
    (directory / FILE).write_bytes(whole.replace(b'"new"', b'"neu"'))
    with pytest.raises(LedgerError, match=f"entry {COUNT} of the ledger was altered"):
        filled.entries()
    (directory / FILE).write_bytes(whole)
    assert len(filled.entries()) == COUNT + 1


def test_another_key_is_named(directory, filled, key, clock):
    with pytest.raises(
        LedgerError, match=rf"was written with another key, {key.fingerprint}: set that one again"
    ):
        Ledger(directory, Key(b"x" * 32), clock).entries()


def test_every_error_of_the_ledger_is_exit_code_one():
    assert issubclass(LedgerError, RecsysUnlearnError)
    assert LedgerError.exit_code == 1


def test_a_ledger_that_cannot_be_read_is_named(directory, filled, fresh):
    (directory / HEAD_FILE).unlink()
    (directory / HEAD_FILE).mkdir()
    with pytest.raises(LedgerError, match=r"ledger\.head cannot be read: Is a directory"):
        fresh().entries()
