"""The oracle: the bytes of a training that never saw the forgotten."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.errors import NothingLeft
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.retrain import Retrain

LEAVERS = np.array([3, 8, 21])


def tables_of(recommender):
    return recommender.user_table.tobytes(), recommender.item_table.tobytes()


def test_accounts(trained, train):
    got = Retrain().forget(trained, train, ForgetRequest.of_accounts(train, LEAVERS)).recommender
    expected = Factorization(trained.retrain_options).fit(train.without_users(LEAVERS))
    assert tables_of(got) == tables_of(expected)
    assert tables_of(got) != tables_of(trained)


def test_some_items_of_a_user(trained, train):
    pairs = train.of_users([8]).where(np.array([1, 4]))
    got = Retrain().forget(trained, train, ForgetRequest.of_pairs(pairs)).recommender
    assert tables_of(got) == tables_of(Factorization(trained.retrain_options).fit(train.without(pairs)))


def test_it_trains_for_as_long_as_early_stopping_chose(train):
    """The oracle does not choose again: validation data are not even an argument."""
    hidden = train.where(np.random.default_rng(1).random(len(train)) < 0.25)
    rest = train.without(hidden)
    options = replace(Factorization().options, dim=8, batch_size=128, epochs=9, evaluate_every=1, patience=1)
    original = Factorization(options).fit(rest, validation=hidden)
    assert original.retrain_options.epochs < 9
    got = Retrain().forget(original, rest, ForgetRequest.of_accounts(rest, LEAVERS)).recommender
    expected = Factorization(original.retrain_options).fit(rest.without_users(LEAVERS))
    assert tables_of(got) == tables_of(expected)
    assert got.retrain_options == original.retrain_options


def test_readiness_is_measured_anew_where_there_was_one(trained, train):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    outcome = Retrain().forget(trained, train, request, NaturalReadiness.measure(trained, train))
    fresh = NaturalReadiness.measure(outcome.recommender, train.without_users(LEAVERS))
    assert outcome.readiness.sums.gradient.equal(fresh.sums.gradient)
    assert Retrain().forget(trained, train, request).readiness is None


def test_nobody_left_to_train_on(trained, train):
    with pytest.raises(NothingLeft):
        Retrain().forget(trained, train, ForgetRequest.of_accounts(train, train.active_users))
