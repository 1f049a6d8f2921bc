"""Losses against their equations, written out in float64, and their gradients against differences."""

import math

import numpy as np
import pytest
import torch
from plain import differences

from recsys_unlearn import losses

F64 = torch.float64
DRAW = np.random.default_rng(3)
POSITIVE = torch.from_numpy(DRAW.normal(size=4))
NEGATIVE = torch.from_numpy(2 * DRAW.normal(size=(4, 6)))
LOG_EXPECTED = torch.from_numpy(np.log(DRAW.uniform(0.1, 3, 6)))
TARGET = torch.tensor([0, 5, 2, 2])


def bpr_by_hand(positive, negative):
    return [
        np.mean([-math.log(1 / (1 + math.exp(-(s - t)))) for t in row])
        for s, row in zip(positive, negative, strict=True)
    ]


def softmax_by_hand(positive, negative, divide_by):
    return [
        -s + math.log(math.exp(s) + sum(math.exp(t) / q for t, q in zip(row, divide_by, strict=True)))
        for s, row in zip(positive, negative, strict=True)
    ]


def test_bpr_is_its_equation():
    expected = bpr_by_hand(POSITIVE.tolist(), NEGATIVE.tolist())
    np.testing.assert_allclose(losses.bpr(POSITIVE, NEGATIVE), expected, rtol=1e-12)


def test_sampled_softmax_is_its_equation():
    expected = softmax_by_hand(POSITIVE.tolist(), NEGATIVE.tolist(), [1] * 6)
    np.testing.assert_allclose(losses.sampled_softmax(POSITIVE, NEGATIVE), expected, rtol=1e-12)


def test_sampled_softmax_divides_each_negative_by_how_often_it_is_expected():
    expected = softmax_by_hand(POSITIVE.tolist(), NEGATIVE.tolist(), LOG_EXPECTED.exp().tolist())
    got = losses.sampled_softmax(POSITIVE, NEGATIVE, LOG_EXPECTED)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_full_softmax_is_its_equation():
    scores, target = NEGATIVE.tolist(), TARGET.tolist()
    expected = [-row[i] + math.log(sum(map(math.exp, row))) for row, i in zip(scores, target, strict=True)]
    np.testing.assert_allclose(losses.full_softmax(NEGATIVE, TARGET), expected, rtol=1e-12)


def test_corrected_samples_estimate_the_partition_function_of_the_whole_catalogue():
    """E[Σ_j e^{s_j} / (N q_j)] = Σ_j e^{s_j}; 400,000 draws have a standard error near 0.1 %."""
    scores, mass = torch.linspace(-1, 1, 7, dtype=F64), torch.arange(1.0, 8).double()
    probability = mass / mass.sum()
    drawn = torch.from_numpy(np.random.default_rng(0).choice(7, 400_000, p=probability.numpy()))
    log_expected = (len(drawn) * probability[drawn]).log()
    loss = losses.sampled_softmax(torch.zeros(1, dtype=F64), scores[drawn][None], log_expected)
    assert loss.item() == pytest.approx(math.log(1 + scores.exp().sum().item()), abs=5e-3)


@pytest.mark.parametrize(
    "loss",
    [
        lambda s: losses.bpr(s[:, 0], s[:, 1:]),
        lambda s: losses.sampled_softmax(s[:, 0], s[:, 1:]),
        lambda s: losses.sampled_softmax(s[:, 0], s[:, 1:], LOG_EXPECTED),
        lambda s: losses.full_softmax(s, TARGET),
    ],
    ids=["bpr", "sampled", "popularity", "full"],
)
def test_gradients_are_the_slopes(loss):
    scores = torch.cat([POSITIVE[:, None], NEGATIVE], 1).requires_grad_()
    slopes = differences(lambda s: loss(s).sum(), scores.detach())
    gradient = torch.autograd.grad(loss(scores).sum(), scores)[0]
    torch.testing.assert_close(gradient, slopes, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("loss", "size", "expected"),
    [
        (losses.bpr, 500.0, 0.0),
        (losses.bpr, -500.0, 750.0),  # the mean of 1000 and 500
        (losses.sampled_softmax, 500.0, 0.0),
        (losses.sampled_softmax, -500.0, 1000.0),
    ],
)
def test_large_scores_neither_overflow_nor_lose_the_gradient(loss, size, expected):
    positive = torch.tensor([size], requires_grad=True)
    negative = torch.tensor([[-size, 0.0]], requires_grad=True)
    value = loss(positive, negative)
    slopes = torch.autograd.grad(value.sum(), [positive, negative])
    assert value.item() == pytest.approx(expected)
    assert all(torch.isfinite(slope).all() for slope in slopes)
    assert slopes[0].item() == pytest.approx(0.0 if size > 0 else -1.0)


def test_one_value_per_positive():
    for values in (losses.bpr(POSITIVE, NEGATIVE), losses.sampled_softmax(POSITIVE, NEGATIVE)):
        assert values.shape == POSITIVE.shape
    assert losses.full_softmax(NEGATIVE, TARGET).shape == TARGET.shape
