"""The judge of a training, on states whose recall is written down."""

import numpy as np
import pytest

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders import early_stopping
from recsys_unlearn.recommenders.early_stopping import EarlyStopping
from recsys_unlearn.recommenders.factorization import Factorization

N_USERS, N_ITEMS = 20, 60
NOTHING = Interactions.from_pairs([], [], N_USERS, N_ITEMS)
WANTED = Interactions.from_pairs(range(N_USERS), range(N_USERS), N_USERS, N_ITEMS)  # user u wants item u


def state(found, also_wrong=()):
    """Recommender whose Recall@20 is ``found`` / 20: so many users have their item on top, others last."""
    scores = np.zeros((N_USERS, N_ITEMS), np.float32)
    for user in range(N_USERS):
        scores[user, user] = 1 if user < found else -1
    scores[:, list(also_wrong)] = 2
    return Factorization().with_tables(scores, np.eye(N_ITEMS, dtype=np.float32))


def judge(recalls, patience=2, train=NOTHING):
    stopping = EarlyStopping(train, WANTED, patience)
    states = [state(found) for found in recalls]
    over = [stopping.is_over(epoch, candidate) for epoch, candidate in enumerate(states, start=1)]
    return stopping, states, over


@pytest.mark.parametrize(
    ("recalls", "over", "best"),
    [
        ([5, 9, 12], [False, False, False], 3),
        ([5, 9, 8, 7], [False, False, False, True], 2),
        ([5, 4, 6, 5, 6], [False, False, False, False, True], 3),
        ([5, 5, 5], [False, False, True], 1),  # as good is not better: the earlier one is kept
        ([0, 0, 0], [False, False, True], 1),
    ],
)
def test_patience_and_the_best(recalls, over, best):
    stopping, states, got = judge(recalls)
    assert got == over
    assert stopping.best_epoch == best
    assert stopping.best is states[best - 1]
    assert stopping.best_recall == pytest.approx(max(recalls) / N_USERS)


def test_before_the_first_evaluation_there_is_no_best():
    assert judge([])[0].best is None


def test_patience_of_one_stops_at_the_first_disappointment():
    assert judge([5, 6, 6, 7], patience=1)[2] == [False, False, True, False]


def test_training_items_do_not_take_places():
    """20 items that score above everything fill the list, unless training has seen them."""
    distractors = range(40, 60)
    seen = Interactions.from_pairs(np.repeat(range(N_USERS), 20), [*distractors] * N_USERS, N_USERS, N_ITEMS)
    for train, expected in ((NOTHING, 0.0), (seen, 1.0)):
        stopping = EarlyStopping(train, WANTED, 2)
        stopping.is_over(1, state(N_USERS, also_wrong=distractors))
        assert stopping.best_recall == expected


def test_more_users_than_needed_are_sampled_by_row(monkeypatch):
    """Known states: recall is over the sample, and a user who is not in it leaves it as it is."""
    monkeypatch.setattr(early_stopping, "MOST_USERS", 8)
    chosen = EarlyStopping(NOTHING, WANTED, 2).validation.active_users
    assert len(chosen) == 8
    outside = np.setdiff1d(np.arange(N_USERS), chosen)[0]
    fewer = EarlyStopping(NOTHING, WANTED.without_users([outside]), 2).validation.active_users
    assert np.array_equal(chosen, fewer)
