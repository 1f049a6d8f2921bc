import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.interactions.staging import without_duplicates


def frame_of(*rows):
    return pl.DataFrame(rows, schema=["user", "item", "weight", "time", "order"], orient="row")


def test_of_duplicates_the_latest_is_kept():
    frame = frame_of((0, 1, 3.0, 10, 0), (0, 1, 5.0, 30, 1), (0, 1, 4.0, 20, 2), (0, 2, 1.0, 5, 3))
    assert without_duplicates(frame).rows() == [(0, 1, 5.0, 30), (0, 2, 1.0, 5)]


def test_of_duplicates_at_one_time_the_first_is_kept():
    frame = frame_of((0, 1, 3.0, 10, 1), (0, 1, 5.0, 10, 0))
    assert without_duplicates(frame)["weight"].to_list() == [5.0]


def test_of_duplicates_without_a_time_the_first_is_kept():
    frame = frame_of((1, 1, 3.0, 0, 1), (1, 1, 5.0, 0, 2), (0, 1, 2.0, 0, 0)).drop("time")
    assert without_duplicates(frame).rows() == [(0, 1, 2.0), (1, 1, 3.0)]


def slow_core(pairs, k):
    """Remove one user or item at a time until none has fewer than k."""
    pairs = set(pairs)
    while True:
        for side in (0, 1):
            for one in {pair[side] for pair in pairs}:
                if sum(pair[side] == one for pair in pairs) < k:
                    pairs = {pair for pair in pairs if pair[side] != one}
                    break
            else:
                continue
            break
        else:
            return pairs


# A triangle-like 2-core (users a, b, c and items 1, 2, 3) with a tail that unravels one by one.
TAILED = [
    ("a", "1"),
    ("a", "2"),
    ("b", "2"),
    ("b", "3"),
    ("c", "3"),
    ("c", "1"),
    ("c", "4"),
    ("d", "4"),
    ("d", "5"),
]


def test_k_core_unravels_a_tail(make_store, content):
    store = make_store(pl.DataFrame(TAILED, schema=["user", "item"], orient="row"), k_core=2)
    assert {(user, item) for user, item, _ in content(store)} == set(TAILED[:6])
    assert (store.n_users, store.n_items) == (3, 3)
    with pytest.raises(Exception, match="no such user"):
        store.user_row("d")


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sets(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("123456")), min_size=20), st.integers(0, 3)
)
def test_k_core_equals_the_slow_reference(make_store, content, pairs, k):
    expected = slow_core(pairs, k)
    if not expected:
        return
    frame = pl.DataFrame(sorted(pairs), schema=["user", "item"], orient="row")
    store = make_store(frame, k_core=k, replace=True)
    assert {(user, item) for user, item, _ in content(store)} == expected


def test_rows_say_nothing_of_the_order_of_ingest(make_store):
    frame = pl.DataFrame({"user": range(500), "item": [0] * 500})
    store = make_store(frame)
    rows = [store.user_row(user) for user in range(500)]
    assert sorted(rows) == list(range(500))
    assert abs(np.corrcoef(rows, range(500))[0, 1]) < 0.2


def test_items_are_in_the_order_of_their_ids(make_store):
    store = make_store(pl.DataFrame({"user": [1] * 4, "item": [10, 9, -1, 100]}))
    assert store.item_ids(range(4)) == [-1, 9, 10, 100]


def test_the_order_of_a_source_does_not_matter(make_store, frame):
    first = make_store(frame, "first")
    second = make_store(frame.sample(fraction=1, shuffle=True, seed=1), "second")
    assert first.digest == second.digest


def test_the_number_of_buckets_does_not_matter(make_store, frame):
    one, many = make_store(frame, "one", n_buckets=1), make_store(frame, "many", n_buckets=64)
    assert one.digest == many.digest
    assert np.array_equal(one.splits().train.pair_codes, many.splits().train.pair_codes)


def test_counts_at_every_stage(tmp_path):
    rows = [
        ("a", "1", 5),
        ("a", "1", 4),
        ("a", "2", 5),
        ("b", "1", 4),
        ("b", "2", 4),
        ("c", "1", 2),
        ("c", "9", 5),
    ]
    frame = pl.DataFrame(rows, schema=["user", "item", "rating"], orient="row")
    seen = []
    options = IngestOptions(min_rating=4, k_core=2, strangers=0)
    report = ingest(frame, tmp_path / "store", options, lambda *step: seen.append(step)).as_dict()
    counted = {
        name: report[name] for name in ("rows_read", "below_threshold", "duplicates", "removed_by_k_core")
    }
    assert counted == {"rows_read": 7, "below_threshold": 1, "duplicates": 1, "removed_by_k_core": 1}
    assert (report["users"], report["items"], report["interactions"], report["density"]) == (2, 2, 4, 1.0)
    assert report["train"] + report["validation"] + report["test"] + report["strangers"] == 4
    assert all(done <= total for _, done, total in seen) and len({what for what, _, _ in seen}) == 3
