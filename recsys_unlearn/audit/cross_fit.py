"""The fold-in log-likelihood of a whole history: every item is hidden once.

One split hides a fifth of a history, and which fifth is luck: on sparse data a user is then judged by
two or three items. Five folds hide each item once, at five times the cost. What is left of a user's
score is the user, not the split.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys_unlearn.audit.statistic import drawn_order
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood

FOLDS = 5


@dataclass(frozen=True, eq=False)
class CrossFit:
    """One value per user.

    Parameters
    ----------
    users
        int64 (n,): user rows with at least two items, ascending.
    log_likelihood
        float64 (n,): mean over the user's items of log p_ui, each under a vector fitted without it.
    """

    users: np.ndarray
    log_likelihood: np.ndarray


def cross_fit(recommender: Recommender, histories: Interactions, seed: int = 0) -> CrossFit:
    """Measure every user of ``histories`` under the item table of ``recommender``.

    The folds of a history are a function of (seed, user row, item row): they are the same before and
    after a deletion, and in the oracle.
    """
    comparable = recommender.canonical()
    users = np.flatnonzero(histories.user_counts >= 2)
    total = np.zeros(histories.n_users)
    for visible, hidden in folds(histories, seed):
        rows = hidden.active_users
        total[rows] += (
            mean_log_likelihood(comparable.folded_in(visible), hidden, rows) * hidden.user_counts[rows]
        )
    return CrossFit(users, total[users] / histories.user_counts[users])


def folds(histories: Interactions, seed: int) -> Iterator[tuple[Interactions, Interactions]]:
    """Yield the visible and the hidden part of every fold; users with one item are left out of both."""
    enough = histories.where(histories.user_counts[histories.users] >= 2)
    rank = drawn_order(enough, seed)
    for fold in range(FOLDS):
        hidden = rank % FOLDS == fold
        if hidden.any():
            yield enough.where(~hidden), enough.where(hidden)
