"""A deletion trains the touched shards again, to the byte, and leaves the others alone."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.sharded import Sharded, ShardedOptions
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.shards import Shards

OPTIONS = ShardedOptions(
    shards=3, dim=8, negatives=24, batch_size=128, epochs=4, learning_rate=0.03, seed=5, attention_steps=10
)
LEAVERS = np.array([3, 8, 21])
AGGREGATIONS = pytest.mark.parametrize("aggregation", ["mean", "attention"])


@pytest.fixture(scope="module")
def sharded(train):
    models = {}

    def get(partition="hash", aggregation="mean"):
        if (partition, aggregation) not in models:
            options = replace(OPTIONS, partition=partition, aggregation=aggregation)
            models[partition, aggregation] = Sharded(options).fit(train)
        return models[partition, aggregation]

    return get


def bytes_of(recommender):
    return {name: array.tobytes() for name, array in recommender.state().items()}


@AGGREGATIONS
def test_by_hash_it_is_training_from_scratch_without_them(sharded, train, aggregation):
    model = sharded("hash", aggregation)
    after = Shards().forget(model, train, ForgetRequest.of_accounts(train, LEAVERS)).recommender
    assert bytes_of(after) == bytes_of(model.retrain(train.without_users(LEAVERS)))
    assert bytes_of(after) != bytes_of(model)


@pytest.mark.parametrize("partition", ["users", "items", "interactions"])
def test_by_taste_touched_shards_are_trained_on_what_is_left_and_no_other_is(sharded, train, partition):
    model = sharded(partition)
    request = ForgetRequest.of_pairs(train.of_users([8]).where(np.array([0])))
    after = Shards().forget(model, train, request).recommender
    touched = model.partition.shard_of(request.forget_set).tolist()
    assert len(touched) == 1
    rest = train.without(request.forget_set)
    for shard in range(3):
        part = rest.where(model.partition.shard_of(rest) == shard)
        scratch = Factorization(model.retrain_options).fit(part)
        assert after.shard_items[shard].tobytes() == scratch.item_table.tobytes()
        assert (after.shard_items[shard].tobytes() != model.shard_items[shard].tobytes()) == (
            shard in touched
        )


@AGGREGATIONS
def test_in_any_order_and_all_at_once(sharded, train, aggregation):
    model = sharded("hash", aggregation)
    together = Shards().forget(model, train, ForgetRequest.of_accounts(train, LEAVERS)).recommender
    for order in (LEAVERS, LEAVERS[::-1]):
        state, data = model, train
        for user in order:
            state = (
                Shards().forget(state, data, ForgetRequest.of_accounts(data, np.array([user]))).recommender
            )
            data = data.without_users([user])
        assert bytes_of(state) == bytes_of(together)


@AGGREGATIONS
def test_twice_is_once(sharded, train, aggregation):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    once = Shards().forget(sharded("hash", aggregation), train, request).recommender
    assert Shards().forget(once, train, request).recommender is once


def test_a_learned_partition_no_longer_says_where_they_belonged(sharded, train):
    model = sharded("users")
    leavers = np.flatnonzero(model.user_group[:60] > 0)[:2]
    after = Shards().forget(model, train, ForgetRequest.of_accounts(train, leavers)).recommender
    assert not after.user_group[leavers].any()
    assert model.user_group[leavers].all()
    assert not after.shard_users[:, leavers].any()


def test_a_shard_that_loses_everybody_is_blank(sharded, train):
    model = sharded()
    everybody = np.flatnonzero((model.user_group == 1) & (train.user_counts > 0))
    after = Shards().forget(model, train, ForgetRequest.of_accounts(train, everybody)).recommender
    assert not after.shard_items[1].any()
    assert np.isfinite(after.item_table).all()
    assert after.user_table.any(axis=1).sum() == 60 - len(everybody)


def test_the_old_model_is_untouched(sharded, train):
    model = sharded()
    before = bytes_of(model)
    Shards().forget(model, train, ForgetRequest.of_accounts(train, LEAVERS))
    assert bytes_of(model) == before


def test_a_recommender_in_one_piece_is_retrained(spherical, train):
    outcome = Shards().forget(spherical, train, ForgetRequest.of_accounts(train, LEAVERS))
    expected = spherical.retrain(train.without_users(LEAVERS))
    assert outcome.recommender.item_table.tobytes() == expected.item_table.tobytes()


def test_shards_that_another_method_bypassed_are_all_trained_again(sharded, train):
    """Otherwise whom it forgot would come back from a shard that knows nothing of it."""
    model = sharded()
    moved = NaturalAscent().forget(model, train, ForgetRequest.of_accounts(train, np.array([40]))).recommender
    assert not moved.is_whole
    rest = train.without_users([40])
    after = Shards().forget(moved, rest, ForgetRequest.of_accounts(rest, LEAVERS)).recommender
    assert bytes_of(after) == bytes_of(model.retrain(rest.without_users(LEAVERS)))


def test_readiness_is_measured_anew_where_there_was_one(sharded, train):
    model, request = sharded(), ForgetRequest.of_accounts(train, LEAVERS)
    outcome = Shards().forget(model, train, request, NaturalReadiness.measure(model, train))
    fresh = NaturalReadiness.measure(outcome.recommender, train.without_users(LEAVERS))
    assert outcome.readiness.sums.gradient.equal(fresh.sums.gradient)
    assert Shards().forget(model, train, request).readiness is None
