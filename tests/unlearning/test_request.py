"""What a request names, and what of it a model still knows."""

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.unlearning.contract import ForgetRequest

DATA = Interactions.from_pairs([0, 0, 1, 1, 2, 4], [0, 1, 1, 2, 0, 2], n_users=5, n_items=3)
EVERYBODY = np.ones(DATA.n_users, bool).__getitem__


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


def test_within_keeps_what_is_among_the_interactions():
    request = ForgetRequest.of_accounts(DATA, np.array([0, 1, 4])).within(DATA.without_users([0]), EVERYBODY)
    assert request.accounts.tolist() == [1, 4]
    assert request.forget_set.users.tolist() == [1, 1, 4]


def test_within_passes_over_pairs_that_are_gone_though_their_user_stays():
    lost = DATA.of_users([1]).where(np.array([0]))
    assert len(ForgetRequest.of_pairs(lost).within(DATA.without(lost), EVERYBODY).forget_set) == 0


def test_within_passes_over_users_whom_the_model_does_not_know():
    request = ForgetRequest.of_accounts(DATA, np.array([0, 1, 4])).within(DATA, lambda users: users != 1)
    assert request.accounts.tolist() == [0, 4]
    assert set(request.forget_set.users) == {0, 4}


def test_an_account_beside_single_pairs():
    request = ForgetRequest(DATA.of_users([0]).union(DATA.of_users([1]).where(np.array([0]))), np.array([0]))
    assert request.partial_users.tolist() == [1]
