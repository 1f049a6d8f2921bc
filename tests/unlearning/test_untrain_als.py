"""Untraining against the fixed point that plain sweeps reach in the end."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.recommenders.implicit_engines import Als
from recsys_unlearn.recommenders.implicit_options import AlsOptions
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.unlearning import untrain_als
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.untrain_als import (
    SweepPath,
    UntrainAls,
    is_settled,
    remaining,
    score_distance,
)

LEAVERS = np.array([3, 8])


@pytest.fixture(scope="module")
def converged(train):
    return Als(AlsOptions(dim=4, epochs=300, regularization=5.0)).fit(train)


@pytest.fixture(scope="module")
def fixed_point(converged, train):
    return settled_without(ForgetRequest.of_accounts(train, LEAVERS), converged, train)


def forget(model, train, request=None, **parameters):
    request = request or ForgetRequest.of_accounts(train, LEAVERS)
    return UntrainAls(**parameters).forget(model, train, request)


def sweep(model, train, **parameters):
    """Without Newton steps, as from a model that was stopped early."""
    return forget(model, train, newton_steps=0, **parameters)


def distance(model, target):
    everybody = np.arange(60)
    gap = model.scores(everybody) - target.scores(everybody)
    return np.linalg.norm(gap) / np.linalg.norm(target.scores(everybody))


def settled_without(request, model, train):
    """Plain sweeps over what is retained until nothing moves."""
    rows = incidence(train.without(request.forget_set), dtype=np.float32).T.tocsr()
    for _ in range(100):
        model = model.swept(rows)
    return model


@pytest.mark.parametrize("way", [forget, sweep], ids=["newton", "sweeps"])
def test_it_comes_to_the_fixed_point_of_the_others(way, converged, fixed_point, train):
    found = way(converged, train, sweeps=60, tolerance=1e-5)
    assert distance(found.recommender, fixed_point) < 1e-4 < 0.01 < distance(converged, fixed_point)


def test_newton_steps_end_nearer_than_they_report(converged, train):
    """A user, a few, many, and single items of users who stay."""
    of = [ForgetRequest.of_accounts(train, np.arange(most)) for most in (1, 3, 12)]
    pairs = ForgetRequest.of_pairs(train.where(np.arange(len(train)) % 50 == 7))
    for request in (*of, pairs):
        found, target = forget(converged, train, request), settled_without(request, converged, train)
        assert distance(found.recommender, target) < found.distance < 1e-4 < distance(converged, target)


def test_newton_steps_end_where_rounding_begins_if_told_to_go_further(converged, fixed_point, train):
    found = forget(converged, train, tolerance=1e-12)
    assert distance(found.recommender, fixed_point) < 1e-5 and found.distance < 1e-5


def test_newton_steps_leave_no_row_to_the_forgotten_and_one_to_those_who_stay(converged, train):
    users = forget(converged, train).recommender.user_table
    assert not users[LEAVERS].any() and not users[60:].any()
    pairs = ForgetRequest.of_pairs(train.of_users([5]).where(slice(0, 4)))
    assert forget(converged, train, pairs).recommender.user_table[5].any()


def test_a_second_deletion_goes_on_from_the_first(converged, fixed_point, train):
    first, second = (ForgetRequest.of_accounts(train, LEAVERS[[place]]) for place in (0, 1))
    once = forget(converged, train, first).recommender
    left = train.without(first.forget_set)
    assert is_settled(once, left)
    twice = forget(once, left, second)
    assert distance(twice.recommender, fixed_point) < twice.distance < 1e-4


def test_only_a_model_at_its_fixed_point_is_settled(converged, train):
    assert is_settled(converged, train)
    assert not is_settled(converged, train.without_users(LEAVERS))
    assert not is_settled(Als(AlsOptions(dim=4, epochs=5, regularization=5.0)).fit(train), train)
    without = converged.with_tables(converged.user_table, converged.item_table)
    without.options = replace(converged.options, regularization=0.0)
    assert not is_settled(without, train)  # any turn and stretch of the tables is a fixed point


def test_inverses_that_would_fill_the_memory_are_not_made(converged, train, monkeypatch):
    size = (len(converged.user_table) + len(converged.item_table)) * 4 * 4 * 4
    monkeypatch.setattr(untrain_als, "LARGEST", size)
    assert is_settled(converged, train)
    monkeypatch.setattr(untrain_als, "LARGEST", size - 1)
    assert not is_settled(converged, train)


def test_a_model_that_was_stopped_early_is_swept_as_without_newton_steps(train):
    model = Als(AlsOptions(dim=4, epochs=3, regularization=5.0)).fit(train)
    found, expected = (way(model, train, sweeps=4) for way in (forget, sweep))
    np.testing.assert_array_equal(found.recommender.item_table, expected.recommender.item_table)
    assert found.distance == expected.distance


def test_sweeps_take_over_where_newton_steps_come_to_no_end(converged, train):
    """One step cannot be known to be the last unless it is short."""
    found, expected = forget(converged, train, newton_steps=1, sweeps=4), sweep(converged, train, sweeps=4)
    np.testing.assert_array_equal(found.recommender.item_table, expected.recommender.item_table)


def test_the_distance_that_sweeps_report_is_about_the_distance(converged, fixed_point, train):
    """Within an order of magnitude: it is an estimate from the last steps."""
    found = sweep(converged, train, sweeps=6, tolerance=0.0)
    assert 0.1 < found.distance / distance(found.recommender, fixed_point) < 10


def test_sweeps_stop_where_they_are_told_to(converged, train):
    assert sweep(converged, train, sweeps=60, tolerance=1e-3).distance < 1e-3
    assert sweep(converged, train, sweeps=2, tolerance=1e-9).distance > 1e-3
    assert sweep(converged, train, sweeps=1).distance == float("inf")


def test_extrapolation_is_quicker_than_plain_sweeps(converged, fixed_point, train):
    rows = incidence(train.without_users(LEAVERS), dtype=np.float32).T.tocsr()
    plain = converged
    for _ in range(6):
        plain = plain.swept(rows)
    found = sweep(converged, train, sweeps=6, tolerance=0.0).recommender
    assert distance(found, fixed_point) < distance(plain, fixed_point)


def test_a_path_of_a_linear_iteration_ends_after_as_many_steps_as_it_has_directions():
    """x <- A x + b in two dimensions: exact after three images."""
    matrix, shift = np.array([[0.9, 0.1], [0.0, 0.5]]), np.array([1.0, 2.0])
    target = np.linalg.solve(np.eye(2) - matrix, shift)
    path, point = SweepPath(5), np.zeros((1, 2), np.float32)
    for _ in range(3):
        point = path.extrapolated(point, (point @ matrix.T + shift).astype(np.float32))
    np.testing.assert_allclose(point[0], target, rtol=1e-3)


def test_the_distance_of_scores_is_that_of_the_products(converged, fixed_point):
    everybody = np.arange(len(converged.user_table))
    ours, theirs = (model.scores(everybody) for model in (converged, fixed_point))
    expected = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    assert score_distance(converged, fixed_point) == pytest.approx(expected, rel=1e-4)


def test_what_remains_of_a_geometric_series():
    assert remaining([0.8, 0.4, 0.2]) == pytest.approx(0.2 / 0.5)
    assert remaining([0.5]) == float("inf")
    assert remaining([9.0, 0.4, 0.2]) == pytest.approx(0.2 / 0.5)  # the first step does not count
    assert remaining([0.5, 0.6]) == pytest.approx(0.6 / 0.05)  # it grows: no end is foreseen
    assert remaining([0.0, 0.0]) == 0.0
