"""The curvature that all items share: its basis, and its solve against dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import SMALLEST_CURVATURE, SharedCurvature, eigenbasis


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
def test_a_gain_is_so_much_further(turned, train, basis):
    readiness = NaturalReadiness.measure(turned, train)
    if basis == "principal":
        moment = readiness.sums.moment.diagonal().diag()
        readiness = replace(readiness, sums=replace(readiness.sums, moment=moment))
    sums, draw = readiness.sums, torch.Generator().manual_seed(1)
    direction, gain = torch.randn(40, 8, generator=draw), 1 + torch.rand(40, generator=draw)
    full = (sums.positive + sums.pressure)[:, None, None] * readiness.covariance
    full = full + sums.radial.clamp(min=SMALLEST_CURVATURE)[:, None, None] * torch.eye(8)
    expected = torch.linalg.solve(full, direction.double()) * gain[:, None]
    curvature, rows = SharedCurvature.of(readiness, gain), slice(10, 30)
    assert (curvature.vectors is None) == (basis == "principal")
    got = curvature.solve_(direction[rows].clone(), rows).double()
    torch.testing.assert_close(got, expected[rows], rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
