"""Fine-tuning, plain and sparse: only the retained teach."""

import numpy as np
import pytest

from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.fine_tune import FineTune
from recsys_unlearn.unlearning.sparse_fine_tune import SparseFineTune
from recsys_unlearn.unlearning.training import Student

LEAVERS = np.array([3, 8, 21])
METHOD = FineTune(steps=30, learning_rate=3e-3, batch_size=128)


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


def mean_l1(table):
    return np.abs(table).sum(1).mean()


def test_the_vectors_of_the_forgotten_teach_nothing(trained, train, request_):
    other = trained.user_table.copy()
    other[LEAVERS] = 1
    starts = trained, trained.with_tables(other, trained.item_table)
    one, two = (METHOD.forget(start, train, request_).recommender for start in starts)
    assert one.item_table.tobytes() == two.item_table.tobytes()
    assert one.user_table.tobytes() == two.user_table.tobytes()


def test_it_fits_who_is_left_better(trained, train, request_):
    retained = train.without_users(LEAVERS)
    tuned = METHOD.forget(trained, train, request_).recommender
    before, after = (
        mean_log_likelihood(each, retained, retained.active_users).mean() for each in (trained, tuned)
    )
    assert after > before


def test_no_steps_drop_the_rows_and_no_more(trained, train, request_):
    after = FineTune(steps=0).forget(trained, train, request_).recommender
    expected = trained.user_table.copy()
    expected[LEAVERS] = 0
    assert after.user_table.tobytes() == expected.tobytes()
    assert after.item_table.tobytes() == trained.item_table.tobytes()


def test_without_weight_the_penalty_is_fine_tuning(trained, train, request_):
    sparse = SparseFineTune(steps=30, learning_rate=3e-3, batch_size=128, gamma=0)
    one, two = (method.forget(trained, train, request_).recommender for method in (METHOD, sparse))
    np.testing.assert_allclose(one.item_table, two.item_table, atol=1e-6)


def test_the_heavier_the_penalty_the_sparser_the_items(trained, train, request_):
    levels = [
        mean_l1(SparseFineTune(30, 3e-3, 128, gamma).forget(trained, train, request_).recommender.item_table)
        for gamma in (0, 0.3, 1.0)
    ]
    assert levels[0] > levels[1] > levels[2]


def test_the_penalty_is_the_mean_l1_length_and_fades_out_in_a_line(trained):
    method, student = SparseFineTune(steps=10, gamma=0.5), Student(trained, 0.01)
    expected = 0.5 * mean_l1(trained.item_table)
    for step, share in ((0, 1.0), (5, 0.5), (9, 0.1)):
        assert method._penalty(student, step).item() == pytest.approx(share * expected, rel=1e-5)
