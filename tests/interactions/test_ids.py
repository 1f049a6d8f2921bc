import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_unlearn.errors import InvalidValue, UnknownUser, UsageError
from recsys_unlearn.interactions import IngestOptions, InteractionStore, ingest
from recsys_unlearn.interactions.ids import as_text, from_text
from recsys_unlearn.interactions.sources import python_series

SLOW_FIXTURES = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
TEXT_IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
WHOLE_IDS = st.one_of(
    st.integers(-(2**127), 2**127 - 1),
    st.integers(0, 2**63),
    st.integers(-5, 5),
    st.integers(2**63, 2**64 - 1),
)


@given(st.integers(-(10**60), 10**60))
def test_a_whole_number_comes_back_as_itself(number):
    assert from_text(as_text(number, "int"), "int") == number


@given(TEXT_IDS)
def test_text_comes_back_as_itself(text):
    assert from_text(as_text(text, "str"), "str") == text


@pytest.mark.parametrize(
    "text", ["007", " 7", "7 ", "7.0", "+7", "-0", "7\n", "٧", "1_000", "", "7e0", "0x7"]
)
def test_no_other_spelling_of_seven_is_a_whole_number(text):
    assert as_text(text, "int") is None


@pytest.mark.parametrize(
    ("identifier", "kind", "text"),
    [("7", "int", "7"), (7, "int", "7"), (np.int32(7), "int", "7"), (7, "str", "7"), ("007", "str", "007")],
)
def test_command_line_text_and_numbers_meet(identifier, kind, text):
    assert as_text(identifier, kind) == text


@pytest.mark.parametrize("identifier", [7.0, True, None, b"7", np.float64(7), ["7"]])
def test_other_types_are_refused_by_name(identifier):
    with pytest.raises(UsageError, match=f"a string or a whole number, not {type(identifier).__name__}"):
        as_text(identifier, "int")


def test_ids_that_no_source_can_hold_are_simply_absent():
    assert as_text("\ud800", "str") is None
    assert as_text(10**5000, "str") is None


@SLOW_FIXTURES
@given(st.sets(TEXT_IDS, min_size=1, max_size=12))
def test_text_ids_round_trip_through_a_store(tmp_path, ids):
    store = _stored(tmp_path, pl.Series("user", sorted(ids), dtype=pl.String))
    assert {store.user_id(store.user_row(user)) for user in ids} == ids


@SLOW_FIXTURES
@given(st.sets(WHOLE_IDS, min_size=1, max_size=12))
def test_whole_ids_round_trip_through_a_store(tmp_path, ids):
    store = _stored(tmp_path, python_series("user", sorted(ids)))
    assert {store.user_id(store.user_row(user)) for user in ids} == ids
    assert all(store.user_row(str(user)) == store.user_row(user) for user in ids)


def test_look_alikes_are_different_users(tmp_path):
    ids = [
        "7",
        "007",
        " 7",
        "7.0",
        "é",
        "e\u0301",
        "A",
        "a",
        "x\n",
        "=1+1",
        "../..",
        "%00",
        "\u202eabc",
        "\ufeffa",
    ]
    store = _stored(tmp_path, pl.Series("user", ids))
    assert sorted(store.user_id(row) for row in range(store.n_users)) == sorted(ids)
    assert len({store.user_row(user) for user in ids}) == len(ids)


def test_text_does_not_find_a_whole_number_by_another_spelling(tmp_path):
    store = _stored(tmp_path, pl.Series("user", [7, 2**63 - 1]))
    assert store.user_id(store.user_row("7")) == 7
    with pytest.raises(UnknownUser):
        store.user_row("007")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", 7], "mixes text and whole numbers"),
        ([True, "a"], "mixes text and true/false"),
        ([1, 2.5], "mixes decimal numbers and whole numbers"),
        ([2**128, 1], "beyond 128 bits"),
    ],
)
def test_objects_that_cannot_round_trip(values, message):
    with pytest.raises(InvalidValue, match=message):
        python_series("user", values)


def _stored(tmp_path, users):
    items = pl.Series("item", [1] * len(users))
    options = IngestOptions(strangers=0, replace=True, n_buckets=1)
    ingest(pl.DataFrame([users, items]), tmp_path / "store", options)
    return InteractionStore.open(tmp_path / "store")
