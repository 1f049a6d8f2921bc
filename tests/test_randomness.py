"""Streams keyed by (seed, purpose, id): nobody's draws depend on who else is there."""

import numpy as np
import pytest
from scipy import stats

from recsys_unlearn import randomness
from recsys_unlearn.randomness import generator, keyed_hash, keyed_normal, keyed_uniform, stream_key

KEY = stream_key(0, "a test")


def test_a_row_of_a_table_does_not_depend_on_the_number_of_rows():
    small, large = keyed_normal(4, "user", 5, 8), keyed_normal(4, "user", 500, 8)
    assert small.tobytes() == large[:5].tobytes()


def test_a_row_of_a_table_does_not_depend_on_the_number_of_columns():
    assert keyed_normal(4, "user", 5, 3).tobytes() == keyed_normal(4, "user", 5, 8)[:, :3].tobytes()


def test_a_pair_is_hashed_alike_in_any_company():
    users, items = np.repeat(np.arange(50), 20), np.tile(np.arange(20), 50)
    everybody = keyed_hash(KEY, users, items)
    kept = users % 7 != 3
    assert np.array_equal(keyed_hash(KEY, users[kept], items[kept]), everybody[kept])
    assert np.array_equal(keyed_hash(KEY, users[::-1], items[::-1]), everybody[::-1])


def test_the_type_of_row_numbers_does_not_matter():
    rows = np.arange(100)
    for kind in (np.int32, np.int64, np.uint32):
        assert np.array_equal(keyed_hash(KEY, rows.astype(kind)), keyed_hash(KEY, rows))


def test_no_two_pairs_share_a_hash():
    users, items = np.meshgrid(np.arange(300), np.arange(300))
    assert len(np.unique(keyed_hash(KEY, users, items))) == users.size


@pytest.mark.parametrize(
    "other", [(1, "user"), (0, "item"), (0, "user", 1), (0, "user", ""), (10, "user")], ids=str
)
def test_streams_differ_by_seed_and_by_purpose(other):
    assert stream_key(0, "user") != stream_key(*other)
    rows = np.arange(4000)
    one, two = keyed_uniform(stream_key(0, "user"), rows), keyed_uniform(stream_key(*other), rows)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.07  # four standard errors
    assert not np.array_equal(generator(0, "user").random(8), generator(*other).random(8))


def test_parts_of_a_purpose_do_not_run_together():
    assert stream_key(0, "a", "bc") != stream_key(0, "ab", "c")
    assert stream_key(1, 23) != stream_key(12, 3)


def test_a_stream_is_the_same_every_time():
    """Written down: a version trained yesterday must be retrained tomorrow with the same draws."""
    assert stream_key(0, "user") == 8561361083701238181
    assert keyed_hash(1, np.array([2]), np.array([3]))[0] == 10171151254600262889
    assert np.array_equal(generator(3, "x").random(5), generator(3, "x").random(5))


def test_uniform_is_uniform():
    users, items = np.meshgrid(np.arange(200), np.arange(200))
    draws = keyed_uniform(KEY, users.ravel(), items.ravel())
    assert stats.kstest(draws, "uniform").pvalue > 0.01
    assert stats.kstest(keyed_uniform(KEY, np.arange(20_000)), "uniform").pvalue > 0.01
    assert 0 < draws.min() < draws.max() < 1


@pytest.mark.parametrize(
    "extreme",
    [
        0,
        2**64 - 1,
    ],
)
def test_uniform_never_reaches_its_ends(extreme, monkeypatch):
    """The extreme hashes give numbers inside (0, 1), on which log and ndtri are finite."""
    monkeypatch.setattr(randomness, "keyed_hash", lambda *_: np.array([extreme], np.uint64))
    assert 0 < keyed_uniform(KEY, np.arange(1))[0] < 1


def test_neighbouring_rows_are_independent():
    draws = keyed_uniform(KEY, np.arange(200)[:, None], np.arange(200)[None, :])
    for one, two in ((draws[1:], draws[:-1]), (draws[:, 1:], draws[:, :-1]), (draws, draws.T)):
        aside = ~np.eye(200, dtype=bool) if one is draws else np.ones_like(one, bool)
        assert abs(np.corrcoef(one[aside], two[aside])[0, 1]) < 0.02  # four standard errors


def test_normal_is_normal():
    table = keyed_normal(0, "user", 400, 50)
    assert table.dtype == np.float32
    assert table.shape == (400, 50)
    assert stats.kstest(table.ravel(), "norm").pvalue > 0.01
    assert np.isfinite(table).all()
