"""Who stays erased."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys_unlearn.durable import TEMPORARY
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.ledger import Ledger
from recsys_unlearn.erasure.suppression import FILE, Suppression
from recsys_unlearn.errors import LedgerError, UnknownUser

GONE = [7, "alice", "007"]


@pytest.fixture
def suppression(directory, key):
    return Suppression(directory, key)


@pytest.fixture
def filled(suppression, key):
    suppression.add(key.user(each) for each in GONE)
    return suppression


@pytest.fixture
def fresh(directory, key):
    return lambda: Suppression(directory, key)


def test_at_first_nobody_is_suppressed_and_nothing_is_made(directory, suppression):
    assert len(suppression) == 0
    assert 7 not in suppression
    assert suppression.filter([1, "x"]).tolist() == [False, False]
    assert suppression.hashes() == []
    assert not directory.exists()


def test_who_was_added_is_suppressed_whatever_the_columns_type(filled, fresh):
    for each in (filled, fresh()):
        assert len(each) == 3
        assert all(user in each for user in [7, "7", "alice", "007"])
        assert not any(user in each for user in [8, "Alice", " 7", "7.0", 0])


def test_the_filter_marks_those_who_must_not_come_in(filled):
    found = filled.filter(["bob", "alice", "7", "007", "0007"])
    assert found.dtype == bool
    assert found.tolist() == [False, True, True, True, False]
    assert filled.filter(np.array([6, 7, 8])).tolist() == [False, True, False]
    assert filled.filter([]).shape == (0,)


def test_the_filter_agrees_with_the_question_one_by_one(filled):
    ids = [*range(20), *map(str, range(20)), *GONE]
    assert filled.filter(ids).tolist() == [each in filled for each in ids]


def test_what_no_source_can_hold_is_refused(filled):
    with pytest.raises(UnknownUser):
        filled.filter(["\ud800"])


def test_no_id_is_in_the_file(directory, filled, key):
    text = (directory / FILE).read_text()
    assert "alice" not in text
    assert filled.hashes() == sorted(key.user(each) for each in GONE)
    assert all(each in text for each in filled.hashes())


def test_adding_again_writes_nothing(directory, filled, key, monkeypatch):
    before = (directory / FILE).stat()
    filled.add([key.user("alice")])
    filled.add([])
    assert (directory / FILE).stat() == before
    filled.add([key.user("bob")])
    assert len(filled) == 4


def test_who_comes_back_is_let_in_and_the_ledger_tells(directory, filled, fresh, key):
    filled.remove(key.user("alice"))
    assert "alice" not in filled
    assert "alice" not in fresh()
    assert len(fresh()) == 2
    entries = Ledger(directory, key).entries()
    assert [(entry.kind, entry.body) for entry in entries] == [
        ("unsuppressed", {"subject": key.user("alice")})
    ]
    filled.remove(key.user("alice"))
    assert len(Ledger(directory, key).entries()) == 1


def test_a_removal_that_the_ledger_does_not_know_does_not_happen(filled, fresh, key, monkeypatch):
    def refuse(*_):
        raise LedgerError("full")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(LedgerError, match="full"):
        filled.remove(key.user("alice"))
    assert "alice" in filled
    assert "alice" in fresh()


@pytest.mark.parametrize("method", ["write_text", "replace"])
def test_a_write_that_fails_leaves_the_list_as_it_was(directory, filled, fresh, key, monkeypatch, method):
    before = (directory / FILE).read_bytes()

    def refuse(*_):
        raise OSError("full")

    with monkeypatch.context() as broken:
        broken.setattr(Path, method, refuse)
        with pytest.raises(OSError, match="full"):
            filled.add([key.user("bob")])
    assert (directory / FILE).read_bytes() == before
    assert not list(directory.glob(f"{TEMPORARY}*"))
    assert "bob" not in filled
    filled.add([key.user("bob")])
    assert "bob" in fresh()


# --- a list that cannot be relied on -------------------------------------------------------------


def test_every_edit_is_noticed(directory, filled, fresh):
    """Every byte that is not a space between values: dropping one hash would resurrect a user."""
    whole = (directory / FILE).read_bytes()
    for place, byte in enumerate(whole):
        if byte not in b" \n":
            (directory / FILE).write_bytes(whole[:place] + bytes([byte ^ 1]) + whole[place + 1 :])
            with pytest.raises(LedgerError):
                fresh()
    for length in range(0, len(whole) - 1, 5):
        (directory / FILE).write_bytes(whole[:length])
        with pytest.raises(LedgerError, match="suppressed is damaged: restore it from a backup"):
            fresh()


@pytest.mark.parametrize("number", range(3))
def test_a_hash_that_is_missing_is_noticed(directory, filled, fresh, number):
    found = json.loads((directory / FILE).read_bytes())
    del found["hashes"][number]
    (directory / FILE).write_text(json.dumps(found))
    with pytest.raises(LedgerError, match="suppressed is damaged: restore it from a backup"):
        fresh()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"7", b"\xff", b"[" * 100_000, b'{"key": 7}'],
    ids=["empty", "list", "object", "number", "bytes", "deep", "key"],
)
def test_what_is_no_list_is_refused(directory, filled, fresh, content):
    (directory / FILE).write_bytes(content)
    with pytest.raises(LedgerError, match=r"suppressed (is damaged|was made with another key)"):
        fresh()


@pytest.mark.parametrize("hashes", [None, 7, [[]], [7]])
def test_hashes_of_another_shape_are_refused(directory, filled, fresh, hashes):
    found = json.loads((directory / FILE).read_bytes())
    (directory / FILE).write_text(json.dumps(found | {"hashes": hashes}))
    with pytest.raises(LedgerError, match="suppressed is damaged"):
        fresh()


def test_a_list_that_cannot_be_read_is_refused(directory, fresh):
    (directory / FILE).mkdir(parents=True)
    with pytest.raises(LedgerError, match="suppressed is damaged"):
        fresh()


def test_another_key_is_named_and_lets_nobody_pass(directory, filled, key):
    """Under another key nobody would be recognised, and all would come back."""
    with pytest.raises(LedgerError, match=f"made with another key, {key.fingerprint}: set that one again"):
        Suppression(directory, Key(b"x" * 32))


# --- single items ----------------------------------------------------------------------------------


@pytest.fixture
def partly(suppression, key):
    suppression.add([key.user("gone")], [(key.user(7), key.item(1)), (key.user("bob"), key.item("1"))])
    return suppression


def test_a_pair_is_suppressed_and_its_user_and_its_item_are_not(partly, fresh):
    for each in (partly, fresh()):
        users = ["7", 7, 7, "bob", "alice", "gone"]
        assert each.filter_pairs(users, [1, "1", 2, 1, 1, 1]).tolist() == [
            True,
            True,
            False,
            True,
            False,
            False,
        ]
        assert each.filter_partly(users).tolist() == [True, True, True, True, False, False]
        assert each.filter(users).tolist() == [False] * 5 + [True]
        assert (each.has_pairs, len(each)) == (True, 1)


def test_two_users_pairs_with_one_item_have_nothing_in_common(directory, partly, key):
    found = json.loads((directory / FILE).read_bytes())["pairs"]
    assert sorted(found) == sorted([key.user(7), key.user("bob")])
    assert found[key.user(7)] != found[key.user("bob")]
    assert key.item(1) not in (directory / FILE).read_text()


def test_pairs_are_kept_when_others_are_added_or_removed(directory, partly, fresh, key):
    before = (directory / FILE).stat()
    partly.add([], [(key.user(7), key.item(1))])
    assert (directory / FILE).stat() == before
    partly.add([key.user("x")], [(key.user(7), key.item(2))])
    partly.remove(key.user("gone"))
    assert fresh().filter_pairs([7, 7, "bob"], [1, 2, 1]).all()
    assert fresh().hashes() == [key.user("x")]


def test_who_comes_back_does_not_bring_back_what_was_erased_of_them(partly, fresh, key):
    partly.add([key.user(7)])
    assert partly.filter([7]).all()
    partly.remove(key.user(7))
    for each in (partly, fresh()):
        assert not each.filter([7]).any()
        assert each.filter_pairs([7, 7], [1, 2]).tolist() == [True, False]


def test_a_write_of_pairs_that_fails_leaves_them_as_they_were(partly, fresh, key, monkeypatch):
    def refuse(*_):
        raise OSError("full")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="full"):
            partly.add([], [(key.user(7), key.item(2)), (key.user("x"), key.item(1))])
    for each in (partly, fresh()):
        assert each.filter_pairs([7, 7, "x"], [1, 2, 1]).tolist() == [True, False, False]


@pytest.mark.parametrize(("users", "items"), [([7], [1, 2]), ([7, 7], [1]), ([], [1])])
def test_users_without_as_many_items_are_refused(partly, users, items):
    with pytest.raises(ValueError):
        partly.filter_pairs(users, items)


@pytest.mark.parametrize("pairs", [{}, None, 7, [], {"a": 7}, {"a": [[]]}])
def test_pairs_that_were_altered_are_noticed(directory, partly, fresh, pairs):
    found = json.loads((directory / FILE).read_bytes())
    (directory / FILE).write_text(json.dumps(found | {"pairs": pairs}))
    with pytest.raises(LedgerError, match="suppressed is damaged"):
        fresh()
    (directory / FILE).write_text(json.dumps({name: found[name] for name in ("hashes", "key", "mac")}))
    with pytest.raises(LedgerError, match="suppressed is damaged"):
        fresh()


def test_a_list_without_pairs_reads_as_it_always_did(directory, filled):
    assert sorted(json.loads((directory / FILE).read_bytes())) == ["hashes", "key", "mac"]
    assert not filled.has_pairs
    assert not filled.filter_partly(GONE).any()
