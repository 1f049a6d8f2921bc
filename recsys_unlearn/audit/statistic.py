"""The fold-in statistic: how well a recommender predicts a user it is only now shown.

A user's history is split 80/20. A fresh vector is fitted to the 80 % under the frozen item table, and
the hidden 20 % are looked for. If the item table was trained on the user, it finds them too easily:
the trace is in the items, and dropping the user's row does not remove it. (FORGETTING, section 2.)
"""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.softmax import Geometry, geometry_of

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
    """Measure every user of ``histories`` under the item table of ``recommender``.

    The split of a user's history is a function of (seed, user row, item row): the same items are
    hidden before and after a deletion, and in the oracle.
    """
    visible, hidden = split_histories(histories, seed)
    users = np.intersect1d(visible.active_users, hidden.active_users)
    if not len(users):
        return FoldInStatistic(users, np.zeros(0), np.zeros(0))
    table, geometry = _comparable(recommender)
    vectors = fold_in(table, visible, users, geometry)
    folded = _table_of(vectors, users, histories.n_users)
    probe = recommender.with_tables(folded, table)
    recall = evaluate(probe, hidden, exclude=visible, k=K, users=users).per_user[f"recall@{K}"]
    return FoldInStatistic(users, recall, mean_log_likelihood(probe, hidden, users))


def split_histories(histories: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """Visible and hidden part of every history: of n items, the round(n / 5) smallest draws are hidden.

    A user with one item has nothing to hide; from two on at least one is.
    """
    draw = keyed_uniform(stream_key(seed, "hidden items"), histories.users, histories.items)
    order = np.lexsort((draw, histories.users))
    rank = np.empty(len(histories), np.int64)
    rank[order] = np.arange(len(histories)) - histories.offsets[histories.users[order]]
    counts = histories.user_counts[histories.users]
    share = np.maximum(np.rint(counts * HIDDEN_SHARE), counts >= 2)
    hidden = rank < share
    return histories.where(~hidden), histories.where(hidden)


def _comparable(recommender: Recommender) -> tuple[np.ndarray, Geometry]:
    """Item table in a basis that does not depend on how the factorisation was parametrised.

    With free lengths, U Vᵀ = (U A)(V A⁻ᵀ)ᵀ for any A, but a regularised fold-in depends on A. So A is
    chosen such that the users' second moment is the identity. Spherical tables have no such freedom.
    """
    geometry = geometry_of(recommender)
    if geometry.spherical:
        return recommender.item_table, geometry
    users = recommender.user_table[np.any(recommender.user_table != 0, axis=1)].astype(np.float64)
    values, vectors = np.linalg.eigh(users.T @ users / max(len(users), 1))
    root = vectors * np.sqrt(np.maximum(values, values[-1] * 1e-9)) @ vectors.T  # A⁻¹, symmetric
    return (recommender.item_table @ root).astype(np.float32), geometry


def _table_of(vectors: np.ndarray, users: np.ndarray, n_users: int) -> np.ndarray:
    table = np.zeros((n_users, vectors.shape[1]), np.float32)
    table[users] = vectors
    return table
