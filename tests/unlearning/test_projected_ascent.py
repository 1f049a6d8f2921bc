"""The step is orthogonal to what retained users see of an item."""

import numpy as np
import pytest
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.projected_ascent import ProjectedAscent, free_directions

LEAVERS = np.array([3, 8, 21])


@pytest.fixture
def world(train):
    """Items 30 to 39 lose all but three users, fewer than there are dimensions."""
    few = np.isin(train.users, [5, 6, 7, *LEAVERS]) | (train.items < 30)
    return train.where(few)


@pytest.mark.parametrize("share", [0.3, 0.8, 1.0])
def test_what_is_left_is_a_projection_off_the_largest_directions(trained, train, share):
    rows = np.arange(40)
    left = free_directions(rows, trained.user_table, train, share).numpy()
    np.testing.assert_allclose(left, left @ left, atol=1e-5)
    np.testing.assert_allclose(left, left.transpose(0, 2, 1), atol=1e-6)
    for row in rows:
        vectors = trained.user_table[train.users[train.items == row]].astype(np.float64)
        values, basis = np.linalg.eigh(vectors.T @ vectors)
        carried = np.cumsum(values[::-1]) / values.sum()
        taken = np.searchsorted(carried, share - 1e-9) + 1  # as few of the largest as carry the share
        off = basis[:, ::-1][:, : min(taken, np.linalg.matrix_rank(vectors, tol=1e-2))]
        np.testing.assert_allclose(left[row], np.eye(8) - off @ off.T, atol=2e-3)


def test_an_item_that_nobody_else_has_may_go_anywhere(trained):
    nobody = Interactions.from_pairs([], [], 72, 40)
    left = free_directions(np.array([4]), trained.user_table, nobody, 1.0)
    torch.testing.assert_close(left[0], torch.eye(8))


def test_scores_of_the_retained_stay_where_lengths_are_free(free, world):
    """Of their own items, all directions projected off: x_u · v_i is what it was, and items do move."""
    request = ForgetRequest.of_accounts(world, LEAVERS)
    method = ProjectedAscent(learning_rate=0.05, passes=3, share=1.0)
    after = method.forget(free, world, request).recommender
    rest = world.without(request.forget_set)
    moved = (after.item_table != free.item_table).any(1)
    assert moved[request.forget_set.items[request.forget_set.items >= 30]].all()
    before, now = (
        (free.user_table[rest.users] * each.item_table[rest.items]).sum(1) for each in (free, after)
    )
    np.testing.assert_allclose(now, before, atol=2e-3)
    plain = GradientAscent(learning_rate=0.05, passes=3).forget(free, world, request).recommender
    elsewhere = (free.user_table[rest.users] * plain.item_table[rest.items]).sum(1)
    assert np.abs(elsewhere - before).max() > 50 * np.abs(now - before).max()


def test_it_is_plain_ascent_where_nothing_is_projected_off(trained, train):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    one = ProjectedAscent(learning_rate=0.01, passes=1, share=0.0).forget(trained, train, request)
    two = GradientAscent(learning_rate=0.01, passes=1).forget(trained, train, request).recommender
    rows = one.touched_items
    np.testing.assert_allclose(one.recommender.item_table[rows], two.item_table[rows], atol=1e-6)


def test_items_touched_as_negatives_alone_stay(trained, train):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    outcome = ProjectedAscent().forget(trained, train, request)
    theirs = np.flatnonzero(request.forget_set.item_counts)
    assert outcome.touched_items.tolist() == theirs.tolist()
    assert 0 < len(theirs) < 40
    changed = np.flatnonzero((outcome.recommender.item_table != trained.item_table).any(1))
    assert np.isin(changed, theirs).all()


def test_on_the_sphere_items_stay_on_it(spherical, train):
    after = ProjectedAscent().forget(spherical, train, ForgetRequest.of_accounts(train, LEAVERS)).recommender
    np.testing.assert_allclose(np.linalg.norm(after.item_table, axis=1), 1, rtol=1e-6)


def test_every_pass_makes_the_forgotten_less_likely(trained, train):
    request, levels = ForgetRequest.of_accounts(train, LEAVERS), []
    for passes in range(4):
        method = ProjectedAscent(learning_rate=3e-3, passes=passes, share=0.5)
        items = method.forget(trained, train, request).recommender.item_table
        levels.append(
            mean_log_likelihood(trained.with_tables(trained.user_table, items), train, LEAVERS).mean()
        )
    assert np.all(np.diff(levels) < 0)
