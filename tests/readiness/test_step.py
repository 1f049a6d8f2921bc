"""The curvature that all items share: its basis, and its solve against dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import (
    FINISHED,
    MOST_SOFTENED,
    SMALLEST_CURVATURE,
    UNFINISHED,
    SharedCurvature,
    eigenbasis,
)


@pytest.fixture
def turned(trained):
    """The same scores in a basis in which C is far from diagonal."""
    basis = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))[0].astype(np.float32)
    return trained.with_tables(trained.user_table @ basis, trained.item_table @ basis)


@pytest.mark.parametrize(("correlation", "is_changed"), [(0, False), (0.02, False), (0.04, True)])
def test_a_basis_is_changed_where_dimensions_are_correlated(correlation, is_changed):
    lengths = torch.tensor([1.0, 1e-3], dtype=torch.float64)
    covariance = torch.tensor([[1, correlation], [correlation, 1]], dtype=torch.float64) * torch.outer(
        lengths, lengths
    )
    values, vectors = eigenbasis(covariance)
    np.testing.assert_allclose(values.sort().values, torch.linalg.eigvalsh(covariance), rtol=2e-3)
    assert (vectors is not None) == is_changed


@pytest.mark.parametrize("basis", ["turned", "principal"])
@pytest.mark.parametrize("followed", [True, False])
def test_a_step_is_the_dense_solve_times_the_gain(turned, train, basis, followed):
    readiness = NaturalReadiness.measure(turned, train)
    half_way = (FINISHED + UNFINISHED) / 2 * readiness.sums.users
    sums = replace(readiness.sums, unfinished=half_way)
    if basis == "principal":
        sums = replace(sums, moment=sums.moment.diagonal().diag())
    readiness = replace(readiness, sums=sums, calibration=torch.tensor([0.3, 0.0], dtype=torch.float64))
    direction = torch.randn(40, 8, generator=torch.Generator().manual_seed(1))
    full = (sums.positive + sums.pressure)[:, None, None] * readiness.covariance
    full = full + sums.radial.clamp(min=SMALLEST_CURVATURE)[:, None, None] * torch.eye(8)
    expected = torch.linalg.solve(full, direction.double())
    if followed:
        mean = torch.linalg.inv(full).diagonal(dim1=1, dim2=2).mean(1)
        softened = (sums.following * mean / 2).clamp(0, MOST_SOFTENED)
        assert softened.min() > 0 and softened.min() < MOST_SOFTENED
        expected = expected / (1 - softened)[:, None] * np.exp(0.3)
    curvature, rows = SharedCurvature.of(readiness, followed), slice(10, 30)
    assert (curvature.vectors is None) == (basis == "principal")
    got = curvature.step_(direction[rows].clone(), rows).double()
    torch.testing.assert_close(got, expected[rows], rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
