"""The attacker's figures against counting, and against cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn.audit.membership import (
    Estimate,
    auc_estimate,
    gap_estimate,
    mean_estimate,
    membership_auc,
    percentiles,
    two_sided,
)

VALUES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.5000001, 2.0, 3.0]), min_size=1, max_size=12)
NONE = np.zeros(0)


def slow_auc(members, strangers):
    """Count every pair of a member and a stranger."""
    wins = sum((m > s) + (m == s) / 2 for m in members for s in strangers)
    return wins / (len(members) * len(strangers))


@settings(deadline=None, max_examples=200)
@given(VALUES, VALUES)
def test_auc_is_the_share_of_pairs_that_the_member_wins(members, strangers):
    got = membership_auc(np.array(members), np.array(strangers))
    assert got == pytest.approx(slow_auc(members, strangers), abs=1e-12)
    assert membership_auc(np.array(strangers), np.array(members)) == pytest.approx(1 - got, abs=1e-12)


@pytest.mark.parametrize(
    ("members", "strangers", "expected"),
    [
        ([3, 4], [1, 2], 1.0),
        ([1, 2], [3, 4], 0.0),
        ([1, 1], [1, 1, 1], 0.5),
        ([2], [1, 2, 3, 4], 0.375),  # one below, one tie, two above
        ([1, 3], [2], 0.5),
        ([5, 5, 0], [5, 1], (0.5 + 1 + 0.5 + 1 + 0 + 0) / 6),
    ],
)
def test_auc_by_hand(members, strangers, expected):
    assert membership_auc(np.array(members, float), np.array(strangers, float)) == pytest.approx(expected)


@settings(deadline=None, max_examples=50)
@given(VALUES, VALUES)
def test_auc_sees_the_order_alone(members, strangers):
    """No attacker gains by a monotone transform of the statistic."""
    raw = membership_auc(np.array(members), np.array(strangers))
    assert membership_auc(np.arctan(members), np.arctan(strangers)) == raw


@pytest.mark.parametrize(("members", "strangers"), [(NONE, np.ones(3)), (np.ones(3), NONE), (NONE, NONE)])
def test_a_side_without_users_has_no_figure(members, strangers):
    assert math.isnan(membership_auc(members, strangers))
    for figure in (auc_estimate, gap_estimate):
        estimate = figure(members, strangers, np.random.default_rng(0))
        assert all(math.isnan(value) for value in (estimate.value, estimate.low, estimate.high))


@pytest.fixture
def sides():
    draw = np.random.default_rng(4)
    return draw.normal(0.4, 1, 60), draw.normal(0, 1, 80)


@pytest.mark.parametrize("figure", [auc_estimate, gap_estimate])
class TestEstimates:
    def test_the_interval_holds_the_value(self, figure, sides):
        estimate = figure(*sides, np.random.default_rng(0))
        assert estimate.low < estimate.value < estimate.high

    def test_a_generator_fixes_the_interval(self, figure, sides):
        one, two, three = (figure(*sides, np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert one == two
        assert one.value == three.value
        assert one.low != three.low

    def test_four_times_the_users_halve_the_interval(self, figure):
        draw = np.random.default_rng(0)
        widths = []
        for n in (50, 200):
            members, strangers = draw.normal(0.4, 1, n), draw.normal(0, 1, n)
            estimate = figure(members, strangers, np.random.default_rng(0))
            widths.append(estimate.high - estimate.low)
        assert widths[1] == pytest.approx(widths[0] / 2, rel=0.25)

    def test_the_interval_covers_the_truth_as_often_as_it_says(self, figure, monkeypatch):
        """95 % nominal; of 120 draws with 40 users a side at least 105 (binomial, 99.9 %) cover it."""
        monkeypatch.setattr("recsys_unlearn.audit.membership.RESAMPLES", 200)
        truth = {auc_estimate: 0.5, gap_estimate: 0.0}[figure]
        draw, covered = np.random.default_rng(0), 0
        for seed in range(120):
            estimate = figure(draw.normal(size=40), draw.normal(size=40), np.random.default_rng(seed))
            covered += estimate.low <= truth <= estimate.high
        assert covered >= 105

    def test_both_sides_are_resampled(self, figure):
        """With one side constant, the other side's spread remains, whichever it is."""
        spread, constant = np.arange(30.0), np.full(30, 14.0)
        for sides in ((spread, constant), (constant, spread)):
            estimate = figure(*sides, np.random.default_rng(0))
            assert estimate.low < estimate.high


def test_the_gap_is_the_difference_of_means():
    estimate = gap_estimate(np.array([1.0, 2.0]), np.array([0.0, 0.0, 3.0]), np.random.default_rng(0))
    assert estimate.value == pytest.approx(0.5)


def test_perfect_separation_has_an_interval_of_one_point():
    assert auc_estimate(np.array([2.0, 3]), np.array([0.0, 1]), np.random.default_rng(0)) == Estimate(
        1.0, 1.0, 1.0
    )


def test_the_statistics_are_not_reordered(sides):
    before = [side.copy() for side in sides]
    auc_estimate(*sides, np.random.default_rng(0))
    percentiles(*sides)
    assert all(np.array_equal(one, two) for one, two in zip(sides, before, strict=True))


@settings(deadline=None, max_examples=100)
@given(VALUES, VALUES)
def test_percentiles_lie_inside_zero_and_one_and_keep_the_order(members, strangers):
    places = percentiles(np.array(members), np.array(strangers))
    assert np.all((places > 0) & (places < 1))
    order = np.argsort(members, kind="stable")
    assert np.all(np.diff(places[order]) >= 0)


def test_percentiles_by_hand():
    """(strangers below + half the ties + 1/2) / (strangers + 1)."""
    places = percentiles(np.array([9.0, 2.0, 0.0]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(places, [3.5 / 4, 2 / 4, 0.5 / 4])


def test_a_stranger_is_in_the_middle_on_average():
    values = np.random.default_rng(0).normal(size=101)
    assert percentiles(values, values).mean() == pytest.approx(0.5)


def test_without_strangers_everybody_is_in_the_middle():
    assert percentiles(np.array([3.0]), NONE).tolist() == [0.5]


def test_both_ends_are_far_out():
    np.testing.assert_allclose(two_sided(np.array([0.01, 0.99, 0.5, 0.25])), [0.02, 0.02, 1, 0.5])


def test_a_strangers_two_sided_place_is_uniform():
    values = np.random.default_rng(0).normal(size=999)
    places = np.sort(two_sided(percentiles(values, values)))
    np.testing.assert_allclose(places, np.linspace(0, 1, 999), atol=0.003)


def test_a_mean_has_the_interval_of_its_standard_error():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = mean_estimate(values, np.random.default_rng(1))
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert math.isnan(mean_estimate(NONE, np.random.default_rng(1)).low)
