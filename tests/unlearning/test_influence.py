"""SCIF: borrowed labels with a known answer, and the step solved in float64."""

import numpy as np
import pytest
import torch
from plain import F64, user_loss

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.influence import (
    Scif,
    borrowed_labels,
    bounded,
    positive_slope,
    retained_curvature,
)

LEAVERS = np.array([3, 8, 21])


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


def with_users(trained, vectors):
    """The recommender with user table (72, 8): the given rows, and zeros."""
    table = np.zeros_like(trained.user_table)
    table[: len(vectors), :2] = vectors
    return trained.with_tables(table, trained.item_table)


# --- labels --------------------------------------------------------------------------------------


def test_a_label_is_the_share_of_the_nearest_who_have_the_item(trained):
    """User 0 leaves; 1 and 2 point the same way, 3 across, 4 away. Item 1: both near ones; item 2: one."""
    model = with_users(trained, [[1, 0], [2, 0.1], [3, -0.2], [0, 1], [-1, 0]])
    data = Interactions.from_pairs([0, 0, 0, 1, 1, 2, 3, 4], [1, 2, 3, 1, 2, 1, 3, 3], 72, 40)
    leaving = data.of_users([0])
    rest = data.without(leaving)
    assert borrowed_labels(model, rest, leaving, 2).tolist() == [1, 0.5, 0]
    assert borrowed_labels(model, rest, leaving, 1).tolist() == [1, 1, 0]
    assert borrowed_labels(model, rest, leaving, 99).tolist() == [0.5, 0.25, 0.5]


def test_who_loses_items_and_stays_is_no_neighbour_of_their_own(trained):
    model = with_users(trained, [[1, 0], [0, 1]])
    data = Interactions.from_pairs([0, 0, 1], [1, 2, 1], 72, 40)
    lost = data.where(np.array([0]))
    assert borrowed_labels(model, data.without(lost), lost, 1).tolist() == [1]


def test_with_nobody_left_there_is_nothing_to_borrow(trained, train):
    nobody = train.where(np.zeros(0, np.int64))
    assert not borrowed_labels(trained, nobody, train.of_users(LEAVERS), 10).any()


# --- the step ------------------------------------------------------------------------------------


def test_the_slope_of_positives_is_autograds(trained, train, request_):
    """Only through the positive's own score: log Z_u is held fixed."""
    table = torch.from_numpy(trained.item_table).to(F64).requires_grad_()
    weights = np.linspace(0, 1, len(request_.forget_set))
    total = torch.zeros((), dtype=F64)
    pairs = zip(request_.forget_set.users, request_.forget_set.items, weights, strict=True)
    for u, i, weight in pairs:
        user = torch.from_numpy(trained.user_table[u]).to(F64)
        log_partition = (trained.geometry.negatives * (table.detach() @ user).exp().mean()).log()
        score = table[int(i)] @ user
        total = total + weight * (torch.logaddexp(score, log_partition) - score)
    expected = torch.autograd.grad(total, table)[0]
    if trained.geometry.spherical:
        expected = expected - (expected * table.detach()).sum(1, keepdim=True) * table.detach()
    got = positive_slope(trained, request_.forget_set, weights).double()
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_the_step_solves_the_retained_curvature(trained, train, request_):
    labels = borrowed_labels(trained, train.without_users(LEAVERS), request_.forget_set, 10)
    rows = np.flatnonzero(request_.forget_set.item_counts)
    slope = positive_slope(trained, request_.forget_set, 1 - labels)[rows].double()
    curvature = retained_curvature(rows, trained, train, request_, None).double()
    expected = trained.item_table[rows] + torch.linalg.solve(curvature, slope).numpy()
    if trained.geometry.spherical:
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    got = Scif().forget(trained, train, request_).recommender.item_table
    np.testing.assert_allclose(got[rows], expected, atol=2e-4)


def test_the_curvature_is_that_of_those_who_stay(trained, train, request_):
    """To rounding, what is measured on everybody and then taken out is what is measured on the rest."""
    rest = train.without_users(LEAVERS)
    fresh = NaturalReadiness.measure(trained, rest)
    nothing = ForgetRequest.of_pairs(rest.where(np.arange(3)))
    rows = np.flatnonzero(request_.forget_set.item_counts)
    one = retained_curvature(rows, trained, train, request_, None)
    sums = fresh.sums
    diagonal = sums.pressure[rows] * fresh.covariance.trace()
    assert nothing.forget_set.users.size == 3
    assert (one.diagonal(dim1=1, dim2=2).sum(1) > 0.5 * diagonal.float()).all()


def test_who_lends_every_label_leaves_the_items_alone(trained, train):
    """All the nearest have what the forgotten had: nothing is lost with them."""
    twins = Interactions.from_pairs(
        np.repeat([3, 40, 41], 10), np.tile(train.items_of(3), 3), train.n_users, train.n_items
    )
    data = train.without_users([3, 40, 41]).union(twins)
    table = trained.user_table.copy()
    table[[40, 41]] = table[3]
    model = trained.with_tables(table, trained.item_table)
    request = ForgetRequest.of_accounts(data, np.array([3]))
    after = Scif(neighbours=2).forget(model, data, request).recommender
    np.testing.assert_allclose(after.item_table, model.item_table, atol=1e-6)
    assert not after.user_table[3].any()


def test_it_lowers_the_likelihood_of_the_forgotten(trained, train, request_):
    after = Scif().forget(trained, train, request_).recommender
    tables = trained.item_table, after.item_table
    before, now = (
        sum(
            user_loss(
                torch.from_numpy(trained.user_table[u]).to(F64),
                torch.from_numpy(table).to(F64),
                train.items_of(u),
                trained.geometry.negatives,
            )
            for u in LEAVERS
        )
        for table in tables
    )
    assert now > before


def test_no_row_moves_further_than_its_own_length():
    rows = torch.tensor([[3.0, 4], [3, 4], [0, 0], [1, 0]])
    step = torch.tensor([[6.0, 8], [0, 1], [5, 5], [0, 0]])
    assert bounded(step, rows).tolist() == [[3, 4], [0, 1], [0, 0], [0, 0]]
