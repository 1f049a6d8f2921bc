import numpy as np
import pytest

from recsys_unlearn.audit.oracle import (
    agreement_floor,
    local_residual,
    probabilities,
    top_k_agreement,
    tow,
    tow_factors,
)
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization

USERS = np.arange(3)


def _model(scores):
    """Scores of three users over four items, as two tables."""
    return Factorization().with_tables(np.asarray(scores, np.float32), np.eye(4, dtype=np.float32))


@pytest.fixture
def oracle():
    return _model([[3, 2, 1, 0], [0, 1, 2, 3], [0, 0, 4, 0]])


@pytest.fixture
def original():
    return _model([[0, 2, 1, 3], [1, 1, 2, 3], [0, 1, 0, 0]])


def test_probabilities_are_the_softmax_of_the_scores():
    exponential = np.exp(np.array([3.0, 2, 1, 0]))
    found = probabilities(_model([[3, 2, 1, 0]] * 3), USERS)
    np.testing.assert_allclose(found, [exponential / exponential.sum()] * 3, rtol=1e-6)


def test_probabilities_of_the_users_asked_for(oracle):
    assert (probabilities(oracle, USERS[1:]) == probabilities(oracle, USERS)[1:]).all()


def test_large_scores_do_not_overflow():
    found = probabilities(_model([[1e4, 0, 0, 0], [0, -1e4, 0, 0], [1e4, 1e4, 0, 0]]), USERS)
    np.testing.assert_allclose(found, [[1, 0, 0, 0], [1 / 3, 0, 1 / 3, 1 / 3], [0.5, 0.5, 0, 0]], rtol=1e-6)


def test_the_oracle_itself_is_nought_and_doing_nothing_is_one(oracle, original):
    assert local_residual(oracle, oracle, original, USERS) == 0
    assert local_residual(original, oracle, original, USERS) == 1


def test_worse_than_nothing_is_above_one(oracle):
    close, far = _model([[3, 2, 1, 0.1]] * 3), _model([[0, 1, 2, 3]] * 3)
    assert local_residual(far, _model([[3, 2, 1, 0]] * 3), close, USERS) > 10


def test_the_residual_by_hand():
    """Two items: p = 1/2, 3/4 and 9/10; the method is (.9 - .75) / (.9 - .5) = .375 of the way off."""
    logit = [0, np.log(3), np.log(9)]
    original, method, oracle = (
        Factorization().with_tables(np.array([[each, 0]], np.float32), np.eye(2, dtype=np.float32))
        for each in logit
    )
    assert local_residual(method, oracle, original, np.array([0])) == pytest.approx(0.375, abs=1e-6)


def test_only_the_users_given_count(oracle, original):
    mixed = _model(np.concatenate([oracle.user_table[:1], original.user_table[1:]]))
    assert local_residual(mixed, oracle, original, USERS[:1]) == 0
    assert local_residual(mixed, oracle, original, USERS[1:]) == 1


def test_agreement_counts_shared_items_in_any_order(oracle):
    same_top_two = _model([[2, 3, 1, 0], [0, 1, 3, 2], [0, 0, 4, 0]])
    assert top_k_agreement(oracle, oracle, USERS, 2) == 1
    assert top_k_agreement(same_top_two, oracle, USERS[:2], 2) == 1
    assert top_k_agreement(same_top_two, oracle, USERS[:2], 1) == 0


def test_agreement_by_hand(oracle):
    """Top twos {0, 1} and {3, 2} against {0, 3} and {1, 0}: one shared of two, and none of two."""
    other = _model([[3, 0, 0, 2], [2, 3, 0, 0], [0, 0, 4, 0]])
    assert top_k_agreement(other, oracle, USERS[:2], 2) == 0.25


def test_tug_of_war_of_the_oracle_is_one():
    figures = {"forget": 0.2, "retain": 0.4, "test": 0.3}
    assert tow(figures, figures) == 1


def test_tug_of_war_by_hand():
    """Off by a tenth upwards, a half downwards, and not at all: .9 · .5 · 1."""
    oracle = {"forget": 0.2, "retain": 0.4, "test": 0.3}
    method = {"forget": 0.22, "retain": 0.2, "test": 0.3}
    assert tow(method, oracle) == pytest.approx(0.45)


def test_tug_of_war_falls_on_either_side():
    oracle = {"forget": 0.2, "retain": 0.4, "test": 0.3}
    above, below = ({**oracle, "forget": value} for value in (0.25, 0.15))
    assert tow(above, oracle) == pytest.approx(tow(below, oracle)) == pytest.approx(0.75)


def test_the_factors_are_told_and_multiply_to_the_product():
    oracle = {"forget": 0.2, "retain": 0.4, "test": 0.3}
    method = {"forget": 0.22, "retain": 0.2, "test": 0.3}
    factors = tow_factors(method, oracle)
    assert factors == pytest.approx({"forget": 0.9, "retain": 0.5, "test": 1})
    assert tow(method, oracle) == pytest.approx(np.prod(list(factors.values())))


def test_items_that_were_trained_on_do_not_make_agreement(oracle):
    """Without its first item, the oracle's top one of user 0 is item 1; the other's is item 3."""
    other = _model([[3, 0, 0, 2], [0, 1, 2, 3], [0, 0, 4, 0]])
    seen = Interactions.from_pairs([0], [0], 3, 4)
    assert top_k_agreement(other, oracle, USERS[:1], 1) == 1
    assert top_k_agreement(other, oracle, USERS[:1], 1, exclude=seen) == 0


def test_the_floor_is_the_mean_over_pairs_of_oracles(oracle, original):
    third = _model([[3, 2, 1, 0], [3, 2, 1, 0], [0, 0, 4, 0]])
    pairs = [(oracle, original), (oracle, third), (original, third)]
    expected = np.mean([top_k_agreement(*pair, USERS, 2) for pair in pairs])
    assert agreement_floor([oracle, original, third], USERS, 2) == pytest.approx(expected)
    assert agreement_floor([oracle, oracle], USERS, 2) == 1
    assert np.isnan(agreement_floor([oracle], USERS, 2))
