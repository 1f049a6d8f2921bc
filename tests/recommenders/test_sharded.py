"""Shards are factorisations of their parts, and the tables say what all of them say together."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.options import FactorizationOptions
from recsys_unlearn.recommenders.shard_attention import Attention
from recsys_unlearn.recommenders.sharded import Sharded, ShardedOptions, mean_tables

SMALL = {"dim": 8, "negatives": 24, "batch_size": 128, "epochs": 6, "learning_rate": 0.03, "seed": 5}
OPTIONS = ShardedOptions(shards=3, pretraining_epochs=2, attention_steps=30, **SMALL)


@pytest.fixture(scope="module")
def fitted(train):
    """By partition and aggregation, each trained once."""
    models = {}

    def get(partition="hash", aggregation="mean", similarity="cosine"):
        key = partition, aggregation, similarity
        if key not in models:
            options = replace(OPTIONS, partition=partition, aggregation=aggregation, similarity=similarity)
            models[key] = Sharded(options).fit(train)
        return models[key]

    return get


CUTS = pytest.mark.parametrize("partition", ["hash", "users", "items", "interactions"])


@CUTS
def test_a_shard_is_a_factorisation_of_its_part(fitted, train, partition):
    model = fitted(partition)
    steps = -(-len(train) // (3 * 128))
    plain = FactorizationOptions(steps_per_epoch=steps, **SMALL)
    for shard in range(3):
        part = train.where(model.partition.shard_of(train) == shard)
        alone = Factorization(plain).fit(part)
        assert model.shard_users[shard].tobytes() == alone.user_table.tobytes()
        assert model.shard_items[shard].tobytes() == alone.item_table.tobytes()


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("partition", ["hash", "interactions"])
def test_the_mean_is_over_the_shards_that_know_the_user(fitted, train, partition, similarity):
    model = fitted(partition, similarity=similarity)
    for user in train.active_users[::7]:
        knows = [k for k in range(3) if model.shard_users[k, user].any()]
        expected = np.mean([model.shard_items[k] @ model.shard_users[k, user] for k in knows], axis=0)
        np.testing.assert_allclose(model.scores(np.array([user]))[0], expected, rtol=1e-4, atol=1e-5)


def test_aggregated_item_rows_of_cosines_have_length_one(fitted):
    for aggregation in ("mean", "attention"):
        table = fitted(aggregation=aggregation).item_table
        np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, rtol=1e-5)


def test_a_user_whom_no_shard_knows_has_zeros(fitted, train):
    for aggregation in ("mean", "attention"):
        table = fitted(aggregation=aggregation).user_table
        assert np.array_equal(table.any(axis=1), train.user_counts > 0)


def test_attention_fits_better_than_it_starts(fitted, train):
    users = train.active_users
    trained, start = (
        Sharded(replace(OPTIONS, aggregation="attention", attention_steps=steps)).fit(train)
        for steps in (60, 1)
    )
    levels = [mean_log_likelihood(each, train, users).mean() for each in (trained, start)]
    assert levels[0] > levels[1] + 0.1


def test_attention_weighs_only_shards_that_know_the_row():
    vectors = np.zeros((2, 3, 4), np.float32)
    vectors[0, 0], vectors[:, 1] = 1, [[1, 0, 0, 0], [0, 1, 0, 0]]
    got = Attention(vectors, seed=0, side="user")(np.arange(3)).detach().numpy()
    np.testing.assert_allclose(got[0], vectors[0, 0])
    assert got[1].sum() == pytest.approx(1)  # a convex combination of two unit vectors
    assert (got[1][:2] > 0).all()
    assert not got[2].any()


def test_shard_zero_decides_how_long_all_of_them_train(train):
    hidden = train.where(np.random.default_rng(1).random(len(train)) < 0.25)
    rest = train.without(hidden)
    options = replace(OPTIONS, epochs=12, evaluate_every=1, patience=1)
    model = Sharded(options).fit(rest, validation=hidden)
    epochs = model.retrain_options.epochs
    assert epochs < 12
    part = rest.where(model.partition.shard_of(rest) == 1)
    alone = Factorization(model.retrain_options).fit(part)
    assert alone.options.epochs == epochs
    assert model.shard_items[1].tobytes() == alone.item_table.tobytes()


def test_tables_from_elsewhere_let_the_shards_go(fitted):
    model = fitted()
    other = model.with_tables(model.user_table * 2, model.item_table)
    assert model.is_whole
    assert not other.is_whole
    assert other.user_table.tobytes() == (model.user_table * 2).tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 0}, "sharded: shards must be above 0"),
        ({"partition": "taste"}, "partition must be one of hash, users, items, interactions"),
        (
            {"aggregation": "max", "attention_steps": -1},
            "attention_steps must be above 0; aggregation must be",
        ),
    ],
)
def test_options_that_no_training_can_use(options, message):
    with pytest.raises(ConfigError, match=message):
        ShardedOptions(**options)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("shard_items", lambda array: array[0], "not stacks of matrices"),
        ("shard_users", lambda array: array.astype(np.float64), "not stacks of matrices"),
        ("cells", lambda array: array.astype(np.int64), "partition is not of int32"),
    ],
)
def test_damaged_arrays_are_refused(fitted, name, change, message):
    state = fitted().state()
    with pytest.raises(ValueError, match=message):
        fitted().with_state(state | {name: change(state[name])})


def test_mean_tables_by_hand():
    """Two shards in one dimension; user 0 is in both, user 1 in the second."""
    users, items = np.array([[[2.0], [0]], [[4], [6]]], np.float32), np.array([[[1.0]], [[3]]], np.float32)
    user, item = mean_tables(users, items)
    np.testing.assert_allclose(user @ item.T, [[(2 * 1 + 4 * 3) / 2], [6 * 3]], rtol=1e-6)
