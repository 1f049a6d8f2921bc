"""Steps on both tables: the loss against one written by hand, and rows that must not move."""

from itertools import islice

import numpy as np
import pytest
import torch
from plain import F64

from recsys_unlearn.errors import NothingLeft
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.training import (
    CATALOGUE_SAMPLE,
    Pairs,
    Student,
    catalogues,
    endless,
    row_dropped,
)

USERS, ITEMS, SAMPLE = torch.tensor([3, 8, 8, 20]), torch.tensor([1, 0, 5, 7]), torch.tensor([2, 5, 9, 9, 30])


def by_hand(trained, users, items, sample):
    """Mean of log(e^{s_ui} + N · mean_j e^{s_uj}) - s_ui, and of the penalty, in float64."""
    user_table, table = (torch.from_numpy(each).to(F64) for each in (trained.user_table, trained.item_table))
    total = torch.zeros((), dtype=F64)
    for u, i in zip(users.tolist(), items.tolist(), strict=True):
        negatives = trained.geometry.negatives * (table[sample] @ user_table[u]).exp().mean()
        score = table[i] @ user_table[u]
        total += (score.exp() + negatives).log() - score
        total += trained.geometry.regularization * (user_table[u].square().sum() + table[i].square().sum())
    return total.item() / len(users)


def test_the_loss_is_that_of_the_equation(trained):
    student = Student(trained, 0.01)
    got = student.loss(student.pairs(USERS, ITEMS), SAMPLE).item()
    assert got == pytest.approx(by_hand(trained, USERS, ITEMS, SAMPLE), rel=1e-5)


def test_vectors_that_are_given_count_as_rows_do(trained):
    student, table = Student(trained, 0.01), torch.from_numpy(trained.user_table)
    moving, given = student.pairs(USERS, ITEMS), Pairs(table[USERS], ITEMS)
    torch.testing.assert_close(student.loss(given, SAMPLE), student.loss(moving, SAMPLE))
    student.loss(given, SAMPLE).backward()
    assert student.user.grad is None
    assert student.item.grad is not None


def test_before_the_first_step_it_is_the_recommender(trained):
    same = Student(trained, 0.01).recommender()
    assert same.user_table.tobytes() == trained.user_table.tobytes()
    assert same.item_table.tobytes() == trained.item_table.tobytes()


def test_a_step_lowers_the_objective_and_moves_the_batch_alone(trained):
    student = Student(trained, 1e-3)
    before = student.loss(student.pairs(USERS, ITEMS), SAMPLE)
    student.step(before)
    assert student.loss(student.pairs(USERS, ITEMS), SAMPLE) < before
    new = student.recommender()
    for name, moved in (("user_table", USERS), ("item_table", torch.cat([ITEMS, SAMPLE]))):
        changed = np.flatnonzero((getattr(new, name) != getattr(trained, name)).any(1))
        assert set(changed) == set(moved.tolist())


def test_moved_rows_are_served_where_the_loss_lives(spherical):
    student = Student(spherical, 0.1)
    for _ in range(3):
        student.step(student.loss(student.pairs(USERS, ITEMS), SAMPLE))
    new = student.recommender()
    np.testing.assert_allclose(np.linalg.norm(new.item_table, axis=1), 1, rtol=1e-6)
    length = spherical.geometry.user_length
    np.testing.assert_allclose(np.linalg.norm(new.user_table[USERS], axis=1), length, rtol=1e-6)


def test_under_a_mask_only_its_entries_move(free):
    mask = torch.zeros(free.item_table.shape, dtype=torch.bool)
    mask[5, 2], mask[1] = True, True
    student = Student(free, 1e-3, mask)
    student.step(student.loss(student.pairs(USERS, ITEMS), SAMPLE))
    new = student.recommender()
    assert np.array_equal(new.item_table != free.item_table, mask.numpy())
    assert new.user_table.tobytes() == free.user_table.tobytes()


def test_the_start_is_not_changed(trained):
    before = trained.user_table.copy(), trained.item_table.copy()
    student = Student(trained, 0.1)
    student.step(student.loss(student.pairs(USERS, ITEMS), SAMPLE))
    assert np.array_equal(trained.user_table, before[0])
    assert np.array_equal(trained.item_table, before[1])


def test_every_epoch_of_the_batches_holds_every_pair_once(train):
    steps = -(-len(train) // 100)
    stream = endless(train, 100, seed=4)
    for _ in range(2):
        users, items = (torch.cat(part).numpy() for part in zip(*islice(stream, steps), strict=True))
        assert np.array_equal(np.sort(users * train.n_items + items), train.pair_codes)


def test_nobody_left_to_train_on_is_said(train):
    with pytest.raises(
        NothingLeft, match="nobody is left to train on: every interaction is in the forget set"
    ):
        next(endless(train.where(np.zeros(0, np.int64)), 100, seed=0))


def test_samples_of_the_catalogue_depend_on_seed_and_step(train):
    one, two, other = (list(islice(catalogues(40, seed), 2)) for seed in (1, 1, 2))
    assert all(a.equal(b) for a, b in zip(one, two, strict=True))
    assert not one[0].equal(one[1])
    assert not one[0].equal(other[0])
    assert len(one[0]) == CATALOGUE_SAMPLE
    assert set(one[0].tolist()) == set(range(40))


def test_dropped_rows_and_the_items_as_they_were(trained, train):
    request = ForgetRequest.of_accounts(train, np.array([3]))
    dropped = row_dropped(trained, train, request)
    assert not dropped.user_table[3].any()
    assert dropped.item_table.tobytes() == trained.item_table.tobytes()
