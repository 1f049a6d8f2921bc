"""Requests as they come in, replays, lists, and what lies on the disk meanwhile."""

import multiprocessing
import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from recsys_unlearn import durable
from recsys_unlearn.durable import TEMPORARY
from recsys_unlearn.erasure import key as key_module
from recsys_unlearn.erasure import receipt, suppression
from recsys_unlearn.erasure.ledger import FILE, HEAD_FILE, Ledger
from recsys_unlearn.erasure.requests import WORKING, Requests, State, items_mac
from recsys_unlearn.errors import UsageError

REASON = "asked by mail"


# --- receipt -------------------------------------------------------------------------------------


def test_what_was_asked_is_kept_under_keyed_names(requests, one, users, directory):
    assert one.request_id.startswith("request-")
    assert (one.kind, one.subject, one.items, one.items_mac, one.reason) == (
        "account",
        tuple(sorted(users[:2])),
        0,
        None,
        REASON,
    )
    assert requests.get(one.request_id) == one
    assert requests.all() == requests.open() == [one]


def test_another_process_sees_the_same(directory, key, clock, requests, one, carried):
    carried(one, State.VERIFIED, version=3)
    requests.fail(one.request_id, "no room")
    fresh = Requests(directory, Ledger(directory, key, clock))
    assert fresh.all() == requests.all()
    assert fresh.get(one.request_id).state == State.FAILED


def test_of_items_only_the_number_and_a_seal_are_kept(requests, users, items, key, ledger):
    request = requests.receive("items", users[:1], REASON, items[:3])
    assert (request.kind, request.items) == ("items", 3)
    assert request.items_mac == items_mac(key, items[2::-1]) == items_mac(key, [*items[:3], items[0]])
    assert request.items_mac != items_mac(key, items[:2])
    recorded = (ledger.directory / FILE).read_text()
    assert users[0] in recorded
    assert not any(item in recorded for item in items)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_asking_again_returns_the_open_request(requests, one, users, unchanged, order):
    unchanged()
    for _ in range(10):
        assert requests.receive("account", users[:2][order] * 2, "another reason") == one
    unchanged()


def test_asking_for_a_part_of_it_returns_the_whole(requests, one, users, items, unchanged):
    unchanged()
    assert requests.receive("account", users[1:2], REASON) == one
    assert requests.receive("items", users[:1], REASON, items[:2]) == one  # the account has all items
    unchanged()


def test_asking_for_more_is_a_new_request_for_all_of_it(requests, one, users):
    more = requests.receive("account", users[:3], REASON)
    assert more.request_id != one.request_id
    assert more.subject == tuple(sorted(users[:3]))
    assert requests.find(users[0]) == [one, more]
    assert requests.receive("account", users[:2], REASON) == one
    assert requests.receive("account", users[2:3], REASON) == more


def test_overlap_is_a_new_request(requests, one, users):
    assert requests.receive("account", users[1:3], REASON).subject == tuple(sorted(users[1:3]))


def test_two_open_requests_do_not_cover_together_what_neither_does(requests, one, users):
    requests.receive("account", users[2:4], REASON)
    both = requests.receive("account", users[:4], REASON)
    assert both.subject == tuple(sorted(users[:4]))
    assert len(requests.all()) == 3


def test_items_do_not_cover_the_account_nor_other_items(requests, users, items):
    some = requests.receive("items", users[:1], REASON, items[:2])
    assert requests.receive("items", users[:1], REASON, items[1::-1]) == some
    others = [
        requests.receive("account", users[:1], REASON),
        requests.receive("items", users[1:2], REASON, items[:2]),
    ]
    assert len({each.request_id for each in [some, *others]}) == 3


def test_fewer_items_are_a_request_of_their_own(requests, users, items):
    some = requests.receive("items", users[:1], REASON, items[:2])
    assert requests.receive("items", users[:1], REASON, items[:1]) != some
    assert len(requests.open()) == 2


@pytest.mark.parametrize("state", [State.FAILED, State.PURGED])
def test_one_that_failed_or_waits_for_its_receipt_is_still_open(requests, one, users, carried, state):
    now = requests.fail(one.request_id, "no room") if state == State.FAILED else carried(one, state)
    assert requests.receive("account", users[:2], REASON) == now


def test_closed_requests_do_not_count(requests, one, users, carried):
    """Somebody came back, and asks once more."""
    done = carried(one, State.RECEIPTED)
    again = requests.receive("account", users[:2], REASON)
    denied = requests.deny(again.request_id, "cannot be identified")
    third = requests.receive("account", users[:2], REASON)
    assert requests.find(users[0]) == [done, denied, third]
    assert requests.open() == [third]


@pytest.mark.parametrize(
    ("kind", "subjects", "items", "message"),
    [
        ("person", ["a" * 64], [], "no kind of request 'person': it is account or items"),
        ("account", [], [], "a request names at least one user"),
        ("items", [], ["b" * 64], "a request names at least one user"),
        ("account", ["a" * 64], ["b" * 64], "items go with a request of the kind items, and with no other"),
        ("items", ["a" * 64], [], "items go with a request of the kind items, and with no other"),
        (
            "items",
            ["a" * 64, "c" * 64],
            ["b" * 64],
            "items go with exactly one user: make one request for each",
        ),
        (
            "account",
            ["alice"],
            [],
            "a request holds keyed hashes alone: pass ids through Key.user and Key.item",
        ),
        ("account", ["A" * 64], [], "a request holds keyed hashes alone"),
        ("account", ["a" * 63], [], "a request holds keyed hashes alone"),
        ("account", ["a" * 65], [], "a request holds keyed hashes alone"),
        ("items", ["a" * 64], ["thing"], "a request holds keyed hashes alone"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    requests, directory, kind, subjects, items, message
):
    with pytest.raises(UsageError, match=message) as caught:
        requests.receive(kind, subjects, REASON, items)
    assert "alice" not in str(caught.value)
    assert not directory.exists()


# --- lists ---------------------------------------------------------------------------------------


def test_open_ones_come_by_deadline_and_all_by_receipt(requests, users, clock, carried):
    first = requests.receive("account", users[:1], REASON)
    clock.pass_by(days=1)
    second = requests.receive("account", users[1:2], REASON)
    clock.pass_by(days=1)
    third = carried(requests.receive("account", users[2:3], REASON), State.RECEIPTED)
    first = requests.extend(first.request_id, first.due_at + timedelta(days=9), "many at once")
    assert requests.open() == [second, first]
    assert requests.all() == [first, second, third]


def test_nobody_asked_for_a_stranger(requests, one, key):
    assert requests.find(key.user("stranger")) == []


def test_entries_of_other_kinds_are_passed_over(requests, one, ledger):
    ledger.append("published", {"version": 3})
    assert requests.all() == [one]


def test_a_ledger_that_was_put_back_is_read_anew(requests, one, directory, users):
    backup = {name: (directory / name).read_bytes() for name in (FILE, HEAD_FILE)}
    requests.receive("account", users[3:4], REASON)
    requests.advance(one.request_id, "planned")
    assert len(requests.all()) == 2
    for name, content in backup.items():
        (directory / name).write_bytes(content)
    assert requests.all() == [one]
    assert requests.find(users[3]) == []


def test_an_empty_workspace_has_no_requests(requests, directory):
    assert requests.all() == requests.open() == requests.find("a" * 64) == []
    assert not directory.exists()


def test_everything_lies_where_the_documentation_says():
    names = (key_module.FILE, FILE, HEAD_FILE, suppression.FILE, WORKING, receipt.DIRECTORY)
    assert names == ("key", "ledger.jsonl", "ledger.head", "suppressed", "requests", "receipts")
    assert key_module.VARIABLE == "RECSYS_UNLEARN_KEY"


# --- what is needed to carry it out --------------------------------------------------------------


def test_a_file_in_the_place_of_a_working_directory_gives_way(requests, one):
    path = requests.working(one.request_id)
    path.rmdir()
    path.write_text("damaged")
    assert requests.working(one.request_id) == path
    assert list(path.iterdir()) == []


def test_a_working_directory_is_its_owners_alone(requests, one, directory):
    path = requests.working(one.request_id)
    assert path == directory / WORKING / one.request_id
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (path / "rows").write_text("1, 2")
    assert requests.working(one.request_id) == path
    requests.discard(one.request_id)
    requests.discard(one.request_id)
    assert list(path.parent.iterdir()) == []


def test_a_removal_is_flushed(requests, one, monkeypatch):
    """Else a power cut brings back what named the people concerned."""
    path = requests.working(one.request_id)
    flushed = []
    monkeypatch.setattr(durable, "sync", lambda each: flushed.append((each, path.exists())))
    requests.discard(one.request_id)
    assert flushed == [(path.parent, False)]


def test_one_that_is_done_can_be_discarded(requests, one, carried):
    requests.working(one.request_id)
    carried(one, State.RECEIPTED)
    requests.discard(one.request_id)
    assert not (requests.directory / WORKING / one.request_id).exists()


def test_files_are_there_before_the_request_is(requests, users, monkeypatch, directory):
    """A crash in between leaves files without a request, which a sweep finds, and never the reverse."""
    written = []
    record = Requests._record

    def look(self, kind, *bodies):
        written.extend(path.read_bytes() for path in (directory / WORKING).rglob("asked.json"))
        record(self, kind, *bodies)

    monkeypatch.setattr(Requests, "_record", look)
    request = requests.receive("account", users[:1], REASON, files={"asked.json": b"{}", "rows": b"1"})
    assert written == [b"{}"]
    path = requests.working(request.request_id)
    assert {each.name: each.read_bytes() for each in path.iterdir()} == {"asked.json": b"{}", "rows": b"1"}


def test_asking_again_leaves_the_files_as_they_were(requests, users):
    first = requests.receive("account", users[:1], REASON, files={"asked.json": b"first"})
    requests.receive("account", users[:1], REASON, files={"asked.json": b"second"})
    assert (requests.working(first.request_id) / "asked.json").read_bytes() == b"first"


def test_a_sweep_leaves_what_open_requests_need_and_nothing_else(requests, users, directory, carried):
    kept = requests.receive("account", users[:1], REASON, files={"asked.json": b"{}"})
    done = requests.receive("account", users[1:2], REASON, files={"asked.json": b"{}"})
    carried(done, State.RECEIPTED)
    for name in ("request-orphan", f"{TEMPORARY}request-half-removed"):
        (directory / WORKING / name).mkdir()
        (directory / WORKING / name / "rows").write_text("1")
    (directory / "receipts").mkdir()
    for path in (directory, directory / "receipts", directory / WORKING / kept.request_id):
        (path / f"{TEMPORARY}x").write_text("half")
    requests.sweep()
    remaining = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    assert remaining == {FILE, HEAD_FILE, f"{WORKING}/{kept.request_id}/asked.json"}
    assert [path.name for path in (directory / WORKING).iterdir()] == [kept.request_id]
    requests.sweep()


def test_a_directory_that_was_half_removed_is_no_longer_its_requests(requests, one, monkeypatch):
    """Killed while removing: what is left has another name, and goes with the next sweep."""
    (requests.working(one.request_id) / "rows").write_text("1")

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            requests.discard(one.request_id)
    assert not any((requests.directory / WORKING / one.request_id).glob("*"))
    requests.sweep()
    assert list((requests.directory / WORKING).iterdir()) == []


def test_a_denial_that_was_killed_before_the_removal_is_swept(requests, one, monkeypatch):
    requests.working(one.request_id)
    with monkeypatch.context() as dying:
        dying.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            requests.deny(one.request_id, "cannot be identified")
    assert requests.get(one.request_id).state == State.DENIED
    requests.sweep()
    assert list((requests.directory / WORKING).iterdir()) == []


# --- others at the same time ---------------------------------------------------------------------


def _ask(directory, key, clock, barrier, found):
    mine = Requests(directory, Ledger(directory, key, clock))
    barrier.wait()
    found.put(mine.receive("account", [key.user(1)], REASON).request_id)
    found.put(mine.receive("account", [key.user(number) for number in (2, 3)], REASON).request_id)


def test_processes_that_ask_for_the_same_get_the_same_request(directory, key, clock):
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_ask, args=(directory, key, clock, barrier, found)) for _ in range(4)]
    for worker in workers:
        worker.start()
    ids = [found.get(timeout=60) for _ in range(8)]
    for worker in workers:
        worker.join()
    requests = Requests(directory, Ledger(directory, key, clock))
    assert set(ids) == {each.request_id for each in requests.all()}
    assert len(requests.all()) == 2


def test_what_another_process_did_meanwhile_is_known(directory, key, clock, requests, one):
    other = Requests(directory, Ledger(directory, key, clock))
    other.advance(one.request_id, "planned")
    assert requests.advance(one.request_id, "data_erased").reached == State.DATA_ERASED
    third = requests.receive("account", [key.user("y")], REASON)
    assert other.working(third.request_id).is_dir()
    other.deny(requests.receive("account", [key.user("x")], REASON).request_id, "no")
    assert [each.state for each in requests.all()] == ["data_erased", "received", "denied"]
