"""Readiness without a measurement: only tables and counts, and a deletion still adds up."""

import numpy as np
import torch

from recsys_unlearn.readiness.assumed import assumed
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent


def test_every_interaction_presses_once(trained, train):
    sums = assumed(trained, train).sums
    torch.testing.assert_close(sums.pressure, torch.from_numpy(train.item_counts).double())
    assert not sums.gradient.any() and not sums.following.any() and not sums.positive.any()
    users = torch.from_numpy(trained.user_table).double()
    expected = sum(n * torch.outer(u, u) for n, u in zip(train.user_counts, users, strict=True))
    torch.testing.assert_close(sums.moment, expected)


def test_forgetting_almost_everybody_leaves_numbers(trained, train):
    """A deletion takes measured sums out of assumed ones: what is left must not turn negative."""
    request = ForgetRequest.of_accounts(train, np.arange(55))
    result = NaturalAscent().forget(trained, train, request, assumed(trained, train))
    assert np.isfinite(result.recommender.item_table).all()
