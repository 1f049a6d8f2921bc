"""Planted scores have a known answer; reference models are trained on whom they say."""

import numpy as np
import pytest
from scipy.stats import norm

from recsys_unlearn.audit.attack import AttackFigures
from recsys_unlearn.audit.cross_fit import cross_fit
from recsys_unlearn.audit.likelihood_ratio import (
    FEWEST_FOR_OWN_SPREAD,
    References,
    lira,
    lira_offline,
    memberships,
    rmia,
    train_references,
)

USERS = np.arange(400)


def planted(shift, count=FEWEST_FOR_OWN_SPREAD, seed=0):
    """References in which a member scores ``shift`` higher, users' own level has spread 10.

    Returns the references and what a model trained on the first half of the users would show.
    """
    draw = np.random.default_rng(seed)
    level = 10 * draw.normal(size=len(USERS))
    inside = memberships(USERS, count, seed)
    scores = level + shift * inside + draw.normal(size=inside.shape)
    observed = level + shift * (len(USERS) // 2 > USERS) + draw.normal(size=len(USERS))
    return References(USERS, inside, scores), observed


def figures(scores):
    return AttackFigures.of(scores[:200], scores[200:])


def test_everybody_is_in_half_of_the_references():
    inside = memberships(USERS, 32, 0)
    assert np.all(inside.sum(axis=0) == 16)
    assert inside.sum(axis=1).min() > 120 and inside.sum(axis=1).max() < 280
    assert not np.array_equal(inside, memberships(USERS, 32, 1))


def test_a_users_draw_depends_on_nobody_else():
    whole, few = memberships(USERS, 8, 3), memberships(np.array([5, 399]), 8, 3)
    assert np.array_equal(few, whole[:, [5, 399]])


@pytest.mark.parametrize("attack", [lira, lira_offline])
def test_a_planted_shift_is_found_that_no_threshold_on_the_score_sees(attack):
    """Shift 3 of spread 1, level's spread 10: on the raw score the AUC is Φ(3 / √2 / 10) = .58."""
    references, observed = planted(3.0)
    assert figures(observed).auc < 0.66
    found = figures(attack(observed, references))
    assert found.auc > 0.96  # Φ(3 / √2) = .983
    assert found.tpr_at_1_percent > 0.5


def test_rmia_finds_it_too():
    """Ratios average over in and out: the member's edge over its own average is the same for all."""
    references, observed = planted(3.0)
    population = USERS >= 200
    assert figures(rmia(observed, references, population)).auc > 0.93


@pytest.mark.parametrize("attack", [lira, lira_offline, lambda o, r: rmia(o, r, USERS >= 200)])
def test_nothing_planted_is_chance(attack):
    assert figures(attack(*reversed(planted(0.0)))).auc == pytest.approx(0.5, abs=0.12)


def test_over_forgetting_is_below_chance():
    references, observed = planted(3.0)
    gone = observed - 6.0 * (USERS < 200)
    assert figures(lira(gone, references)).auc < 0.1
    assert figures(lira_offline(gone, references)).auc < 0.1


def test_lira_by_hand():
    """Two references a side: means 2 and 0, pooled variance ½ (values ±½ around each mean)."""
    inside = np.array([[True], [True], [False], [False]])
    references = References(np.array([0]), inside, np.array([[1.5], [2.5], [-0.5], [0.5]]))
    spread = np.sqrt(0.5)
    expected = norm.logpdf(1.8, 2, spread) - norm.logpdf(1.8, 0, spread)
    assert lira(np.array([1.8]), references) == pytest.approx([expected])
    assert lira_offline(np.array([1.8]), references) == pytest.approx([norm.logcdf(1.8, 0, spread)])


def test_few_references_share_one_spread_and_many_do_not():
    draw = np.random.default_rng(0)
    for count, shared in ((FEWEST_FOR_OWN_SPREAD - 2, True), (FEWEST_FOR_OWN_SPREAD, False)):
        inside = memberships(USERS, count, 0)
        scores = draw.normal(size=inside.shape) * np.where(USERS < 200, 1, 5)
        _, spread = References(USERS, inside, scores).mean_and_spread(False)
        assert (len(np.unique(spread)) == 1) is shared
        if not shared:
            assert spread[200:].mean() == pytest.approx(5 * spread[:200].mean(), rel=0.2)


def test_means_are_over_the_right_references():
    inside = memberships(USERS, 4, 0)
    references = References(USERS, inside, inside * 7.0)
    assert references.mean_and_spread(True)[0].tolist() == [7.0] * 400
    assert references.mean_and_spread(False)[0].tolist() == [0.0] * 400
    assert np.all(references.mean_and_spread(True)[1] > 0)


def test_rmia_by_hand():
    """Ratios are -2, 0 and 1 against averages of 0; strangers are the first two; γ = e^½ asks for more."""
    references = References(np.arange(3), np.array([[True] * 3, [False] * 3]), np.zeros((2, 3)))
    observed, population = np.array([-2.0, 0.0, 1.0]), np.array([True, True, False])
    assert rmia(observed, references, population).tolist() == [0.0, 1.0, 1.0]
    strict = rmia(np.array([-2.0, 0.0, 0.4]), references, population, gamma=np.exp(0.5))
    assert strict[2] == 0.5


def test_training_leaves_out_whom_it_says_and_scores_every_target(spherical, train, strangers):
    retained, targets = (
        train.without_users([0, 1]),
        train.of_users([0, 1]).union(strangers.of_users([60, 61])),
    )
    steps = []
    references = train_references(
        spherical, retained, targets, 4, 7, progress=lambda *told: steps.append(told)
    )
    assert references.users.tolist() == [0, 1, 60, 61]
    assert references.inside.sum(axis=0).tolist() == [2, 2, 2, 2]
    assert steps == [("training references", done, 4) for done in (1, 2, 3, 4)]
    present = references.users[references.inside[2]]
    again = spherical.retrain(retained.union(targets.of_users(present)))
    assert references.scores[2].tolist() == cross_fit(again, targets, 7).log_likelihood.tolist()
