"""The meta-objective against its own definition, and what training on it does."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from recsys_unlearn.errors import UsageError
from recsys_unlearn.readiness.ready2unlearn import (
    Batches,
    Pairs,
    Ready2UnlearnOptions,
    Rows,
    _Draws,
    make_ready,
    objective,
)

OPTIONS = Ready2UnlearnOptions(steps=4, users=3, stable=40, ascent=1.0, relearning=0.5)


@pytest.fixture
def point():
    torch.manual_seed(0)
    rows = Rows(torch.randn(5, 4).double().requires_grad_(), torch.randn(7, 4).double().requires_grad_())
    pairs = [
        Pairs(torch.tensor(u), torch.tensor(i))
        for u, i in [([0, 1], [2, 3]), ([2], [4]), ([3], [4]), ([4], [5])]
    ]
    return rows, Batches(*pairs), torch.tensor([0, 1, 6])


def slow_loss(rows, pairs, negatives):
    user, item = normalize(rows.user, dim=1) / 0.5, normalize(rows.item, dim=1)
    terms = []
    for u, i in zip(pairs.user, pairs.item, strict=True):
        scores = torch.stack([user[u] @ item[i], *(user[u] @ item[j] for j in negatives)])
        terms.append(torch.logsumexp(scores, 0) - scores[0])
    return torch.stack(terms).mean()


def slow_objective(rows, batches, negatives, options):
    def move(at, pairs, size):
        slopes = torch.autograd.grad(slow_loss(at, pairs, negatives), at, create_graph=True)
        return Rows(*(row + size * slope for row, slope in zip(at, slopes, strict=True)))

    def loss(at, pairs):
        return slow_loss(at, pairs, negatives)

    after = move(rows, batches.forgotten, options.ascent)
    again = move(after, batches.look_alikes, -options.relearning)
    start = loss(rows, batches.forgotten)
    return (
        loss(rows, batches.everybody)
        - options.efficiency * (loss(after, batches.forgotten) - start)
        + options.retention * (loss(after, batches.stable) - loss(rows, batches.stable))
        - options.resistance * (loss(again, batches.forgotten) - start)
    )


def test_the_objective_and_its_exact_gradient_are_the_definitions(point):
    rows, batches, negatives = point
    options = Ready2UnlearnOptions(ascent=1.0, relearning=0.5, cap=100.0)
    got, expected = (
        objective(rows, batches, negatives, 0.5, options),
        slow_objective(rows, batches, negatives, options),
    )
    torch.testing.assert_close(got, expected)
    for mine, theirs in zip(torch.autograd.grad(got, rows), torch.autograd.grad(expected, rows), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_first_order_takes_the_simulated_steps_as_given(point):
    rows, batches, negatives = point
    slopes = {}
    for order in ("first", "second"):
        options = Ready2UnlearnOptions(ascent=1.0, relearning=0.5, cap=100.0, order=order)
        value = objective(rows, batches, negatives, 0.5, options)
        slopes[order] = torch.autograd.grad(value, rows)
    assert not torch.allclose(slopes["first"][1], slopes["second"][1], atol=1e-3)


def test_without_weights_it_is_the_task(point):
    rows, batches, negatives = point
    options = Ready2UnlearnOptions(efficiency=0, retention=0, resistance=0)
    torch.testing.assert_close(
        objective(rows, batches, negatives, 0.5, options), slow_loss(rows, batches.everybody, negatives)
    )


def test_no_difference_contributes_more_than_the_cap(point):
    rows, batches, negatives = point
    wild = Ready2UnlearnOptions(ascent=1e4, relearning=0.0, cap=0.25)
    task = slow_loss(rows, batches.everybody, negatives)
    assert (objective(rows, batches, negatives, 0.5, wild) - task).abs() <= 0.25 * 0.9 + 1e-9


def test_the_tables_stay_on_the_sphere_and_the_original_as_it_was(spherical, train):
    before = spherical.item_table.copy()
    ready = make_ready(spherical, train, OPTIONS)
    np.testing.assert_allclose(np.linalg.norm(ready.item_table, axis=1), 1, rtol=1e-5)
    lengths = np.linalg.norm(ready.user_table, axis=1)
    np.testing.assert_allclose(lengths[:60], spherical.geometry.user_length, rtol=1e-5)
    assert not ready.user_table[60:].any()  # strangers have no row
    assert np.abs(ready.item_table - before).max() > 1e-4
    assert (spherical.item_table == before).all()


def test_two_trainings_give_the_same_bytes(spherical, train):
    one, two = (make_ready(spherical, train, OPTIONS) for _ in range(2))
    assert one.item_table.tobytes() == two.item_table.tobytes()


def test_only_the_revocable_leave_and_only_the_others_are_stable(spherical, train):
    draws = _Draws(spherical, train, Ready2UnlearnOptions(revocable=[4, 5, 6, 70], users=2, stable=500))
    assert draws.revocable.tolist() == [4, 5, 6]  # 70 is a stranger
    (users, _), batches, _ = draws.at(0)
    assert set(users[batches.forgotten.user].tolist()) <= {4, 5, 6}
    assert not set(users[batches.stable.user].tolist()) & {4, 5, 6}


def test_a_share_of_the_users_is_revocable(spherical, train):
    some = _Draws(spherical, train, Ready2UnlearnOptions(revocable=0.3)).revocable
    assert 5 < len(some) < 35


def test_inner_products_are_refused(free, train):
    with pytest.raises(UsageError, match="cosine"):
        make_ready(free, train, OPTIONS)
