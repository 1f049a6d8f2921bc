"""Retained accounts that are nearly the same as a forgotten one.

If a copy of the forgotten history stays, even a retrain remembers it (Ye et al. 2025, arXiv 2501.16663).
No method can help, so the report must say so: how many there are, and which rows, so that the
operator can ask whether they are the same person.

The search is exact: one sparse product counts the items that a forgotten user shares with every
retained one, and the Jaccard index follows. An index of nearest neighbours would answer the same question
approximately, for vectors, and from a room that the audit does not know.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.incidence import incidence

THRESHOLD = 0.9
FEWEST_ITEMS = 5  # histories of two or three items coincide by chance
USERS_PER_BATCH = 512


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Pairs of a forgotten account and a retained one, most similar first.

    Parameters
    ----------
    forgotten, retained
        int64 (p,): user rows; never ids.
    similarity
        float64 (p,): Jaccard index of their items.
    """

    forgotten: np.ndarray
    retained: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.similarity)

    @property
    def rows(self) -> list[int]:
        """Retained rows that are near-duplicates of somebody forgotten, ascending."""
        return np.unique(self.retained).tolist()


def near_duplicates(
    forgotten: Interactions, retained: Interactions, threshold: float = THRESHOLD
) -> Duplicates:
    """Find accounts of ``retained`` whose items are nearly those of an account of ``forgotten``.

    Give whole histories: the parts that a random split leaves for training have less in common. Accounts
    of fewer than ``FEWEST_ITEMS`` items are not looked for.
    """
    users = np.flatnonzero(forgotten.user_counts >= FEWEST_ITEMS)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        similarity = jaccard(forgotten, batch, retained)
        near = similarity.data >= threshold
        found.append(
            (batch[similarity.row[near]], similarity.col[near].astype(np.int64), similarity.data[near])
        )
    ours, theirs, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    different = ours != theirs
    order = np.lexsort((theirs, ours, -values))
    order = order[different[order]]
    return Duplicates(ours[order], theirs[order], values[order])


def jaccard(forgotten: Interactions, users: np.ndarray, retained: Interactions) -> sparse.coo_array:
    """(len(users), n_users): |A ∩ B| / |A ∪ B| of the given forgotten users with every retained one."""
    shared = (incidence(forgotten)[users] @ incidence(retained).T).tocoo()
    sizes = forgotten.user_counts[users][shared.row] + retained.user_counts[shared.col]
    return sparse.coo_array((shared.data / (sizes - shared.data), (shared.row, shared.col)), shared.shape)


def nearest_similarity(retained: Interactions, forgotten: Interactions) -> np.ndarray:
    """float64 (n_users,): Jaccard index of each retained user with the most similar forgotten one."""
    nearest = np.zeros(retained.n_users)
    users = forgotten.active_users
    for start in range(0, len(users), USERS_PER_BATCH):
        similarity = jaccard(forgotten, users[start : start + USERS_PER_BATCH], retained)
        np.maximum.at(nearest, similarity.col, similarity.data)
    return nearest
