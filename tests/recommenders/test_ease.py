"""EASE against the regression that defines it, and its inverse against being made anew."""

import numpy as np
import pytest

from recsys_unlearn.errors import ConfigError, UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.ease import DRIFT, Ease, drift, inverted, update
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.item_item_options import EaseOptions

LAMBDA = 3.0


@pytest.fixture(scope="module")
def fitted(train):
    return Ease(EaseOptions(LAMBDA)).fit(train)


def weights_of(model):
    return np.stack([model.summed(row) for row in incidence(everybody(model.n_items))])[:, 0]


def everybody(n_items):
    """One user per item."""
    return Interactions.from_pairs(range(n_items), range(n_items), n_items, n_items)


def dense(interactions):
    return incidence(interactions).toarray()


def test_each_column_is_a_ridge_regression_on_the_other_items(fitted, train):
    """Steck's problem for item j without its own column, solved by itself."""
    matrix, weights = dense(train), weights_of(fitted)
    assert np.abs(np.diag(weights)).max() < 1e-12
    for j in (0, 7, 39):
        others = np.setdiff1d(np.arange(40), [j])
        own = matrix[:, others]
        expected = np.linalg.solve(own.T @ own + LAMBDA * np.eye(39), own.T @ matrix[:, j])
        np.testing.assert_allclose(weights[others, j], expected, atol=1e-10)


def test_scores_are_histories_times_weights(fitted, train, strangers):
    users = np.array([3, 8])
    np.testing.assert_allclose(
        fitted.scores(users, train), dense(train)[users] @ weights_of(fitted), rtol=1e-5, atol=1e-6
    )
    assert not fitted.scores(users, strangers).any()  # they have no items there


def test_the_inverse_is_the_inverse():
    draw = np.random.default_rng(0).normal(size=(30, 12))
    gram = draw.T @ draw + np.eye(12)
    np.testing.assert_allclose(inverted(gram) @ gram, np.eye(12), atol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("users", [[4], [4, 9, 30]])
def test_an_update_is_the_inverse_of_the_changed_counts(fitted, train, sign, users):
    rows = incidence(train, np.array(users))
    inverse = fitted.inverse.copy()
    expected = np.linalg.inv(np.linalg.inv(inverse) + sign * (rows.T @ rows).toarray())
    update(inverse, rows, sign)
    np.testing.assert_allclose(inverse, expected, atol=1e-12)


@pytest.mark.parametrize("users", [[4], [4, 9, 30]])
def test_only_in_place_does_the_model_before_change(fitted, train, users):
    gone, rest = train.of_users(users), train.without_users(users)
    own, before = fitted.with_state(fitted.state()), fitted.inverse.copy()
    left = fitted.without(gone, rest)
    assert np.array_equal(fitted.inverse, before)
    changed = own.without(gone, rest, in_place=True)
    np.testing.assert_allclose(changed.inverse, left.inverse, atol=1e-15)
    assert changed.inverse is own.inverse


def test_many_users_in_steps_are_many_users_at_once(fitted, train, monkeypatch):
    gone, rest = train.of_users(range(30)), train.without_users(range(30))
    together = fitted.without(gone, rest)
    monkeypatch.setattr("recsys_unlearn.recommenders.ease.USERS_PER_STEP", 7)
    np.testing.assert_allclose(fitted.without(gone, rest).inverse, together.inverse, atol=1e-13)


def test_all_users_but_one(fitted, train):
    rest = train.of_users([5])
    left = fitted.without(train.without_users([5]), rest)
    np.testing.assert_allclose(left.inverse, fitted.retrain(rest).inverse, atol=1e-12)
    assert np.flatnonzero(left.members).tolist() == [5]


# --- rounding ------------------------------------------------------------------------------------


def test_drift_is_the_length_of_a_column_of_what_is_left_of_the_identity(fitted, train):
    """A known error: a matrix of noise of size 1e-6 on the inverse, against the whole product."""
    noise = 1e-6 * np.random.default_rng(1).normal(size=fitted.inverse.shape)
    gram = dense(train).T @ dense(train) + LAMBDA * np.eye(40)
    spoiled = fitted.inverse + noise + noise.T
    expected = np.linalg.norm(gram @ spoiled - np.eye(40)) / np.sqrt(40)
    assert drift(fitted.inverse, train, LAMBDA) < 1e-14
    assert drift(spoiled, train, LAMBDA) == pytest.approx(expected, rel=0.5)


def test_an_inverse_that_has_drifted_is_made_anew(fitted, train):
    spoiled = fitted.with_state(fitted.state())
    spoiled.inverse[0, 1] += 1e-7
    rest = train.without_users([4])
    healed = spoiled.without(train.of_users([4]), rest)
    assert drift(spoiled.inverse, train, LAMBDA) > DRIFT
    assert healed.inverse.tobytes() == fitted.retrain(rest).inverse.tobytes()


def test_a_hundred_deletions_one_by_one_do_not_drift(fitted, tastes, train):
    state, data = fitted, train
    for user in range(50):
        rest = data.without_users([user])
        state, data = state.without(data.of_users([user]), rest), rest
    np.testing.assert_allclose(state.inverse, fitted.retrain(data).inverse, rtol=0, atol=1e-14)
    assert drift(state.inverse, data, LAMBDA) < DRIFT


# --- what is kept, and what is refused -----------------------------------------------------------


def test_half_of_the_inverse_is_kept(fitted, tmp_path):
    fitted.save(tmp_path)
    assert fitted.state()["inverse"].shape == (40 * 41 // 2,)
    assert (tmp_path / "weights.safetensors").stat().st_size < 8 * 40 * 41 // 2 + 72 + 400
    loaded = Ease.load(tmp_path)
    np.testing.assert_array_equal(loaded.inverse, loaded.inverse.T)
    np.testing.assert_allclose(loaded.inverse, fitted.inverse, rtol=0, atol=1e-16)


def test_a_triangle_with_a_number_missing_is_refused(fitted):
    state = fitted.state()
    with pytest.raises(ValueError, match="the inverse is not half of a square matrix"):
        fitted.with_state(state | {"inverse": state["inverse"][:-1]})


def test_a_catalogue_that_is_too_large_is_refused_with_a_way_out(monkeypatch, train):
    monkeypatch.setattr("recsys_unlearn.recommenders.ease.LARGEST_CATALOGUE", 39)
    with pytest.raises(UsageError, match="40 items are more than 39; use item_knn or factorization"):
        Ease().fit(train)


@pytest.mark.parametrize("regularization", [0.0, -1.0, float("nan")])
def test_a_matrix_that_cannot_be_inverted_is_refused(regularization):
    with pytest.raises(ConfigError, match="ease: regularization must be above 0"):
        EaseOptions(regularization)
