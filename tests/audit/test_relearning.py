"""Curves that are known: an equal model is at no distance, one that kept the trace is ahead."""

import numpy as np
import pytest

from recsys_unlearn.audit.membership import membership_auc
from recsys_unlearn.audit.relearning import RelearningCurve, a_tenth, relearn, welcomed
from recsys_unlearn.audit.statistic import fold_in_statistic, split_histories
from recsys_unlearn.interactions.contract import Interactions

FORGOTTEN = [3, 8, 21]


def curve(forgotten, strangers=None):
    values = np.asarray(forgotten, float)
    return RelearningCurve(tuple(range(len(values))), values, values if strangers is None else strangers)


def noise(steps=4, users=60, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, users))


def test_a_curve_is_at_no_distance_from_itself():
    found = curve(noise()).distance(curve(noise()))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_head_start_is_distance_and_no_pace():
    ahead, oracle = curve(noise() + 0.5), curve(noise())
    assert ahead.distance(oracle).value == pytest.approx(0.5)
    assert ahead.regained(oracle).value == pytest.approx(0)


def test_snapping_back_is_pace():
    """Alike before the first step, one ahead after each of the other three: a mean of three quarters."""
    snaps = noise()
    snaps[1:] += 1
    found = curve(snaps).regained(curve(noise()))
    assert (found.value, found.low, found.high) == pytest.approx((0.75, 0.75, 0.75))


def test_two_draws_of_one_law_have_an_interval_that_holds_nought():
    found = curve(noise(seed=1)).distance(curve(noise(seed=2)))
    assert found.low < 0 < found.high


def test_users_are_compared_with_themselves():
    """Their own level has a spread of 100, and the difference of .2 is still found."""
    level = 100 * np.random.default_rng(3).normal(size=60)
    found = curve(level + 0.2 + 0.1 * noise(seed=1)).distance(curve(level + 0.1 * noise(seed=2)))
    assert 0.1 < found.low < 0.2 < found.high < 0.3


def test_the_auc_is_of_each_step():
    given = curve(noise(2, 10), noise(2, 20, 5))
    expected = [membership_auc(one, two) for one, two in zip(given.forgotten, given.strangers, strict=True)]
    assert given.auc.tolist() == expected


# --- lessons -------------------------------------------------------------------------------------


def test_a_tenth_is_taught_and_none_of_what_is_looked_for(tastes):
    lessons = a_tenth(tastes, seed=4)
    _, hidden = split_histories(tastes, seed=4)
    assert lessons.user_counts.tolist() == [1] * 72  # of ten items each
    assert not lessons.holds(hidden).any()
    assert tastes.holds(lessons).all()


def test_of_a_long_history_more_is_taught_and_of_one_item_nothing():
    users = [0] * 30 + [1] * 2 + [2]
    data = Interactions.from_pairs(users, [*range(30), 0, 1, 5], 3, 40)
    assert a_tenth(data).user_counts.tolist() == [3, 1, 1]
    alone = a_tenth(data.of_users([2]))
    assert len(alone) <= 1


def test_lessons_do_not_depend_on_the_company(tastes):
    whole, alone = a_tenth(tastes), a_tenth(tastes.of_users([5]))
    assert whole.items_of(5).tolist() == alone.items_of(5).tolist()


def test_newcomers_are_given_a_row_and_nobody_else_is_moved(spherical, train, strangers):
    lessons = train.union(a_tenth(strangers))
    taught = welcomed(spherical, lessons)
    assert taught.members[60:].all()
    assert taught.user_table[:60].tobytes() == spherical.user_table[:60].tobytes()
    assert not spherical.members[60:].any()
    assert welcomed(spherical, train) is spherical


# --- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def retrained(spherical, train):
    return spherical.retrain(train.without_users(FORGOTTEN))


def test_step_nought_is_the_model_as_it_is(retrained, train, strangers):
    lessons = train.without_users(FORGOTTEN)
    found = relearn(retrained, lessons, train.of_users(FORGOTTEN), strangers, (0, 2))
    as_it_is = fold_in_statistic(retrained, train.of_users(FORGOTTEN)).log_likelihood
    assert found.forgotten[0].tolist() == as_it_is.tolist()
    assert found.forgotten.shape == (2, 3) and found.strangers.shape == (2, 12)
    assert not np.array_equal(found.forgotten[1], found.forgotten[0])
    again = retrained.resume(lessons, 2, 1e-3)
    assert found.strangers[1].tolist() == fold_in_statistic(again, strangers).log_likelihood.tolist()


def test_teaching_the_whole_history_brings_it_back(retrained, train, strangers):
    """The measure moves when there is something to learn: all items at a high rate, against retained only."""
    sides = train.of_users(FORGOTTEN), strangers
    everything = relearn(welcomed(retrained, train), train, *sides, (0, 60), 0.02)
    nothing = relearn(retrained, train.without_users(FORGOTTEN), *sides, (0, 60), 0.02)
    assert everything.distance(nothing).value > 0.05
    assert (
        relearn(retrained, train, *sides, (0, 60), 0.02).forgotten[1].tolist()
        == everything.forgotten[1].tolist()
    )
