"""Which users are asked to be forgotten: some are harder to forget than others.

The kinds are those of CURE4Rec (2408.14393: random, core, edge) and RUM (2406.01257: by memorisation and by
entanglement, which here is a cohort of one taste).
"""

from collections.abc import Callable

import numpy as np

from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender

FEWEST = 2  # interactions; of fewer the audit can hide none
EDGE_FEWEST = 5  # the least active of whom anything can be said


def random(train: Interactions, original: EmbeddingRecommender, users: np.ndarray, seed: int) -> np.ndarray:
    """Order users at random."""
    return users[np.argsort(keyed_uniform(stream_key(seed, "forgotten"), users))]


def core(train: Interactions, original: EmbeddingRecommender, users: np.ndarray, seed: int) -> np.ndarray:
    """Order users by activity, most active first; ties at random."""
    return _by(-train.user_counts[users].astype(float), users, seed)


def edge(train: Interactions, original: EmbeddingRecommender, users: np.ndarray, seed: int) -> np.ndarray:
    """Order users by activity, least active first, from five interactions on; ties at random."""
    counts = train.user_counts[users].astype(float)
    return _by(np.where(counts < EDGE_FEWEST, np.inf, counts), users, seed)


def memorised(
    train: Interactions, original: EmbeddingRecommender, users: np.ndarray, seed: int
) -> np.ndarray:
    """Order users by how well the original predicts what is hidden of them, best first.

    The fold-in log-likelihood as a member; what it would be as a stranger takes a model per user, and over
    a cohort of equal activity it varies less.
    """
    measured = fold_in_statistic(original, train.of_users(users), seed)
    level = np.full(train.n_users, -np.inf)
    level[measured.users] = measured.log_likelihood
    return _by(-level[users], users, seed)


def clustered(
    train: Interactions, original: EmbeddingRecommender, users: np.ndarray, seed: int
) -> np.ndarray:
    """Order users by the cosine of their vector to that of one user drawn at random, nearest first."""
    table = original.user_table[users]
    table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    centre = random(train, original, users, seed)[0]
    return _by(-(table @ table[users == centre][0]), users, seed)


COHORTS: dict[str, Callable[[Interactions, EmbeddingRecommender, np.ndarray, int], np.ndarray]] = {
    "random": random,
    "core": core,
    "edge": edge,
    "memorised": memorised,
    "clustered": clustered,
}


def draw_cohort(
    kind: str, train: Interactions, original: EmbeddingRecommender, share: float, seed: int
) -> np.ndarray:
    """User rows to forget, ascending: the share of the training users who come first in the kind's order.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    if kind not in COHORTS:
        raise UsageError(f"no cohort {kind!r}; there are {', '.join(COHORTS)}")
    users = np.flatnonzero(train.user_counts >= FEWEST)
    wanted = round(share * len(train.active_users))
    return np.sort(COHORTS[kind](train, original, users, seed)[:wanted])


def _by(score: np.ndarray, users: np.ndarray, seed: int) -> np.ndarray:
    return users[np.lexsort((keyed_uniform(stream_key(seed, "ties"), users), score))]
