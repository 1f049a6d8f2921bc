"""The legal clock, and what a request is after each entry of the ledger."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_unlearn.erasure.request import CLOSED, STEPS, Request, State, add_months


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("received", "months", "due"),
    [
        ("2026-01-15", 1, "2026-02-15"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2028-01-29", 1, "2028-02-29"),
        ("2027-01-29", 1, "2027-02-28"),
        ("2026-03-31", 1, "2026-04-30"),
        ("2026-02-28", 1, "2026-03-28"),
        ("2026-12-31", 1, "2027-01-31"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-12-01", 3, "2027-03-01"),
        ("2026-11-15", 1, "2026-12-15"),
        ("2026-05-31", 3, "2026-08-31"),
    ],
)
def test_calendar_months_end_where_the_month_does(received, months, due):
    assert add_months(moment(received), months) == moment(due)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), st.integers(0, 36))
def test_so_many_months_later_is_the_same_day_and_time_or_the_last_day(start, months):
    end = add_months(start, months)
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
    assert end.timetz() == start.timetz()
    assert end.day == start.day or (end.day < start.day and (end + timedelta(days=1)).day == 1)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_month_has_at_least_28_days_and_at_most_31(start):
    assert timedelta(days=28) <= add_months(start, 1) - start <= timedelta(days=31)


def test_the_states_stand_in_their_order():
    assert [str(state) for state in STEPS] == [
        "received",
        "planned",
        "data_erased",
        "model_updated",
        "index_rebuilt",
        "verified",
        "purged",
        "receipted",
    ]
    assert set(State) - set(STEPS) == {State.DENIED, State.FAILED}
    assert {State.RECEIPTED, State.DENIED} == CLOSED


@pytest.fixture
def request_(requests, key):
    return requests.receive("account", [key.user(7)], "asked by mail")


def test_a_request_begins_with_a_month(request_):
    assert request_.received_at == moment("2026-01-15T12:00:00")
    assert request_.due_at == request_.deadline == moment("2026-02-15T12:00:00")
    assert request_.extended_to is request_.completed_at is request_.error is None
    assert (request_.state, request_.reached) == (State.RECEIVED, State.RECEIVED)
    assert request_.is_open
    assert request_.next_state == State.PLANNED
    assert request_.times == {"received": "2026-01-15T12:00:00+00:00"}
    assert request_.sequences == {"received": 0}


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-01-15T12:00:00", 31),
        ("2026-01-15T12:00:01", 30),
        ("2026-02-14T12:00:00", 1),
        ("2026-02-14T12:00:01", 0),
        ("2026-02-15T12:00:00", 0),
        ("2026-02-15T12:00:01", -1),
        ("2026-02-16T12:00:01", -2),
    ],
)
def test_days_left_are_whole_days_and_negative_when_it_is_late(request_, now, days):
    assert request_.days_left(moment(now)) == days


def test_days_left_are_counted_from_now(request_):
    assert request_.days_left() == request_.days_left(datetime.now(UTC))


def test_an_extension_moves_the_deadline(requests, request_):
    until = moment("2026-04-01")
    extended = requests.extend(request_.request_id, until, "many at once")
    assert extended.deadline == extended.extended_to == until
    assert extended.due_at == request_.due_at
    assert extended.days_left(moment("2026-03-31")) == 1


def test_each_step_leads_to_the_next(request_, requests, carried):
    for before, after in pairwise(STEPS):
        assert requests.get(request_.request_id).next_state == after
        assert carried(requests.get(request_.request_id), after).reached == after == before.__class__(after)
    assert requests.get(request_.request_id).next_state is None


def test_it_is_complete_when_the_last_effect_is_done(request_, clock, carried):
    verified = carried(request_, State.VERIFIED)
    assert verified.completed_at is None
    clock.pass_by(days=3)
    purged = carried(verified, State.PURGED)
    clock.pass_by(days=1)
    receipted = carried(purged, State.RECEIPTED)
    assert purged.is_open
    assert not receipted.is_open
    assert purged.completed_at == receipted.completed_at == moment("2026-01-18T12:00:00")


def test_it_remembers_when_what_and_where(request_, clock, carried):
    clock.pass_by(minutes=5)
    done = carried(request_, State.DATA_ERASED, rows=3)
    assert list(done.times) == list(done.sequences) == ["received", "planned", "data_erased"]
    assert done.times["planned"] == "2026-01-15T12:05:00+00:00"
    assert done.sequences == {"received": 0, "planned": 1, "data_erased": 2}
    assert done.details == {"planned": {"rows": 3}, "data_erased": {"rows": 3}}


def test_a_clock_behind_the_ledger_does_not_lengthen_the_month(requests, key, clock, ledger):
    """The clock was a year ahead when another entry was written; this request came in today."""
    clock.pass_by(days=365)
    ledger.append("verified elsewhere", {})
    clock.pass_by(days=-365)
    late = requests.receive("account", [key.user(7)], "asked")
    assert late.times["received"] == "2027-01-15T12:00:00+00:00"
    assert late.received_at == clock()
    assert late.due_at == moment("2026-02-15T12:00:00")


def test_as_a_dictionary_it_is_json(requests, request_, key):
    import json

    requests.extend(request_.request_id, moment("2026-03-01"), "many at once")
    values = json.loads(json.dumps(requests.fail(request_.request_id, "no room").as_dict()))
    assert set(values) == set(Request.__dataclass_fields__)
    assert values["subject"] == [key.user(7)]
    assert (values["state"], values["reached"], values["error"]) == ("failed", "received", "no room")
    assert values["due_at"] == "2026-02-15T12:00:00+00:00"
    assert values["extended_to"] == "2026-03-01T00:00:00+00:00"
    assert values["completed_at"] is None
