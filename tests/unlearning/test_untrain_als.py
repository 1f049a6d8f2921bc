"""Untraining against the fixed point that plain sweeps reach in the end."""

import numpy as np
import pytest

from recsys_unlearn.recommenders.implicit_engines import Als
from recsys_unlearn.recommenders.implicit_options import AlsOptions
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.untrain_als import SweepPath, UntrainAls, remaining, score_distance

LEAVERS = np.array([3, 8])


@pytest.fixture(scope="module")
def converged(train):
    return Als(AlsOptions(dim=4, epochs=300, regularization=5.0)).fit(train)


@pytest.fixture(scope="module")
def fixed_point(converged, train):
    """Plain sweeps over the retained data until nothing moves."""
    model, rows = converged, incidence(train.without_users(LEAVERS), dtype=np.float32).T.tocsr()
    for _ in range(400):
        model = model.swept(rows)
    return model


def forget(model, train, **parameters):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    return UntrainAls(**parameters).forget(model, train, request)


def distance(model, target):
    everybody = np.arange(60)
    gap = model.scores(everybody) - target.scores(everybody)
    return np.linalg.norm(gap) / np.linalg.norm(target.scores(everybody))


def test_it_comes_to_the_fixed_point_of_the_others(converged, fixed_point, train):
    found = forget(converged, train, sweeps=60, tolerance=1e-5)
    assert distance(found.recommender, fixed_point) < 1e-4 < 0.01 < distance(converged, fixed_point)


def test_the_distance_that_it_reports_is_about_the_distance(converged, fixed_point, train):
    """Within an order of magnitude: it is an estimate from the last steps."""
    found = forget(converged, train, sweeps=6, tolerance=0.0)
    assert 0.1 < found.distance / distance(found.recommender, fixed_point) < 10


def test_it_stops_where_it_is_told_to(converged, train):
    assert forget(converged, train, sweeps=60, tolerance=1e-3).distance < 1e-3
    assert forget(converged, train, sweeps=2, tolerance=1e-9).distance > 1e-3
    assert forget(converged, train, sweeps=1).distance == float("inf")


def test_extrapolation_is_quicker_than_plain_sweeps(converged, fixed_point, train):
    rows = incidence(train.without_users(LEAVERS), dtype=np.float32).T.tocsr()
    plain = converged
    for _ in range(6):
        plain = plain.swept(rows)
    found = forget(converged, train, sweeps=6, tolerance=0.0).recommender
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
