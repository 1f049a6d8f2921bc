"""What can be read off two versions: the attacker holds the tables before and after a deletion.

Unlearning may itself reveal what was unlearned (Chen et al. 2021, arXiv 2005.02205): the items whose
vectors moved are those of the user who left, and the row that is now empty says which user it was. A
single deletion cannot hide it. Deleting several people at once hides each behind the others, and an old
version that was never published, or was purged, cannot be compared. Here is how much is at stake.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender

USERS_PER_BATCH = 256

Scorer = Callable[[EmbeddingRecommender, EmbeddingRecommender, np.ndarray], np.ndarray]
"""(before, after, users (n,)) to float64 (n, n_items): how much each item looks deleted, per user."""


@dataclass(frozen=True, eq=False)
class Recovery:
    """How much of each forgotten user's items the attacker names.

    Parameters
    ----------
    users
        int64 (n,): user rows.
    precision
        Scorer to float64 (n,): precision of its |I_u| first guesses.
    chance
        float64 (n,): that of random guesses, |I_u| / n_items.
    """

    users: np.ndarray
    precision: dict[str, np.ndarray]
    chance: np.ndarray

    @property
    def best(self) -> tuple[str, float]:
        """Scorer with the highest mean precision among those that need both versions, and that mean."""
        means = {name: float(values.mean()) for name, values in self.precision.items() if name != BASELINE}
        name = max(means, key=means.__getitem__)
        return name, means[name]

    def as_dict(self) -> dict[str, float]:
        """Mean over users: each scorer's precision, and chance."""
        means = {name: float(values.mean()) for name, values in self.precision.items()}
        return {**means, "chance": float(self.chance.mean())}


def recover(before: EmbeddingRecommender, after: EmbeddingRecommender, forgotten: Interactions) -> Recovery:
    """Let every scorer of :data:`SCORERS` guess the items of the users of ``forgotten``."""
    users = forgotten.active_users
    precision = {name: np.zeros(len(users)) for name in SCORERS}
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        for name, scorer in SCORERS.items():
            scores = scorer(before, after, batch)
            precision[name][start : start + len(batch)] = _precision(scores, batch, forgotten)
    return Recovery(users, precision, forgotten.user_counts[users] / forgotten.n_items)


def movement(before: EmbeddingRecommender, after: EmbeddingRecommender, users: np.ndarray) -> np.ndarray:
    """‖v_i' - v_i‖, the same for every user: needs no user table."""
    moved = np.linalg.norm(_change(before, after), axis=1)
    return np.broadcast_to(moved, (len(users), len(moved)))


def projection(before: EmbeddingRecommender, after: EmbeddingRecommender, users: np.ndarray) -> np.ndarray:
    """(v_i - v_i') · x_u: how far each item moved away from the user whose row was dropped."""
    return -before.user_table[users].astype(np.float64) @ _change(before, after).T


def alignment(before: EmbeddingRecommender, after: EmbeddingRecommender, users: np.ndarray) -> np.ndarray:
    """Projection by movement: the cosine, for items that moved little because many others hold them."""
    moved = np.linalg.norm(_change(before, after), axis=1)
    return projection(before, after, users) / np.maximum(moved, np.finfo(np.float32).tiny)


def before_only(before: EmbeddingRecommender, after: EmbeddingRecommender, users: np.ndarray) -> np.ndarray:
    """v_i · x_u: the old version alone, without any difference. What the others add is above this."""
    return before.scores(users).astype(np.float64)


BASELINE = "before_only"
SCORERS: dict[str, Scorer] = {
    "movement": movement,
    "projection": projection,
    "alignment": alignment,
    BASELINE: before_only,
}


def _change(before: EmbeddingRecommender, after: EmbeddingRecommender) -> np.ndarray:
    return after.item_table.astype(np.float64) - before.item_table


def _precision(scores: np.ndarray, users: np.ndarray, forgotten: Interactions) -> np.ndarray:
    """Share of each user's items among as many highest scores; ties go to the lower item row."""
    found = np.empty(len(users))
    for line, user in enumerate(users):
        items = forgotten.items_of(user)
        guessed = np.argsort(-scores[line], kind="stable")[: len(items)]
        found[line] = np.isin(guessed, items).mean()
    return found
