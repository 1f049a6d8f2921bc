"""IFRU: who the neighbours are, their Newton step against autograd, and the round trip."""

import numpy as np
import pytest
import torch
from plain import F64, user_loss

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.spillover import Ifru, nearest
from recsys_unlearn.unlearning.user_newton import _Slope, newton_rows

LEAVERS = np.array([3, 8, 21])


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


def loss_of(recommender, interactions, user):
    """A user's own loss as a function of their row, float64."""
    items = torch.from_numpy(recommender.item_table).to(F64)
    mine = interactions.items_of(user)

    def loss(row):
        total = user_loss(row, items, mine, recommender.geometry.negatives)
        return total + recommender.geometry.regularization * len(mine) * row.square().sum()

    return loss


def shifted(recommender, size=0.05):
    items = recommender.item_table + size * np.roll(recommender.item_table, 1, axis=0)
    if recommender.geometry.spherical:
        items = items / np.linalg.norm(items, axis=1, keepdims=True)
    return recommender.with_tables(recommender.user_table, items.astype(np.float32))


def test_neighbours_share_most_of_what_is_forgotten_rare_items_first():
    forgotten = Interactions.from_pairs([0, 0], [1, 2], 6, 4)
    rest = Interactions.from_pairs([1, 2, 2, 3, 4, 5], [1, 1, 2, 3, 1, 1], 6, 4)
    assert nearest(rest, forgotten, 1).active_users.tolist() == [2]
    assert nearest(rest, forgotten, 2).active_users.tolist() == [1, 2]  # ties by row
    assert nearest(rest, forgotten, 99).active_users.tolist() == [1, 2, 4, 5]  # 3 shares nothing
    assert len(nearest(rest, forgotten, 1)) == 2  # with all their items


def test_the_slope_of_a_row_is_autograds(trained, train):
    users = np.array([5, 17, 40])
    got = _Slope(trained, train, users).slope
    for mine, user in zip(got, users, strict=True):
        row = torch.from_numpy(trained.user_table[user]).to(F64).requires_grad_()
        expected = torch.autograd.grad(loss_of(trained, train, user)(row), row)[0]
        if trained.geometry.spherical:
            point = row.detach() / trained.geometry.user_length
            expected = expected - (expected @ point) * point
        torch.testing.assert_close(mine.double(), expected, atol=1e-4, rtol=1e-3)


def test_the_curvature_of_a_row_is_near_autograds(trained, train):
    """Negatives enter by their second moment, which bounds their variance: above, and below the double."""
    users = np.arange(20)
    got = _Slope(trained, train, users).curvature()
    for mine, user in zip(got, users, strict=True):
        row = torch.from_numpy(trained.user_table[user]).to(F64)
        expected = torch.autograd.functional.hessian(loss_of(trained, train, user), row)
        if trained.geometry.spherical:
            continue  # the Riemannian term is tested by where the step ends
        assert 1 < mine.trace().item() / expected.trace().item() < 2
        assert torch.linalg.eigvalsh(mine).min() > 0


def test_users_follow_their_items_part_of_the_way_to_where_they_were_at_rest(trained, train):
    """After the step a row's slope is nearer to what it was before the items moved."""
    after = shifted(trained)
    users = np.arange(60)
    followed = newton_rows(trained, after, train)
    assert followed.item_table.tobytes() == trained.item_table.tobytes()
    there = after.with_tables(followed.user_table, after.item_table)
    rest, left, gone = (_Slope(each, train, users).slope for each in (trained, after, there))
    off = (left - rest).norm(dim=1)
    assert ((gone - rest).norm(dim=1) < 0.8 * off).float().mean() > 0.9


def test_where_the_items_stand_still_so_do_the_users(trained, train):
    rows = newton_rows(trained, trained, train).user_table
    np.testing.assert_allclose(rows, trained.user_table, rtol=1e-5, atol=1e-6)


def test_without_neighbours_it_is_the_full_uncentred_step_on_the_items_of_the_forgotten(
    trained, train, request_
):
    outcome = Ifru(neighbours=0, step_size=1.0).forget(trained, train, request_)
    step = NaturalAscent(form="full", step_size=1.0, centred=False, followed=False)
    other = step.forget(trained, train, request_).recommender
    rows = outcome.touched_items
    assert rows.tolist() == np.flatnonzero(request_.forget_set.item_counts).tolist()
    np.testing.assert_allclose(outcome.recommender.item_table[rows], other.item_table[rows], atol=1e-4)
    assert outcome.touched_users.tolist() == LEAVERS.tolist()


def test_only_the_neighbours_rows_move(trained, train, request_):
    outcome = Ifru(neighbours=7).forget(trained, train, request_)
    changed = np.flatnonzero((outcome.recommender.user_table != trained.user_table).any(1))
    near = nearest(train.without_users(LEAVERS), request_.forget_set, 7).active_users
    assert len(near) == 7
    assert changed.tolist() == np.union1d(near, LEAVERS).tolist() == outcome.touched_users.tolist()


def test_items_go_further_when_their_users_follow(trained, train, request_):
    """What softens the curvature: the others no longer hold the item back."""
    alone, together = (
        Ifru(neighbours=n, step_size=1.0).forget(trained, train, request_).recommender for n in (0, 60)
    )
    way, longer = (
        np.linalg.norm(each.item_table - trained.item_table, axis=1).sum() for each in (alone, together)
    )
    assert longer > way > 0
