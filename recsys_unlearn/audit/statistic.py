"""The fold-in statistic: how well a recommender predicts a user it is only now shown.

A user's history is split 80/20. The recommender is shown the 80 %: a fresh vector is fitted under the
frozen item table, or the item-item weights are summed. Then the hidden 20 % are looked for. If the items
were trained on the user, they find them too easily: the trace is in the items, and dropping the user's
row does not remove it. (FORGETTING, section 2.)
"""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood

HIDDEN_SHARE = 0.2
K = 20


@dataclass(frozen=True, eq=False)
class FoldInStatistic:
    """One value per user.

    Parameters
    ----------
    users
        int64 (n,): user rows with at least one hidden and one visible item, ascending.
    recall
        float64 (n,): Recall@20 of the hidden items.
    log_likelihood
        float64 (n,): mean of log p_ui over the hidden items. Finer than recall: attacks use it.
    """

    users: np.ndarray
    recall: np.ndarray
    log_likelihood: np.ndarray


def fold_in_statistic(recommender: Recommender, histories: Interactions, seed: int = 0) -> FoldInStatistic:
    """Measure every user of ``histories`` under the items of ``recommender``.

    The split of a user's history is a function of (seed, user row, item row): the same items are
    hidden before and after a deletion, and in the oracle.
    """
    visible, hidden = split_histories(histories, seed)
    users = np.intersect1d(visible.active_users, hidden.active_users)
    if not len(users):
        return FoldInStatistic(users, np.zeros(0), np.zeros(0))
    probe = recommender.canonical().folded_in(visible)
    recall = evaluate(probe, hidden, exclude=visible, k=K, users=users).per_user[f"recall@{K}"]
    return FoldInStatistic(users, recall, mean_log_likelihood(probe, hidden, users))


def split_histories(histories: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """Visible and hidden part of every history: of n items, the round(n / 5) smallest draws are hidden.

    A user with one item has nothing to hide; from two on at least one is.
    """
    counts = histories.user_counts[histories.users]
    share = np.maximum(np.rint(counts * HIDDEN_SHARE), counts >= 2)
    hidden = drawn_order(histories, seed) < share
    return histories.where(~hidden), histories.where(hidden)


def drawn_order(histories: Interactions, seed: int) -> np.ndarray:
    """int64 (len(histories),): place of each pair, from 0, when its user's items are put in random order."""
    draw = keyed_uniform(stream_key(seed, "hidden items"), histories.users, histories.items)
    order = np.lexsort((draw, histories.users))
    rank = np.empty(len(histories), np.int64)
    rank[order] = np.arange(len(histories)) - histories.offsets[histories.users[order]]
    return rank
