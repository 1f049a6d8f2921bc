import numpy as np
import polars as pl
import pytest

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.interactions.synthetic import SPARSE, SyntheticOptions, generate

SMALL = SyntheticOptions(n_users=400, n_items=300, mean_history=20, n_clusters=8, households=10, outliers=3)


@pytest.fixture(scope="module")
def data():
    return generate(SMALL)


@pytest.fixture(scope="module")
def items_of(data):
    return {user: set(items) for user, items in data.frame.group_by("user").agg("item").rows()}


def test_the_same_options_give_the_same_data(data):
    again = generate(SMALL)
    assert again.frame.equals(data.frame)
    assert (again.households, again.outliers) == (data.households, data.outliers)
    assert not generate(SyntheticOptions(**(vars(SMALL) | {"seed": 1}))).frame.equals(data.frame)


def test_columns_and_sizes(data):
    assert data.frame.schema == {"user": pl.String, "item": pl.String, "rating": pl.Int64, "time": pl.Int64}
    assert data.frame["user"].n_unique() == 400
    assert 200 < data.frame["item"].n_unique() <= 300
    assert set(data.frame["rating"].unique()) == {1, 2, 3, 4, 5}
    assert data.frame["time"].is_sorted()
    assert data.frame.select("user", "item").is_unique().all()
    assert 16 < data.frame.height / 400 < 26


def test_households_are_near_duplicates_and_nobody_else_is(data, items_of):
    def jaccard(a, b):
        return len(items_of[a] & items_of[b]) / len(items_of[a] | items_of[b])

    assert len(data.households) == 10
    assert all(jaccard(a, b) >= 0.9 for a, b in data.households)
    others = sorted(set(items_of) - {user for pair in data.households for user in pair})
    assert max(jaccard(a, b) for a in others[:60] for b in others[:60] if a != b) < 0.8


def test_popularity_has_a_long_tail(data):
    counts = np.sort(data.frame["item"].value_counts()["count"].to_numpy())[::-1]
    assert 0.3 < counts[:30].sum() / counts.sum() < 0.7


def test_outliers_are_active_and_odd(data, items_of):
    lengths = np.median([len(items) for items in items_of.values()])
    popularity = dict(data.frame["item"].value_counts().rows())
    typical = np.mean([popularity[item] for item in data.frame["item"]])
    for user in data.outliers:
        assert len(items_of[user]) > 4 * lengths
        assert np.mean([popularity[item] for item in items_of[user]]) < 0.5 * typical


def test_taste_explains_more_than_popularity(data):
    """Predict each user's later half from the earlier one: by neighbours in taste against by the crowd."""
    ranked = data.frame.with_columns(
        late=pl.int_range(pl.len()).over("user") >= pl.len().over("user") * 0.7,
        u=pl.col("user").rank("dense").cast(pl.Int64) - 1,
        i=pl.col("item").rank("dense").cast(pl.Int64) - 1,
    )
    early, late = np.zeros((2, 400, 300), np.float32)
    for table, flag in ((early, False), (late, True)):
        table[tuple(ranked.filter(late=flag).select("u", "i").to_numpy().T)] = 1
    factors = np.linalg.svd(early / np.sqrt(early.sum(0) + 1), full_matrices=False)[2][:12]
    by_taste, by_crowd = early @ factors.T @ factors, np.tile(early.sum(0), (400, 1))
    assert _recall(by_taste, early, late) > 1.3 * _recall(by_crowd, early, late)


def test_the_sparse_preset_is_sparse():
    smaller = SyntheticOptions(**(vars(SPARSE) | {"n_users": 500, "n_items": 1000, "households": 5}))
    assert SPARSE.n_users > SyntheticOptions().n_users
    assert 12 < generate(smaller).frame.height / 500 < 17


def test_all_problems_are_reported_together():
    with pytest.raises(ConfigError) as caught:
        SyntheticOptions(n_users=3, n_clusters=0, households=2, mean_history=0)
    for problem in ("n_clusters must be at least 1", "exceed n_users", "mean_history must lie between 1 and"):
        assert problem in str(caught.value)


def _recall(scores, seen, wanted, k=20):
    top = np.argsort(-np.where(seen > 0, -np.inf, scores), axis=1)[:, :k]
    hits = np.take_along_axis(wanted, top, 1).sum(1)
    return (hits / np.maximum(wanted.sum(1), 1)).mean()
