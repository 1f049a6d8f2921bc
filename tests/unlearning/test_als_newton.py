"""The derivatives against automatic ones, and the steps against what they solve, in float64."""

import numpy as np
import pytest
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.unlearning.als_newton import AlsLoss, Tables, length, newton

ALPHA, MU, DIM = 4.0, 3.0, 3


@pytest.fixture(scope="module")
def loss(train):
    return AlsLoss(train, ALPHA, MU, torch.float64)


@pytest.fixture(scope="module")
def ones(train):
    matrix = torch.zeros(train.n_users, train.n_items).double()
    matrix[train.users.astype(int), train.items.astype(int)] = 1
    return matrix


def drawn(rows, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.7, (rows, DIM)))


@pytest.fixture(scope="module")
def point(loss, train):
    return loss.at(drawn(train.n_items, 1))


def plain(ones, users, items):
    """Half of the loss, from its definition."""
    error = (1 + (ALPHA - 1) * ones) * (ones - users @ items.T).square()
    return (error.sum() + MU * (users.square().sum() + items.square().sum())) / 2


def best_users(ones, items):
    """Each from their own normal equations."""
    weights = 1 + (ALPHA - 1) * ones
    matrices = torch.einsum("ui,ia,ib->uab", weights, items, items) + MU * torch.eye(DIM)
    return torch.linalg.solve(matrices, ALPHA * ones @ items)


def reduced(ones):
    return lambda items: plain(ones, best_users(ones, items), items)


def test_users_are_at_their_best(point, ones):
    torch.testing.assert_close(point.tables.users, best_users(ones, point.tables.items))
    assert not point.tables.users[60:].any()


def test_the_slope_is_that_of_the_loss(point, ones):
    items = point.tables.items.clone().requires_grad_()
    reduced(ones)(items).backward()
    torch.testing.assert_close(point.slope, items.grad)


def test_the_curvature_is_that_of_the_loss_and_users_follow(point, ones, train):
    items, along = point.tables.items, drawn(train.n_items, 2)
    bent, follow = point.curvature(along)
    expected = torch.autograd.functional.hvp(reduced(ones), items, along)[1]
    torch.testing.assert_close(bent, expected)
    expected = torch.autograd.functional.jvp(lambda i: best_users(ones, i), items, along)[1]
    torch.testing.assert_close(follow, expected)


def test_the_preconditioner_inverts_each_items_own_matrix(point, loss, ones):
    users = point.tables.users
    weights = 1 + (ALPHA - 1) * ones.T
    matrices = torch.einsum("iu,ua,ub->iab", weights, users, users) + MU * torch.eye(DIM)
    torch.testing.assert_close(loss.of_items.inverses(users), torch.linalg.inv(matrices))


def test_nothing_is_left_of_a_rotation_and_all_of_what_is_orthogonal_to_them(point, train):
    items, along = point.tables.items, drawn(train.n_items, 3)
    skew = torch.tensor([[0.0, 1, 2], [-1, 0, 3], [-2, -3, 0]]).double()
    assert point.unturned(items @ skew).abs().max() < 1e-12
    left = point.unturned(along)
    turn = items.T @ left
    torch.testing.assert_close(turn, turn.T)
    torch.testing.assert_close(point.unturned(left), left)


def test_dimensions_that_the_penalty_has_emptied_are_no_trouble(loss, train):
    items = drawn(train.n_items, 1)
    items[:, 2] = 0
    along = drawn(train.n_items, 3)
    assert torch.isfinite(loss.at(items).unturned(along)).all()


def test_a_length_is_that_of_the_products():
    left, right = drawn(7, 1), drawn(5, 2)
    assert length(left, right) == pytest.approx(float((left @ right.T).norm()))


def test_a_step_moves_the_scores_by_what_its_length_says(point, train):
    step = Tables(1e-6 * drawn(train.n_users, 4), 1e-6 * drawn(train.n_items, 5))
    moved, here = point.tables + step, point.tables
    change, scores = moved.users @ moved.items.T - here.users @ here.items.T, here.users @ here.items.T
    assert point.length(step) == pytest.approx(float(change.norm() / scores.norm()), rel=1e-4)


@pytest.fixture(scope="module")
def lowest(loss, train):
    """Items at a minimum: descent by plain sweeps."""
    items = drawn(train.n_items, 1)
    for _ in range(3000):
        users = loss.at(items).tables.users
        items = torch.bmm(loss.of_items.inverses(users), loss.of_items.target(users)[:, :, None])[:, :, 0]
    return items


def test_a_step_solves_the_newton_equations(loss, lowest, train):
    point = loss.at(lowest + 1e-4 * drawn(train.n_items, 6))
    step = point.newton_step(loss.of_items.inverses(point.tables.users), accuracy=1e-12)
    left = point.unturned(point.curvature(step.items)[0] + point.slope)
    assert left.norm() < 1e-6 * point.unturned(point.slope).norm()


def test_newton_comes_back_to_the_minimum(loss, lowest, train):
    """Of the scores: the tables may be turned."""
    there = loss.at(lowest).tables
    tables, distance = newton(loss, lowest + 1e-3 * drawn(train.n_items, 7), tolerance=1e-6, steps=8)
    gap = tables.users @ tables.items.T - there.users @ there.items.T
    assert float(gap.norm() / (there.users @ there.items.T).norm()) < distance < 1e-6
    assert loss.imbalance(tables) < 1e-6


def test_there_are_no_steps_where_the_curvature_is_not_above_0(loss, lowest, train):
    assert newton(loss, 1e-3 * drawn(train.n_items, 8), tolerance=1e-6, steps=8) is None


def test_there_are_none_where_the_penalty_is_too_slight_for_an_inverse(train):
    items = torch.ones(train.n_items, DIM)
    assert newton(AlsLoss(train, ALPHA, 1e-12), items, tolerance=1e-6, steps=8) is None


def test_at_the_minimum_itself_nothing_moves(train):
    nobody = AlsLoss(Interactions.from_pairs([], [], train.n_users, train.n_items), ALPHA, MU, torch.float64)
    items = torch.zeros(train.n_items, DIM).double()
    tables, distance = newton(nobody, items, tolerance=1e-6, steps=8)
    assert distance == 0 and not tables.items.any() and not tables.users.any()


def test_imbalance_is_the_relative_residual_of_either_side(loss, point, lowest, train):
    expected = point.slope.norm() / loss.of_items.target(point.tables.users).norm()
    assert loss.imbalance(point.tables) == pytest.approx(float(expected))
    assert loss.imbalance(loss.at(lowest).tables) < 1e-8
    unfitted = Tables(2 * loss.at(lowest).tables.users, lowest)
    assert loss.imbalance(unfitted) > 0.5
