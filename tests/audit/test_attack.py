"""Attack figures by hand, and at chance where there is nothing to find."""

import math

import numpy as np
import pytest

from recsys_unlearn.audit.attack import AttackFigures, roc, tpr_at
from recsys_unlearn.audit.membership import membership_auc


def test_roc_by_hand():
    """Thresholds 3, 2, 1, 0; the 2 of a member and the 2 of a stranger are passed together."""
    false, true = roc(np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(false, [0, 0, 1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(true, [0, 1 / 3, 2 / 3, 1, 1])


def test_the_area_under_the_curve_is_the_auc():
    draw = np.random.default_rng(0)
    members, strangers = draw.integers(0, 9, 40).astype(float), draw.integers(0, 8, 60).astype(float)
    false, true = roc(members, strangers)
    assert np.trapezoid(true, false) == pytest.approx(membership_auc(members, strangers), abs=1e-12)


def test_tpr_never_uses_more_false_alarms_than_allowed():
    members, strangers = np.arange(50, 150), np.arange(100)
    curve = roc(members, strangers)
    assert tpr_at(curve, 0.01) == np.mean(members >= 99)
    assert tpr_at(curve, 0.0) == np.mean(members > 99)
    assert tpr_at(curve, 1.0) == 1


def test_an_attacker_who_is_sure_of_a_few_is_seen_at_low_rates_alone():
    """Five of a hundred members stand out, the rest are strangers' twins: AUC hardly moves."""
    strangers = np.arange(1000.0)
    members = np.concatenate([np.full(5, 5000.0), np.linspace(0.25, 998.75, 95)])
    found = AttackFigures.of(members, strangers)
    assert found.auc == pytest.approx(0.525, abs=0.002)
    assert found.tpr_at_01_percent == pytest.approx(0.05, abs=0.011)
    assert found.tpr_at_1_percent == pytest.approx(0.06, abs=0.011)


def test_nothing_to_find_is_chance():
    values = np.random.default_rng(1).normal(size=(2, 4000))
    found = AttackFigures.of(*values)
    assert found.auc == pytest.approx(0.5, abs=0.026)  # four standard errors
    assert found.tpr_at_1_percent == pytest.approx(0.01, abs=0.009)
    assert found.balanced_accuracy < 0.53


def test_perfect_separation():
    found = AttackFigures.of(np.array([3.0, 4]), np.array([1.0, 2]))
    assert found.as_dict() == {
        "auc": 1.0,
        "tpr_at_1_percent": 1.0,
        "tpr_at_01_percent": 1.0,
        "balanced_accuracy": 1.0,
    }


def test_balanced_accuracy_by_hand():
    """Best threshold between 1 and 2: two of three members, none of two strangers."""
    assert AttackFigures.of(np.array([0.0, 2, 3]), np.array([0.0, 1])).balanced_accuracy == pytest.approx(
        5 / 6
    )


@pytest.mark.parametrize("sides", [(np.zeros(0), np.ones(3)), (np.ones(3), np.zeros(0))])
def test_a_side_without_users_has_no_figures(sides):
    assert all(math.isnan(value) for value in AttackFigures.of(*sides).as_dict().values())
