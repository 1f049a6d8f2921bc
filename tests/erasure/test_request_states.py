"""Requests on their way: which step may follow, what ends one, and how the deadline moves."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from recsys_unlearn.erasure.ledger import Ledger
from recsys_unlearn.erasure.requests import STEPS, WORKING, Requests, State
from recsys_unlearn.errors import LedgerError, UsageError

REASON = "asked by mail"


# --- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reached", STEPS)
@pytest.mark.parametrize("asked", list(State))
def test_only_the_next_step_can_be_recorded(requests, one, carried, unchanged, reached, asked):
    now = carried(one, reached)
    unchanged()
    if asked == reached:
        assert requests.advance(one.request_id, asked, version=9) == now
        unchanged()
    elif asked == now.next_state:
        assert requests.advance(one.request_id, str(asked)).state == asked
    else:
        message = (
            "is closed" if reached == State.RECEIPTED else f"is at {reached}, and .* comes next, not {asked}"
        )
        with pytest.raises(UsageError, match=message):
            requests.advance(one.request_id, asked)
        unchanged()


def test_a_name_of_no_state_is_refused(requests, one):
    with pytest.raises(UsageError, match="is at received, and planned comes next, not done"):
        requests.advance(one.request_id, "done")


def test_details_are_kept_with_their_step(requests, one, directory, key, clock):
    requests.advance(one.request_id, "planned", pairs=12, request="x")
    requests.advance(one.request_id, "data_erased", digest="ab")
    fresh = Requests(directory, Ledger(directory, key, clock)).get(one.request_id)
    assert fresh.details == {"planned": {"pairs": 12, "request": "x"}, "data_erased": {"digest": "ab"}}


def test_many_move_together(requests, users, ledger):
    first, second = (requests.receive("account", [user], REASON) for user in users[:2])
    ids = [second.request_id, first.request_id]
    moved = requests.advance_all([*ids, ids[0]], State.PLANNED, batch=1)
    assert [each.request_id for each in moved] == ids
    assert all(each.state == State.PLANNED and each.details["planned"] == {"batch": 1} for each in moved)
    assert [entry.kind for entry in ledger.entries()] == ["received"] * 2 + ["planned"] * 2
    assert requests.advance_all([], State.PLANNED) == []


def test_many_move_together_with_details_of_their_own(requests, users):
    first, second = (requests.receive("account", [user], REASON).request_id for user in users[:2])
    moved = requests.advance_each({first: {"digest": "a"}, second: {"digest": "b"}}, State.PLANNED)
    assert [each.details["planned"] for each in moved] == [{"digest": "a"}, {"digest": "b"}]


def test_those_of_a_batch_that_a_crash_left_behind_follow(requests, users):
    first, second = (requests.receive("account", [user], REASON) for user in users[:2])
    requests.advance(first.request_id, "planned", batch=1)
    both = requests.advance_all([first.request_id, second.request_id], "planned", batch=2)
    assert [each.details["planned"]["batch"] for each in both] == [1, 2]


def test_of_a_batch_all_move_or_none(requests, users, unchanged):
    first, second = (requests.receive("account", [user], REASON) for user in users[:2])
    requests.advance(first.request_id, "planned")
    unchanged()
    with pytest.raises(UsageError, match=f"{second.request_id} is at received"):
        requests.advance_all([first.request_id, second.request_id], "data_erased")
    unchanged()


def test_what_cannot_be_written_is_not_done(requests, one, directory, monkeypatch):
    def refuse(*_):
        raise LedgerError("full")

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "append_all", refuse)
        with pytest.raises(LedgerError, match="full"):
            requests.advance(one.request_id, "planned")
    assert requests.get(one.request_id) == one


# --- failure, denial, extension ------------------------------------------------------------------


def test_a_failed_request_is_taken_up_where_it_was(requests, one, carried):
    carried(one, State.DATA_ERASED)
    failed = requests.fail(one.request_id, "the disk is full")
    assert (failed.state, failed.reached, failed.error) == ("failed", "data_erased", "the disk is full")
    assert failed.is_open
    assert failed.next_state == State.MODEL_UPDATED
    assert requests.open() == [failed]
    with pytest.raises(UsageError, match="is at data_erased, and model_updated comes next, not verified"):
        requests.advance(one.request_id, "verified")
    resumed = requests.advance(one.request_id, "model_updated")
    assert (resumed.state, resumed.error) == ("model_updated", None)
    assert "failed" in resumed.times


def test_the_same_failure_is_recorded_once(requests, one, ledger):
    for _ in range(3):
        requests.fail(one.request_id, "full")
    assert len(ledger.entries()) == 2
    requests.fail(one.request_id, "still full")
    assert len(ledger.entries()) == 3
    requests.advance(one.request_id, "planned")
    requests.fail(one.request_id, "still full")
    assert len(ledger.entries()) == 5


def test_recording_a_reached_step_again_does_not_undo_a_failure(requests, one):
    failed = requests.fail(one.request_id, "full")
    assert requests.advance(one.request_id, "received") == failed


@pytest.mark.parametrize("reached", STEPS[:2])
def test_a_request_can_be_denied_before_data_is_erased(requests, one, carried, clock, reached):
    carried(one, reached)
    (requests.working(one.request_id) / "rows").write_text("1")
    clock.pass_by(days=2)
    denied = requests.deny(one.request_id, "cannot be identified")
    assert (denied.state, denied.reached, denied.error) == ("denied", reached, "cannot be identified")
    assert denied.completed_at == clock()
    assert not denied.is_open
    assert denied.next_state is None
    assert not (requests.directory / WORKING / one.request_id).exists()


def test_one_that_failed_before_can_be_denied(requests, one):
    requests.fail(one.request_id, "full")
    assert requests.deny(one.request_id, "cannot be identified").state == State.DENIED


@pytest.mark.parametrize("reached", STEPS[2:7])
def test_and_not_afterwards(requests, one, carried, unchanged, reached):
    carried(one, reached)
    unchanged()
    with pytest.raises(UsageError, match=f"is at {reached}: its data is erased, so it can only be finished"):
        requests.deny(one.request_id, "changed our mind")
    requests.fail(one.request_id, "full")
    with pytest.raises(UsageError, match="can only be finished"):
        requests.deny(one.request_id, "changed our mind")


def until(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("close", ["deny", "finish"])
def test_nothing_happens_to_a_closed_request(requests, one, carried, unchanged, close):
    closed = requests.deny(one.request_id, "no") if close == "deny" else carried(one, State.RECEIPTED)
    unchanged()
    for attempt in (
        lambda: requests.fail(one.request_id, "full"),
        lambda: requests.deny(one.request_id, "no"),
        lambda: requests.extend(one.request_id, until("2026-03-01"), "many"),
        lambda: requests.working(one.request_id),
        lambda: requests.advance(one.request_id, "planned"),
        lambda: requests.advance(one.request_id, "denied"),
        lambda: requests.advance(one.request_id, "received"),
    ):
        with pytest.raises(UsageError, match=rf"is closed \({closed.state}\): make a new request"):
            attempt()
    unchanged()


def test_a_request_that_is_not_there_is_named_as_such(requests, one):
    for ask in (requests.get, requests.working, requests.discard):
        with pytest.raises(UsageError, match="no such request in this workspace: `status` lists them"):
            ask("request-0")
    with pytest.raises(UsageError, match="no such request"):
        requests.advance("request-0", "planned")


@pytest.mark.parametrize("date", ["2026-02-15T12:00:01", "2026-03-01", "2026-04-15T12:00:00"])
def test_it_can_be_extended_by_two_more_months_at_most(requests, one, date):
    extended = requests.extend(one.request_id, until(date), "many at once")
    assert extended.extended_to == until(date)
    assert extended.extension_reason == "many at once"
    assert extended.state == State.RECEIVED


@pytest.mark.parametrize("date", ["2026-02-15T12:00:00", "2026-01-20", "2026-04-15T12:00:01", "2027-01-01"])
def test_and_to_no_other_date(requests, one, unchanged, date):
    unchanged()
    with pytest.raises(
        UsageError, match="can be extended to a date after 2026-02-15 and not after 2026-04-15"
    ):
        requests.extend(one.request_id, until(date), "many at once")
    unchanged()


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_extension_needs_a_reason(requests, one, reason):
    with pytest.raises(UsageError, match="give the reason of the extension; the person is told it"):
        requests.extend(one.request_id, until("2026-03-01"), reason)


def test_the_person_must_be_told_within_the_first_month(requests, one, clock):
    clock.set("2026-02-15T12:00:00")
    requests.extend(one.request_id, until("2026-03-01"), "many at once")
    clock.pass_by(seconds=1)
    with pytest.raises(UsageError, match="was due on 2026-02-15: it could be extended until then"):
        requests.extend(one.request_id, until("2026-03-02"), "many at once")


def test_an_extension_can_be_lengthened_and_not_shortened(requests, one):
    requests.extend(one.request_id, until("2026-03-01"), "many at once")
    longer = requests.extend(one.request_id, until("2026-04-01"), "even more")
    assert (longer.extended_to, longer.extension_reason) == (until("2026-04-01"), "even more")
    with pytest.raises(UsageError, match="can be extended to a date after 2026-04-01"):
        requests.extend(one.request_id, until("2026-03-15"), "fewer")


def test_the_same_extension_is_recorded_once(requests, one, clock, ledger):
    local = datetime(2026, 3, 1, 2, tzinfo=timezone(timedelta(hours=2)), microsecond=5)
    first = requests.extend(one.request_id, local, "many at once")
    clock.set("2026-06-01")
    assert requests.extend(one.request_id, until("2026-03-01"), "many at once") == first
    assert [entry.kind for entry in ledger.entries()] == ["received", "extended"]


def test_an_extension_outlives_the_steps(requests, one, carried):
    requests.extend(one.request_id, until("2026-03-01"), "many at once")
    assert carried(requests.get(one.request_id), State.RECEIPTED).deadline == until("2026-03-01")
