import math

import numpy as np
import pytest

from recsys_unlearn.audit.forget_quality import epsilon_quality, forget_quality, privleak

NONE = np.zeros(0)


def test_the_same_values_have_a_p_value_of_one():
    values = np.random.default_rng(0).normal(size=50)
    assert forget_quality(values, values) == 1


def test_a_shift_is_found_and_more_so_with_more_users():
    draw = np.random.default_rng(0)
    few, many = (forget_quality(draw.normal(0.8, 1, n), draw.normal(0, 1, n)) for n in (20, 400))
    assert many < 1e-10 < few


def test_two_samples_of_one_law_give_p_values_that_are_uniform():
    """200 repetitions: a tenth fall below .1, give or take four standard errors."""
    draw = np.random.default_rng(3)
    values = [forget_quality(draw.normal(size=60), draw.normal(size=60)) for _ in range(200)]
    assert abs(np.mean(np.array(values) < 0.1) - 0.1) < 4 * math.sqrt(0.09 / 200)


@pytest.mark.parametrize("sides", [(NONE, np.ones(2)), (np.ones(2), NONE)])
def test_without_users_there_is_no_p_value(sides):
    assert math.isnan(forget_quality(*sides))


def test_privleak_by_hand():
    """An AUC of .6 against an oracle's of .5: (.4 - .5) / .5 = -20 %."""
    assert privleak(0.6, 0.5) == pytest.approx(-20)
    assert privleak(0.4, 0.5) == pytest.approx(20)
    assert privleak(0.47, 0.47) == 0


def test_nothing_told_apart_is_a_quality_near_one():
    values = np.arange(100.0)
    assert epsilon_quality(values, values) == pytest.approx(1, abs=1e-3)


def test_separation_without_an_error_is_a_quality_of_nought():
    assert epsilon_quality(np.array([2.0, 3]), np.array([0.0, 1])) == 0


def test_epsilon_by_hand():
    """One threshold does best: FPR 1/10, FNR 2/10; ε = min{log(.9/.2), log(.8/.1)} = log 4.5."""
    members = np.repeat([1.0, 0.0], [8, 2])
    strangers = np.repeat([1.0, 0.0], [1, 9])
    assert epsilon_quality(members, strangers, delta=0) == pytest.approx(2 ** -math.log(4.5))


def test_over_forgetting_is_no_quality_either_when_the_attacker_turns_the_score_round():
    """The scores' sign is the attacker's choice: the figure of -scores is the one to report then."""
    low, high = np.arange(10.0), np.arange(10.0) + 100
    assert epsilon_quality(low, high) == pytest.approx(1, abs=1e-4)
    assert epsilon_quality(-low, -high) == 0
