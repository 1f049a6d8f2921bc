from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.healed_ascent import HealedAscent
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

ACCOUNTS = np.array([0, 4, 9])
METHOD = HealedAscent(steps=20, learning_rate=0.004)


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, ACCOUNTS)


@pytest.fixture
def healed(trained, train, request_):
    return METHOD.forget(trained, train, request_, NaturalReadiness.measure(trained, train))


def test_it_is_the_natural_step_and_then_training_on_who_is_left(trained, train, request_, healed):
    stepped = NaturalAscent().forget(trained, train, request_, NaturalReadiness.measure(trained, train))
    expected = stepped.recommender.resume(train.without_users(ACCOUNTS), 20, 0.004)
    assert healed.recommender.item_table.tobytes() == expected.item_table.tobytes()
    assert healed.recommender.user_table.tobytes() == expected.user_table.tobytes()


def test_the_step_is_the_one_it_is_given(trained, train, request_, healed):
    longer = replace(METHOD, ascent=NaturalAscent(step_size=3.0)).forget(trained, train, request_)
    assert (longer.recommender.item_table != healed.recommender.item_table).any()


def test_whom_it_forgot_stays_forgotten_through_the_healing(healed, train):
    known = healed.recommender.user_table.any(axis=1)
    assert np.flatnonzero(known).tolist() == np.setdiff1d(train.active_users, ACCOUNTS).tolist()


def test_healing_fits_who_is_left_better_than_the_step_alone(trained, train, request_, healed):
    retained = train.without_users(ACCOUNTS)
    stepped = NaturalAscent(step_size=3.0).forget(trained, train, request_).recommender
    method = HealedAscent(NaturalAscent(step_size=3.0), steps=60, learning_rate=0.01)
    after = method.forget(trained, train, request_).recommender
    users = retained.active_users
    level = [mean_log_likelihood(model, retained, users).mean() for model in (stepped, after)]
    assert level[1] > level[0]


@pytest.mark.parametrize("change", [{"steps": 40}, {"learning_rate": 0.008}])
def test_more_steps_and_longer_ones_go_further(trained, train, request_, healed, change):
    stepped = NaturalAscent().forget(trained, train, request_).recommender
    further = replace(METHOD, **change).forget(trained, train, request_).recommender
    way, longer = (
        np.abs(each.item_table - stepped.item_table).sum() for each in (healed.recommender, further)
    )
    assert longer > way > 0


def test_readiness_is_measured_anew_on_who_is_left(healed, train):
    expected = NaturalReadiness.measure(healed.recommender, train.without_users(ACCOUNTS))
    for name, value in vars(expected.sums).items():
        assert (getattr(healed.readiness.sums, name) == value).all()


def test_without_readiness_none_is_kept(trained, train, request_):
    assert METHOD.forget(trained, train, request_).readiness is None


def test_some_items_of_a_user_who_stays(trained, train):
    pairs = train.of_users([7]).where(np.arange(len(train.items_of(7))) < 2)
    after = METHOD.forget(trained, train, ForgetRequest.of_pairs(pairs)).recommender
    assert after.user_table[7].any()
    assert (after.user_table[7] != trained.user_table[7]).any()


def test_it_says_that_everything_may_have_moved(healed, train):
    assert len(healed.touched_items) == train.n_items
    assert len(healed.touched_users) == train.n_users


def test_the_old_model_is_untouched(trained, train, request_):
    before = trained.user_table.copy(), trained.item_table.copy()
    METHOD.forget(trained, train, request_)
    assert (trained.user_table == before[0]).all() and (trained.item_table == before[1]).all()


def test_the_same_request_gives_the_same_bytes(trained, train, request_, healed):
    again = METHOD.forget(trained, train, request_, NaturalReadiness.measure(trained, train))
    assert again.recommender.item_table.tobytes() == healed.recommender.item_table.tobytes()


def test_whom_the_model_does_not_know_it_leaves_alone(trained, train, strangers):
    request = ForgetRequest.of_accounts(strangers, np.array([60]))
    assert METHOD.forget(trained, train, request).recommender is trained
