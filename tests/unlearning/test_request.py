"""What a request names, and what of it a model still knows."""

import numpy as np
import pytest

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.unlearning.contract import ForgetRequest

DATA = Interactions.from_pairs([0, 0, 1, 1, 2, 4], [0, 1, 1, 2, 0, 2], n_users=5, n_items=3)


@pytest.fixture
def knows():
    """Recommender that knows the given users; all other rows are zeros."""

    def make(*users):
        table = np.zeros((5, 2), np.float32)
        table[list(users)] = [0, 1]
        return Factorization().with_tables(table, np.ones((3, 2), np.float32))

    return make


def test_accounts_take_all_their_pairs():
    request = ForgetRequest.of_accounts(DATA, np.array([4, 1, 4]))
    assert request.accounts.tolist() == [1, 4]
    assert request.accounts.dtype == np.int64
    assert request.forget_set.users.tolist() == [1, 1, 4]
    assert request.partial_users.tolist() == []


def test_pairs_take_no_account():
    request = ForgetRequest.of_pairs(DATA.where(np.array([0, 2])))
    assert request.accounts.tolist() == []
    assert request.partial_users.tolist() == [0, 1]


def test_within_keeps_what_the_model_knows(knows):
    request = ForgetRequest.of_accounts(DATA, np.array([0, 1, 4])).within(knows(1, 2, 4))
    assert request.accounts.tolist() == [1, 4]
    assert request.forget_set.users.tolist() == [1, 1, 4]


def test_within_knows_a_row_by_any_element_that_is_not_zero(knows):
    assert ForgetRequest.of_accounts(DATA, np.array([0])).within(knows(0)).accounts.tolist() == [0]
    assert len(ForgetRequest.of_accounts(DATA, np.array([0])).within(knows(1)).forget_set) == 0


def test_an_account_beside_single_pairs():
    request = ForgetRequest(DATA.of_users([0]).union(DATA.of_users([1]).where(np.array([0]))), np.array([0]))
    assert request.partial_users.tolist() == [1]
