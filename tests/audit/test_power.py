import numpy as np
import pytest

from recsys_unlearn.audit.power import Rate, draws, left_out, resplit, ring

USERS = np.arange(100, 300)


@pytest.fixture
def groups():
    return ring(USERS, 0.05)


def test_the_groups_are_everybody_once(groups):
    assert [len(group) for group in groups] == [10] * 20
    assert np.array_equal(np.sort(np.concatenate(groups)), USERS)
    assert not np.array_equal(np.concatenate(groups), USERS)


def test_the_seed_decides_and_a_user_more_moves_nobody_far(groups):
    assert [g.tolist() for g in ring(USERS, 0.05)] == [g.tolist() for g in groups]
    assert [g.tolist() for g in ring(USERS, 0.05, seed=1)] != [g.tolist() for g in groups]


def test_every_draw_has_a_model_that_saw_the_cohort_and_one_that_did_not(groups):
    found = draws(groups)
    assert len(found) == 20
    for draw in found:
        assert not np.isin(draw.strangers, draw.forgotten).any()
        unseen_by_original, unseen_by_retrained = (
            left_out(groups, draw.original),
            left_out(groups, draw.retrained),
        )
        assert not np.isin(draw.forgotten, unseen_by_original).any()
        assert np.isin(draw.forgotten, unseen_by_retrained).all()
        for unseen in (unseen_by_original, unseen_by_retrained):
            assert np.isin(draw.strangers, unseen).all()


def test_cohorts_are_disjoint(groups):
    assert len(np.unique(np.concatenate([draw.forgotten for draw in draws(groups)]))) == len(USERS)


def test_a_part_of_the_ring_gives_the_draws_that_it_can(groups):
    assert [(draw.retrained, draw.original) for draw in draws(groups, [3, 4, 5, 9])] == [(3, 4), (4, 5)]
    assert [(draw.retrained, draw.original) for draw in draws(groups, [19, 0])] == [(19, 0)]
    assert draws(groups, []) == []


def test_resplits_are_halves_of_the_same_users(groups):
    unseen = left_out(groups, 3)
    first, second = resplit(unseen, 0)
    assert np.array_equal(np.union1d(first, second), np.sort(unseen))
    assert len(first) == len(second) == 10
    assert not np.array_equal(resplit(unseen, 1)[0], first)
    assert np.array_equal(resplit(unseen[::-1], 0)[0], first)


@pytest.mark.parametrize(
    ("flagged", "repetitions", "low", "high"),
    [(20, 20, 0.8316, 1.0), (0, 20, 0.0, 0.1684), (1, 20, 0.0013, 0.2487), (10, 20, 0.2720, 0.7280)],
)
def test_the_interval_is_clopper_and_pearsons(flagged, repetitions, low, high):
    """Values of their 1934 tables, to four places."""
    rate = Rate(flagged, repetitions)
    assert rate.interval == pytest.approx((low, high), abs=5e-5)
    assert rate.value == flagged / repetitions


def test_flags_are_counted():
    assert Rate.of([True, False, True]) == Rate(2, 3)
    assert np.isnan(Rate.of([]).value)
    assert Rate.of([]).interval == (0, 1)
