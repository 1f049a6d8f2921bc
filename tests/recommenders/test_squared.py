"""The squared loss against automatic differentiation and the normal equations, in float64."""

import numpy as np
import pytest
import torch

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.implicit_engines import Als
from recsys_unlearn.recommenders.implicit_options import AlsOptions
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.squared import SquaredGeometry

ALPHA, MU = 4.0, 0.7
GEOMETRY = SquaredGeometry(ALPHA, MU)


@pytest.fixture(scope="module")
def als(train):
    return Als(AlsOptions(dim=5, confidence=ALPHA, regularization=MU, epochs=3)).fit(train)


def item_loss(items, users, matrix):
    """Σ c (p - s)² + μ Σ ‖y‖² as it reads; users' own penalty left out."""
    weight = 1 + (ALPHA - 1) * matrix
    return (weight * (matrix - users @ items.T).square()).sum() + MU * items.square().sum()


def test_slope_and_curvature_are_autograd_s(als, train):
    """At every item: the gradient, and the whole Hessian of one item with its positives' part."""
    readiness = NaturalReadiness.measure(als, train)
    users, matrix = torch.from_numpy(als.user_table).double(), torch.from_numpy(incidence(train).toarray())
    items = torch.from_numpy(als.item_table).double().requires_grad_()
    expected = torch.autograd.grad(item_loss(items, users, matrix), items)[0]
    torch.testing.assert_close(readiness.sums.gradient.double(), expected, rtol=1e-4, atol=1e-3)
    item = 6
    hessian = torch.autograd.functional.hessian(
        lambda row: item_loss(row[None], users, matrix[:, item : item + 1]), items[item].detach()
    )
    owners = users[matrix[:, item] > 0]
    ours = readiness.sums.pressure[item] * readiness.covariance
    ours = ours + 2 * (ALPHA - 1) * owners.T @ owners + readiness.sums.radial[item] * torch.eye(5)
    torch.testing.assert_close(ours, hessian, rtol=1e-4, atol=1e-3)
    assert readiness.sums.positive[item].item() == pytest.approx(2 * (ALPHA - 1) * len(owners))


def test_a_folded_in_user_is_at_the_minimum(als, strangers):
    users = strangers.active_users
    fitted = torch.from_numpy(fold_in(als.item_table, strangers, users, GEOMETRY)).double().requires_grad_()
    items = torch.from_numpy(als.item_table).double()
    matrix = torch.from_numpy(incidence(strangers, users).toarray())
    loss = item_loss(items, fitted, matrix) + MU * fitted.square().sum()
    slope = torch.autograd.grad(loss, fitted)[0]
    assert slope.abs().max() < 1e-3


def test_a_user_without_items_is_zeros(als, train):
    assert not fold_in(als.item_table, train, np.array([65]), GEOMETRY).any()


def test_terms_are_those_of_squared_errors():
    scores = torch.tensor([[0.2, 0.9]])
    now = GEOMETRY.terms(scores, scores[0], torch.zeros(2, dtype=torch.int64))
    assert now.positive_curvature.tolist() == [6.0, 6.0]
    np.testing.assert_allclose(now.log_likelihood, [-4 * 0.64, -4 * 0.01], rtol=1e-5)
    assert now.log_partition.tolist() == [0.0]
