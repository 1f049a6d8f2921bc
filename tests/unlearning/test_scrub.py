"""The divergence against one written by hand, the order of the turns, and where it goes."""

import numpy as np
import pytest
import torch
from plain import F64

from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.scrub import Scrub, divergence
from recsys_unlearn.unlearning.training import Pairs, Student

LEAVERS = np.array([3, 8, 21])
USERS, ITEMS, SAMPLE = torch.tensor([3, 8, 8]), torch.tensor([1, 0, 5]), torch.tensor([2, 5, 9, 30])


def moved(recommender, by):
    """The recommender with the item table rolled a little."""
    table = recommender.item_table + by * np.roll(recommender.item_table, 1, axis=0)
    if recommender.geometry.spherical:
        table = table / np.linalg.norm(table, axis=1, keepdims=True)
    return recommender.with_tables(recommender.user_table, table.astype(np.float32))


def between(student, teacher):
    before = torch.from_numpy(teacher.user_table)[USERS]
    return divergence(student, teacher, Pairs(before, ITEMS), before, SAMPLE)


def by_hand(one, other):
    """Mean Σ_j p_j log(p_j / q_j) over the pair's item and the sample, float64."""
    total = 0.0
    for u, i in zip(USERS.tolist(), ITEMS.tolist(), strict=True):
        rows = torch.cat([torch.tensor([i]), SAMPLE])
        p, q = (
            torch.softmax(torch.from_numpy(table[rows.numpy()]).to(F64) @ torch.from_numpy(x).to(F64), 0)
            for table, x in ((one.item_table, one.user_table[u]), (other.item_table, one.user_table[u]))
        )
        total += (p * (p / q).log()).sum().item()
    return total / len(USERS)


def test_the_divergence_is_that_of_the_equation(trained):
    other = moved(trained, 0.3)
    got = between(Student(other, 0.01), trained).item()
    assert got == pytest.approx(by_hand(trained, other), rel=1e-4)
    assert got > 0.01


def test_a_student_who_has_learnt_nothing_new_does_not_diverge(trained):
    assert between(Student(trained, 0.01), trained).item() == pytest.approx(0, abs=1e-6)


def test_max_steps_come_first_in_a_round_and_end_after_their_passes():
    turns = list(Scrub(passes=3, max_passes=2, min_steps=2)._turns(per_pass=3))
    assert turns == [*[True] * 3, *[False] * 2] * 2 + [False] * 2


def test_a_max_step_moves_away_from_the_teacher_and_a_min_step_back(trained):
    """From a place that is not the teacher's: there the divergence has no slope."""
    method = Scrub(gamma=0)
    levels = []
    for objective in (method._disobey, method._obey):
        student = Student(moved(trained, 0.1), 1e-3)
        levels.append([between(student, trained).item()])
        for _ in range(5):
            student.step(objective(student, trained, USERS, ITEMS, SAMPLE))
            levels[-1].append(between(student, trained).item())
    assert np.all(np.diff(levels[0]) > 0)
    assert np.all(np.diff(levels[1]) < 0)


def test_without_weight_on_the_divergence_it_is_the_loss(trained):
    student = Student(trained, 0.01)
    got = Scrub(alpha=0, gamma=2)._obey(student, trained, USERS, ITEMS, SAMPLE)
    torch.testing.assert_close(got, 2 * student.loss(student.pairs(USERS, ITEMS), SAMPLE))


def test_the_forgotten_end_further_from_the_teacher_than_the_retained(trained, train):
    method = Scrub(learning_rate=5e-3, passes=12, max_passes=12, min_steps=1, batch_size=128)
    request = ForgetRequest.of_accounts(train, LEAVERS)
    after = method.forget(trained, train, request).recommender
    table = torch.from_numpy(trained.user_table)
    sides = []
    for users in (LEAVERS, np.setdiff1d(train.active_users, LEAVERS)):
        mine = train.of_users(users)
        vectors = table[mine.users.astype(np.int64)]
        pairs = Pairs(vectors, torch.from_numpy(mine.items.astype(np.int64)))
        there = Student(after, 0.01)
        sides.append(divergence(there, trained, pairs, vectors, torch.arange(40)).item())
    assert sides[0] > sides[1]
