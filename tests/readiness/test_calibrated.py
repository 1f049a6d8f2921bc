"""Calibration against finite differences, and what it must do with evidence that is planted or absent."""

import numpy as np
import pytest
import torch

from recsys_unlearn.readiness import calibrated as module
from recsys_unlearn.readiness.calibrated import CalibrationOptions, calibrate, gauss_newton, half_of
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import calibrated_length, standardised_popularity
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

OPTIONS = CalibrationOptions(episodes=1, share=0.4, rounds=1)
F64 = torch.float64


def residual(at, trained, train, strangers, readiness):
    episode = module._episode(trained, train, readiness, OPTIONS, 0)
    at = torch.tensor(at, dtype=F64)
    return module._residual(at, episode, trained, strangers, readiness, OPTIONS)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_derivative_is_that_of_finite_differences(trained, train, strangers, axis, monkeypatch):
    """Through the fold-in: vectors are fitted anew on either side, far closer than the audit needs."""
    monkeypatch.setattr("recsys_unlearn.recommenders.fold_in.STEPS", 400)
    readiness, small = NaturalReadiness.measure(trained, train), 0.02
    _, _, slope = residual([0.1, -0.1], trained, train, strangers, readiness)
    sides = []
    for sign in (1, -1):
        at = [0.1, -0.1]
        at[axis] += sign * small
        sides.append(residual(at, trained, train, strangers, readiness)[0])
    difference = (sides[0] - sides[1]) / (2 * small)
    torch.testing.assert_close(slope[:, axis], difference, rtol=0.05, atol=0.02 * float(slope.abs().max()))


def test_strong_evidence_is_followed_and_weak_evidence_leaves_the_derived_step():
    """One residual of 0.2 that falls by 1 per unit of a: a = 0.2 where it is certain, 0 where it is noise."""
    slope = torch.tensor([[-1.0, 0.0]], dtype=F64)
    found = [
        -gauss_newton(
            torch.zeros(2, dtype=F64), torch.tensor([0.2], dtype=F64), torch.tensor([v], dtype=F64), slope
        )
        for v in (1e-8, 1e8)
    ]
    torch.testing.assert_close(found[0], torch.tensor([0.2, 0.0], dtype=F64), rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1], torch.zeros(2, dtype=F64), rtol=0, atol=1e-6)


def test_a_start_that_is_already_far_is_drawn_back_to_the_derived_step():
    at = torch.tensor([0.5, -0.5], dtype=F64)
    nothing = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64), torch.zeros(1, 2, dtype=F64)
    torch.testing.assert_close(at - gauss_newton(at, *nothing), torch.zeros(2, dtype=F64))


def test_without_strangers_nothing_is_learned(trained, train, strangers):
    readiness = NaturalReadiness.measure(trained, train)
    assert calibrate(trained, train, strangers.without_users(range(72)), readiness) is readiness


def test_what_is_learned_is_kept_and_lengthens_the_step(trained, train, strangers, tmp_path):
    readiness = NaturalReadiness.measure(trained, train)
    learned = calibrate(trained, train, strangers, readiness, OPTIONS)
    assert learned.calibration.any()
    learned.save(tmp_path)
    assert torch.equal(NaturalReadiness.load(tmp_path).calibration, learned.calibration)
    factor = calibrated_length(learned)
    length, tilt = learned.calibration
    expected = (length + tilt * standardised_popularity(learned.sums.holders)).exp().float()
    torch.testing.assert_close(factor, expected)


def test_it_survives_a_deletion(trained, train, strangers):
    learned = calibrate(trained, train, strangers, NaturalReadiness.measure(trained, train), OPTIONS)
    request = ForgetRequest.of_accounts(train, np.array([3, 9]))
    result = NaturalAscent().forget(trained, train, request, learned)
    assert torch.equal(result.readiness.calibration, learned.calibration)


def test_it_starts_from_the_derived_step_whatever_was_learned_before(trained, train, strangers):
    learned = calibrate(trained, train, strangers, NaturalReadiness.measure(trained, train), OPTIONS)
    again = calibrate(trained, train, strangers, learned, OPTIONS)
    assert torch.equal(again.calibration, learned.calibration) and learned.calibration.any()


def test_it_is_deterministic(trained, train, strangers):
    readiness = NaturalReadiness.measure(trained, train)
    one, two = (calibrate(trained, train, strangers, readiness, OPTIONS).calibration for _ in range(2))
    assert torch.equal(one, two)


def test_the_audits_strangers_are_not_those_of_the_calibration(strangers):
    ours, theirs = half_of(strangers)
    assert len(ours) and len(theirs)
    assert not np.intersect1d(ours.active_users, theirs.active_users).size
    assert len(ours) + len(theirs) == len(strangers)


def test_bands_hold_equal_numbers_of_interactions(train):
    bands = module._bands(torch.from_numpy(train.item_counts).double())
    sizes = np.bincount(bands.numpy(), weights=train.item_counts, minlength=3)
    assert sizes.min() > 0.2 * len(train)
    assert (np.diff([train.item_counts[bands.numpy() == band].mean() for band in range(3)]) > 0).all()
