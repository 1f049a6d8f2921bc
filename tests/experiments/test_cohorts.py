"""Every kind of cohort picks whom it says, and leaves out whom nothing can be said of."""

import numpy as np
import pytest

from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.errors import UsageError
from recsys_unlearn.experiments.cohorts import COHORTS, draw_cohort
from recsys_unlearn.interactions.contract import Interactions


@pytest.fixture(scope="module")
def uneven(train):
    """User u keeps 1 + u % 9 of their items."""
    rank = np.arange(len(train)) - train.offsets[train.users]
    return train.where(rank <= train.users % 9)


@pytest.mark.parametrize("kind", COHORTS)
def test_every_kind_draws_the_share_once_and_again(kind, train, spherical):
    drawn = draw_cohort(kind, train, spherical, 0.2, seed=1)
    assert len(drawn) == 12 and (np.diff(drawn) > 0).all()
    assert (drawn == draw_cohort(kind, train, spherical, 0.2, seed=1)).all()
    assert set(drawn) <= set(train.active_users)


def test_core_are_the_most_active_and_edge_the_least(uneven, spherical):
    core, edge = (uneven.user_counts[draw_cohort(k, uneven, spherical, 0.1, 1)] for k in ("core", "edge"))
    assert core.min() == 9
    assert edge.max() == 5  # the fewest of whom something can be said


def test_users_with_one_item_are_never_drawn(uneven, spherical):
    assert uneven.user_counts[draw_cohort("random", uneven, spherical, 1.0, 1)].min() >= 2


def test_memorised_are_those_whom_the_original_predicts_best(train, spherical):
    drawn = draw_cohort("memorised", train, spherical, 0.2, seed=0)
    level = fold_in_statistic(spherical, train)
    chosen = np.isin(level.users, drawn)
    assert level.log_likelihood[chosen].min() >= level.log_likelihood[~chosen].max()


def test_clustered_are_the_nearest_to_one_of_them(train, spherical):
    drawn = draw_cohort("clustered", train, spherical, 0.15, seed=0)
    table = spherical.user_table[:60] / np.linalg.norm(spherical.user_table[:60], axis=1, keepdims=True)
    others = np.setdiff1d(np.arange(60), drawn)
    inside, outside = table[drawn] @ table[drawn].T, table[drawn] @ table[others].T
    assert any(near.min() >= far.max() for near, far in zip(inside, outside, strict=True))


def test_another_seed_draws_others(train, spherical):
    one, two = (draw_cohort("random", train, spherical, 0.2, seed) for seed in (0, 1))
    assert set(one) != set(two)


def test_an_unknown_kind_is_refused(spherical):
    with pytest.raises(UsageError, match="no cohort 'best'; there are random, core"):
        draw_cohort("best", Interactions.from_pairs([0], [0], 1, 1), spherical, 0.1, 0)
