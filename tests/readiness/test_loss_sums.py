"""Sums of first and second derivatives against autograd and against loops, in float64."""

import dataclasses

import numpy as np
import pytest
import torch
from plain import F64, item_gradient

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness import loss_sums as module
from recsys_unlearn.readiness.loss_sums import LossSums, loss_sums, retract, walk_
from recsys_unlearn.recommenders import geometry as geometry_module
from recsys_unlearn.recommenders.softmax import Geometry, geometry_of, tangent


def slow_sums(recommender, interactions) -> dict[str, torch.Tensor]:
    """P_i, Q_i, Σ w_u x_u x_uᵀ and Σ w_u, one user and one item at a time."""
    geometry = geometry_of(recommender)
    users, items = (torch.from_numpy(t).to(F64) for t in (recommender.user_table, recommender.item_table))
    n_items, d = items.shape
    positive, pressure = torch.zeros(n_items, dtype=F64), torch.zeros(n_items, dtype=F64)
    moment, weight = torch.zeros(d, d, dtype=F64), torch.zeros(1, dtype=F64)
    for u in interactions.active_users:
        share = (items @ users[u]).exp()
        partition = geometry.negatives * share.mean()
        p = {int(i): share[i] / (share[i] + partition) for i in interactions.items_of(u)}
        excess = sum(1 - value for value in p.values())
        for i, value in p.items():
            positive[i] += value * (1 - value)
        pressure += share / share.sum() * excess
        moment += excess * torch.outer(users[u], users[u])
        weight += excess
    return {"positive": positive, "pressure": pressure, "moment": moment, "weight": weight}


def near(got, expected, share=1e-5):
    """Within ``share`` of the largest element: the sums are made of float32 scores."""
    torch.testing.assert_close(
        got.double(), expected.double(), rtol=0, atol=share * float(expected.abs().max())
    )


def test_gradient_is_autograds_on_free_tables(free, train):
    expected = item_gradient(free.user_table, free.item_table, train, geometry_of(free))
    near(loss_sums(free, train).gradient, expected)


def test_gradient_is_autograds_in_the_tangent_plane_on_the_sphere(spherical, train):
    expected = item_gradient(spherical.user_table, spherical.item_table, train, geometry_of(spherical))
    points = torch.from_numpy(spherical.item_table).double()
    got = loss_sums(spherical, train).gradient
    near(got, tangent(expected, points))
    assert (got * points).sum(1).abs().max() < 1e-4 * got.norm(dim=1).max()


def test_radial_term_is_minus_the_slope_along_the_radius_on_the_sphere(spherical, train):
    expected = item_gradient(spherical.user_table, spherical.item_table, train, geometry_of(spherical))
    points = torch.from_numpy(spherical.item_table).double()
    near(loss_sums(spherical, train).radial, -(expected * points).sum(1))


def test_radial_term_is_the_penaltys_second_derivative_on_free_tables(free, train):
    """λ n_i ‖v_i‖² bends by 2 λ n_i in every direction."""
    expected = 2 * free.options.regularization * torch.from_numpy(train.item_counts).double()
    torch.testing.assert_close(loss_sums(free, train).radial, expected)


def test_curvature_sums_are_those_of_the_loops(trained, train):
    sums = loss_sums(trained, train)
    for name, expected in slow_sums(trained, train).items():
        near(getattr(sums, name), expected)
    assert (sums.users.item(), sums.pairs.item()) == (60, len(train))


def test_sums_do_not_depend_on_the_batches(trained, train, monkeypatch):
    whole = loss_sums(trained, train)
    monkeypatch.setattr(module, "USERS_PER_BATCH", 7)
    steps = []
    parts = loss_sums(trained, train, lambda *step: steps.append(step))
    for name, expected in vars(whole).items():
        near(getattr(parts, name), expected)
    assert steps[-1] == ("measuring curvature", 60, 60)
    assert [done for _, done, _ in steps] == [7, 14, 21, 28, 35, 42, 49, 56, 60]


def test_sums_do_not_depend_on_the_blocks(trained, train, monkeypatch):
    whole = loss_sums(trained, train)
    monkeypatch.setattr(geometry_module, "BLOCK", 7)  # of 40 items: the last block is a short one
    near(loss_sums(trained, train).gradient, whole.gradient, share=1e-6)


@pytest.mark.parametrize("split", ["by user", "by pair"])
def test_sums_of_parts_add_up(trained, train, split):
    """Also where a user's own items are divided: each positive has its own term."""
    part = (
        train.of_users(range(0, 60, 3)) if split == "by user" else train.where(np.arange(len(train)) % 3 == 0)
    )
    whole, one, two = (loss_sums(trained, data) for data in (train, part, train.without(part)))
    for name, expected in vars(whole).items():
        if name in ("following", "unfinished", "users") and split == "by pair":
            continue  # a user's stiffness comes from all of their items together, and they are one user
        near(getattr(one.plus(two), name), expected)
        near(getattr(whole.plus(two, times=-1), name), getattr(one, name), share=1e-4)


def test_nobody_adds_nothing(trained, train):
    sums = loss_sums(trained, train.without_users(range(60)))
    assert all(not value.any() for value in vars(sums).values())


def test_a_user_without_a_row_adds_no_slope(trained, train):
    """Rows of zeros, such as those of the forgotten, have no vector to push items with."""
    table = trained.user_table.copy()
    table[5] = 0
    sums = loss_sums(trained.with_tables(table, trained.item_table), train.of_users([5]))
    free = geometry_of(trained).regularization * 2 * torch.from_numpy(train.of_users([5]).item_counts)
    torch.testing.assert_close(sums.gradient, free.float()[:, None] * torch.from_numpy(trained.item_table))
    assert not sums.moment.any()


def test_measuring_changes_nothing(trained, train):
    before = trained.user_table.tobytes(), trained.item_table.tobytes()
    loss_sums(trained, train)
    assert (trained.user_table.tobytes(), trained.item_table.tobytes()) == before


def test_types_are_as_documented(trained, train):
    sums = loss_sums(trained, train)
    assert sums.gradient.dtype == torch.float32
    doubles = {field.name for field in dataclasses.fields(LossSums)} - {"gradient"}
    assert {getattr(sums, name).dtype for name in doubles} == {torch.float64}


def test_large_scores_stay_finite(free):
    """Scores of 500 in float32: nothing overflows, and a user who is certain pushes nobody."""
    users, items = np.zeros((1, 8), np.float32), np.zeros((3, 8), np.float32)
    users[0, 0], items[0, 0], items[1, 0] = 25, 20, -20
    sure = free.with_tables(users, items)
    sums = loss_sums(sure, Interactions.from_pairs([0, 0], [0, 1], 1, 3))
    assert all(torch.isfinite(value).all() for value in vars(sums).values())


def test_tangent_and_retract():
    points = torch.nn.functional.normalize(
        torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), dim=1
    )
    vectors = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    inside = tangent(vectors, points)
    assert (inside * points).sum(1).abs().max() < 1e-6
    torch.testing.assert_close(tangent(inside, points), inside)
    torch.testing.assert_close(inside + (vectors * points).sum(1, keepdim=True) * points, vectors)
    torch.testing.assert_close(retract(3 * points, Geometry(1.0, spherical=True)), points)
    assert retract(3 * points, Geometry(1.0)).equal(3 * points)


@pytest.mark.parametrize("spherical", [True, False])
def test_a_walk_is_the_step_within_the_sphere_and_back_to_it(spherical):
    draw, geometry = torch.Generator().manual_seed(2), Geometry(1.0, spherical=spherical)
    points = torch.nn.functional.normalize(torch.randn(5, 4, generator=draw), dim=1)
    steps = torch.randn(5, 4, generator=draw)
    expected = retract(points + (tangent(steps, points) if spherical else steps), geometry)
    got = walk_(steps, points, geometry)
    torch.testing.assert_close(got, expected)
    assert got is steps
