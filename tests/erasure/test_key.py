"""The secret, and what it makes of ids."""

import hmac
import multiprocessing
import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_unlearn import durable
from recsys_unlearn.erasure.key import BYTES, FILE, VARIABLE, Key
from recsys_unlearn.errors import ConfigError, LedgerError, UnknownItem, UnknownUser, UsageError
from recsys_unlearn.interactions.ids import as_text

HEX = "0123456789abcdef" * 4


def plain(secret, purpose, payload):
    """The slow twin: HMAC as the standard library has it."""
    return hmac.new(secret, purpose + b"\0" + payload, "sha256").hexdigest()


@given(st.binary(min_size=32, max_size=200), st.binary(max_size=100))
def test_a_mac_is_the_hmac_of_the_standard_library(secret, payload):
    assert Key(secret).mac(payload) == plain(secret, b"mac", payload)


@pytest.mark.parametrize("length", [63, 64, 65])
def test_keys_about_the_length_of_a_block(length):
    assert Key(b"k" * length).mac(b"x") == plain(b"k" * length, b"mac", b"x")


def test_ids_are_hashed_as_the_text_that_the_vault_keeps(key):
    assert key.user(7) == key.user("7") == key.user(np.int64(7)) == Key(key_bytes()).user(7)
    assert len({key.user(each) for each in (7, "007", " 7", "7.0", "-7", "", "٧", 70)}) == 8
    assert key.user("\u00e4") != key.user("a\u0308")  # one letter or two: the vault keeps both


def key_bytes():
    return bytes.fromhex("5e" * 32)


def test_the_hashes_are_known_constants(key):
    assert key.user(7) == plain(key_bytes(), b"user", b"7")
    assert key.item("7") == plain(key_bytes(), b"item", b"7")
    assert key.fingerprint == plain(key_bytes(), b"fingerprint", b"")[:16]


@given(st.one_of(st.text(max_size=20), st.integers(-(10**30), 10**30)))
def test_every_id_that_a_source_can_hold_has_a_hash(identifier):
    key = Key(key_bytes())
    text = as_text(identifier, "str")
    if text is not None:
        assert key.user(identifier) == plain(key_bytes(), b"user", text.encode())
        assert key.item(identifier) == plain(key_bytes(), b"item", text.encode())


def test_a_user_an_item_and_a_payload_of_the_same_bytes_differ(key):
    assert len({key.user("x"), key.item("x"), key.mac(b"x"), Key(b"k" * 32).user("x")}) == 4


def test_pairs_and_digests_have_hashes_of_their_own(key):
    user, item = key.user(7), key.item(7)
    assert key.pair(user, item) == plain(key_bytes(), b"pair", f"{user} {item}".encode())
    assert key.data("ab") == plain(key_bytes(), b"data", b"ab")
    assert len({key.pair(user, item), key.pair(item, user), key.data("ab"), key.mac(b"ab")}) == 4


@pytest.mark.parametrize("identifier", ["\ud800", 10**5000], ids=["half a letter", "too wide"])
def test_what_no_source_can_hold_is_nobody_and_nothing(key, identifier):
    with pytest.raises(UnknownUser, match="no such user: no source can hold an id like that"):
        key.user(identifier)
    with pytest.raises(UnknownItem, match="no such item: no source can hold an id like that"):
        key.item(identifier)


@pytest.mark.parametrize("identifier", [7.0, True, None, b"7"])
def test_what_is_no_id_is_refused(key, identifier):
    for hashed in (key.user, key.item):
        with pytest.raises(UsageError, match="an id is a string or a whole number"):
            hashed(identifier)


def test_a_signature_is_the_payloads_and_the_keys(key):
    mac = key.mac(b"payload")
    assert key.signed(b"payload", mac)
    assert not key.signed(b"payload.", mac)
    assert not key.signed(b"payload", mac[:-1] + "é")
    assert not key.signed(b"payload", "\ud800")
    assert not Key(b"k" * 32).signed(b"payload", mac)


def test_nothing_shows_the_secret(key, secret):
    assert not any(each in repr(key) + str(vars(key)) for each in (secret, repr(bytes.fromhex(secret))))


# --- where it comes from -------------------------------------------------------------------------


def test_it_is_made_on_first_use_and_stays(directory):
    made = Key.of(directory)
    path = directory / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == BYTES == 32
    assert [each.name for each in directory.iterdir()] == [FILE]
    assert Key.of(directory).user("x") == made.user("x") == Key.find(directory).user("x")


def test_it_is_made_in_a_directory_that_is_there_already(directory):
    directory.mkdir(parents=True)
    assert Key.of(directory).fingerprint == Key.of(directory).fingerprint


def test_two_workspaces_have_two_keys(tmp_path):
    assert Key.of(tmp_path / "a").fingerprint != Key.of(tmp_path / "b").fingerprint


def test_looking_for_it_makes_none(directory):
    assert Key.find(directory) is None
    assert Key.find(None) is None
    assert not directory.exists()


def test_the_environments_wins_and_no_file_is_made(directory, monkeypatch):
    Key.of(directory)
    monkeypatch.setenv(VARIABLE, HEX)
    assert Key.of(directory).fingerprint == Key(bytes.fromhex(HEX)).fingerprint
    assert Key.find(None).fingerprint == Key(bytes.fromhex(HEX)).fingerprint
    assert Key.of(directory / "elsewhere").fingerprint == Key(bytes.fromhex(HEX)).fingerprint
    assert not (directory / "elsewhere").exists()


def test_any_text_of_the_environment_is_a_key(directory, monkeypatch):
    monkeypatch.setenv(VARIABLE, " correct horse battery staple, and more \n")
    assert Key.of(directory).mac(b"") == Key(b"correct horse battery staple, and more").mac(b"")
    monkeypatch.setenv(VARIABLE, "\udcff" * 32)  # bytes that are not UTF-8
    assert Key.of(directory).mac(b"") == Key(b"\xff" * 32).mac(b"")


@pytest.mark.parametrize(("text", "length"), [("", 0), ("short", 5), ("x" * 31, 31), (HEX[:62], 31)])
def test_a_short_key_of_the_environment_is_refused_and_not_shown(directory, monkeypatch, text, length):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(
        ConfigError, match=rf"{VARIABLE} has {length} bytes, and a key needs 32: set a longer"
    ):
        Key.of(directory)
    assert not directory.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644])
def test_a_file_that_others_can_use_is_refused(directory, mode):
    Key.of(directory)
    (directory / FILE).chmod(mode)
    with pytest.raises(LedgerError, match=r"can be read by others than its owner: run `chmod 600 .*key`"):
        Key.of(directory)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_the_owner_alone_is_taken(directory, mode):
    Key.of(directory)
    (directory / FILE).chmod(mode)
    assert Key.of(directory)


def _write(directory, content):
    directory.mkdir(parents=True)
    (directory / FILE).write_bytes(content)
    (directory / FILE).chmod(0o600)


@pytest.mark.parametrize(("content", "length"), [(b"", 0), (b"abcd", 2), (b"x" * 31, 31)])
def test_a_file_that_is_too_short_is_refused(directory, content, length):
    _write(directory, content)
    with pytest.raises(
        LedgerError, match=rf"has {length} bytes, and a key has 32: restore it .* or set {VARIABLE}"
    ):
        Key.of(directory)


def test_a_file_that_is_no_text_is_refused(directory):
    _write(directory, b"\xff" * 40)
    with pytest.raises(LedgerError, match=r"cannot be read \(UnicodeDecodeError\): restore it from a backup"):
        Key.of(directory)


def test_a_file_that_cannot_be_read_is_refused(directory):
    (directory / FILE).mkdir(parents=True, mode=0o700)
    with pytest.raises(LedgerError, match=r"cannot be read \(IsADirectoryError\): restore it from a backup"):
        Key.of(directory)


@pytest.mark.parametrize("name", ["ledger.jsonl", "suppressed"])
def test_a_lost_key_is_not_replaced_by_a_fresh_one(directory, name):
    directory.mkdir(parents=True)
    (directory / name).touch()
    with pytest.raises(
        LedgerError, match=rf"key is gone, and the ledger cannot be read without it.*{VARIABLE}"
    ):
        Key.of(directory)
    assert not (directory / FILE).exists()


def _make(directory, barrier, found):
    barrier.wait()
    found.put(Key.of(directory).fingerprint)


def test_processes_that_start_at_once_agree_on_one_key(directory):
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(6), context.Queue()
    workers = [context.Process(target=_make, args=(directory, barrier, found)) for _ in range(6)]
    for worker in workers:
        worker.start()
    names = {found.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert names == {Key.of(directory).fingerprint}
    assert [each.name for each in directory.iterdir()] == [FILE]


def test_the_second_of_two_makers_takes_the_firsts_key(directory, monkeypatch):
    """The file appears between the look and the link."""
    flushed = durable.sync

    def meanwhile(path):
        if not (directory / FILE).exists():
            (directory / FILE).touch(mode=0o600)
            (directory / FILE).write_text(HEX)
        flushed(path)

    monkeypatch.setattr(durable, "sync", meanwhile)
    assert Key.of(directory).fingerprint == Key(bytes.fromhex(HEX)).fingerprint
    assert [each.name for each in directory.iterdir()] == [FILE]


def test_a_key_is_on_the_disk_before_it_has_its_name(directory, monkeypatch):
    flushed = []
    monkeypatch.setattr(
        durable, "sync", lambda path: flushed.append((path.name, (directory / FILE).exists()))
    )
    Key.of(directory)
    (first, named), (second, _) = flushed
    assert (first.startswith(durable.TEMPORARY), named, second) == (True, False, directory.name)


def test_an_error_while_it_is_made_leaves_nothing(directory, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        Key.of(directory)
    assert not list(directory.iterdir())
