"""Entries as bytes: every edit of a ledger of a thousand entries is noticed."""

import hashlib
import json
import random

import pytest

from recsys_unlearn.erasure.chain import GENESIS, Chain, canonical, sealed
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.errors import LedgerError

ENTRIES = 1000
AT = "2026-01-15T12:00:00+00:00"


def written(key, count):
    """Lines of a chain of so many entries, each with its newline."""
    chain, lines = Chain(key), []
    for number in range(count):
        lines.append(chain.next_line(AT, "planned", {"request": f"request-{number:04d}"}))
        chain.read(lines[-1])
    return lines


@pytest.fixture(scope="module")
def lines(key):
    return written(key, ENTRIES)


def is_refused(key, content):
    try:
        Chain(key).read(content)
    except LedgerError:
        return True
    return False


def test_a_line_says_what_was_given_and_seals_it(key, lines):
    values = json.loads(lines[1])
    assert list(values) == ["at", "body", "kind", "previous", "sequence", "hash", "mac"]
    assert (values["at"], values["kind"], values["sequence"]) == (AT, "planned", 1)
    assert values["body"] == {"request": "request-0001"}
    assert values["previous"] == json.loads(lines[0])["hash"]
    payload = canonical({name: value for name, value in values.items() if name not in ("hash", "mac")})
    assert values["hash"] == hashlib.sha256(payload).hexdigest()
    assert values["mac"] == key.mac(payload)
    assert json.loads(lines[0])["previous"] == GENESIS == "0" * 64


def test_canonical_json_has_one_form():
    assert canonical({"b": [1, "ä"], "a": None}) == b'{"a":null,"b":[1,"\\u00e4"]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


def test_a_thousand_entries_are_read_and_all_are_leaves(key, lines):
    chain = Chain(key)
    chain.read(b"".join(lines))
    assert [entry.sequence for entry in chain.entries] == list(range(ENTRIES))
    assert len(chain.tree) == ENTRIES
    for entry in chain.entries[:3]:
        assert chain.tree.inclusion(entry.sequence).holds(entry.payload(), chain.tree.root())
        assert json.loads(json.dumps(entry.as_dict())) == entry.as_dict()


def test_it_does_not_matter_how_many_lines_are_read_at_once(key, lines):
    at_once, one_by_one = Chain(key), Chain(key)
    at_once.read(b"".join(lines[:7]))
    for line in lines[:7]:
        one_by_one.read(line)
    assert at_once.entries == one_by_one.entries
    assert at_once.head(7) == one_by_one.head(7)


def test_a_line_without_its_end_is_left_alone(key, lines):
    chain = Chain(key)
    chain.read(lines[0] + lines[1][:-1])
    assert len(chain.entries) == 1


# --- edits ---------------------------------------------------------------------------------------


def test_every_single_byte_edit_is_refused(key, lines):
    """Each of the 340,000 bytes changed to another one, each time read after the lines before it.

    A change to the last byte of a line joins it with the next one, so two lines are read.
    """
    chain, draw, passed = Chain(key), random.Random(4), []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < ENTRIES else b"\n"
        changes = bytes(
            byte ^ change for byte, change in zip(line, draw.choices(range(1, 256), k=len(line)), strict=True)
        )
        for place in range(len(line)):
            edited = line[:place] + changes[place : place + 1] + line[place + 1 :] + following
            try:
                chain.read(edited)
                passed.append((number, place))
            except LedgerError:
                pass
        assert not passed
        assert len(chain.entries) == number
        chain.read(line)


@pytest.mark.parametrize("number", [0, ENTRIES - 1])
def test_many_values_of_every_byte_of_a_line_are_refused(key, lines, number):
    chain = Chain(key)
    chain.read(b"".join(lines[:number]))
    line = lines[number]
    for place, byte in enumerate(line[:-1]):
        for value in {0, 10, 13, 32, 34, 48, 49, 127, 255, byte ^ 1, byte ^ 32, byte ^ 128} - {byte}:
            with pytest.raises(LedgerError):
                chain.read(line[:place] + bytes([value]) + line[place + 1 :])


def test_every_drop_is_refused(key, lines):
    """Of all but the last, which only the head can miss; the line after the gap is the wrong one."""
    chain = Chain(key)
    for number in range(ENTRIES - 1):
        with pytest.raises(LedgerError, match=f"entry {number} of the ledger does not follow the one before"):
            chain.read(lines[number + 1])
        chain.read(lines[number])


def test_every_repetition_is_refused(key, lines):
    chain = Chain(key)
    for number in range(ENTRIES):
        chain.read(lines[number])
        with pytest.raises(LedgerError, match=f"entry {number + 1} of the ledger does not follow"):
            chain.read(lines[number])


def test_every_swap_of_two_lines_is_refused(key, lines):
    """Two lines trade places: in the place of the first stands one that belongs elsewhere."""
    chain, draw = Chain(key), random.Random(5)
    for number in range(ENTRIES - 1):
        later = {number + 1, ENTRIES - 1, draw.randint(number + 1, ENTRIES - 1)}
        for other in later:
            with pytest.raises(LedgerError, match="does not follow"):
                chain.read(lines[other])
        chain.read(lines[number])


def test_the_same_edits_are_refused_in_the_whole(key, lines):
    """The sweeps above read line by line; here the whole is read, at a few places."""
    whole = b"".join(lines)
    assert not is_refused(key, whole)
    for number in (0, 1, 499, 997, 998):
        before, after = lines[:number], lines[number + 1 :]
        assert is_refused(key, b"".join(before + after))
        assert is_refused(key, b"".join(before + [lines[number]] * 2 + after))
        assert is_refused(key, b"".join([*before, after[0], lines[number], *after[1:]]))
        place = whole.index(lines[number]) + 17
        assert is_refused(key, whole[:place] + b"#" + whole[place + 1 :])
    assert is_refused(key, b"\n" + whole)
    assert is_refused(key, whole + b"\n")
    assert is_refused(key, whole + b"{}\n")
    assert is_refused(key, whole.replace(b"\n", b"\r\n"))


def test_a_fork_is_refused(key, lines):
    """Another fifth entry, made with the right key: the sixth does not follow it."""
    fork = Chain(key)
    fork.read(b"".join(lines[:5]))
    other = fork.next_line(AT, "planned", {"request": "another"})
    fork.read(other)
    with pytest.raises(LedgerError, match="entry 6 of the ledger does not follow"):
        fork.read(lines[6])


def test_an_entry_that_was_forged_without_the_key_is_refused(key, lines):
    forger = Chain(Key(b"x" * 32))
    forger.entries = Chain(key).entries
    forged = forger.next_line(AT, "planned", {"request": "request-0000"})
    assert json.loads(forged)["hash"] == json.loads(lines[0])["hash"]
    with pytest.raises(LedgerError, match="entry 0 of the ledger was altered: restore it from a backup"):
        Chain(key).read(forged)


def test_a_right_mac_does_not_make_up_for_a_wrong_hash(key, lines):
    values = json.loads(lines[0])
    changed = lines[0].replace(values["hash"].encode(), b"0" * 64)
    assert is_refused(key, changed)


# --- heads ---------------------------------------------------------------------------------------


def test_a_head_seals_the_number_the_last_hash_and_the_root(key, lines):
    chain = Chain(key)
    chain.read(b"".join(lines[:5]))
    head = json.loads(chain.head(3))
    assert head["entries"] == 3
    assert head["last"] == chain.entries[2].hash
    assert head["root"] == chain.tree.root(3)
    assert head["key"] == key.fingerprint
    payload = canonical({name: value for name, value in head.items() if name not in ("hash", "mac")})
    assert chain.head(3) == sealed(payload, key) + b"\n"
    assert json.loads(Chain(key).head(0))["last"] == GENESIS
    assert len({chain.head(size) for size in range(6)}) == 6
