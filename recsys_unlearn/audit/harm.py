"""Who pays for a deletion? Change of quality for those who stay, by group.

A mean over all retained users hides that those most like the forgotten lose most, or the few who want
rare items (Nasirigerdeh et al. 2024, arXiv 2407.07539; Krishnan et al. 2025, arXiv 2504.05058).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsys_unlearn.audit.membership import Estimate, mean_estimate
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import Evaluation, find_hits, top_k
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.contract import Recommender

GROUPS = 10


@dataclass(frozen=True)
class Harm:
    """Change of quality in one group.

    Parameters
    ----------
    low, high
        Range of what the groups were formed by: similarity, or popularity.
    users
        Number of users in it.
    change
        Mean over users, after minus before; below 0 is harm.
    """

    low: float
    high: float
    users: int
    change: Estimate

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def by_similarity(
    before: Evaluation, after: Evaluation, similarity: np.ndarray, metric: str = "ndcg@20", seed: int = 0
) -> list[Harm]:
    """Change of ``metric`` by decile of similarity to the forgotten, least similar first.

    Parameters
    ----------
    before, after
        Evaluations of the same retained users.
    similarity
        float64 (n_users,): of every user row, as :func:`recsys_unlearn.audit.duplicates.nearest_similarity`.
    """
    change = after.per_user[metric] - before.per_user[metric]
    return grouped(similarity[before.users], change, seed)


def by_popularity(
    before: Recommender,
    after: Recommender,
    test: Interactions,
    train: Interactions,
    k: int = 20,
    seed: int = 0,
) -> list[Harm]:
    """Change of Recall@k on the test items of each tenth of the interactions by popularity, rarest first.

    A user counts in every group in which they have test items. Popularity is the number of training
    interactions; groups are of test items, so that each holds about as many.
    """
    hits = [_hit_pairs(each, test, train, k) for each in (before, after)]
    popularity = train.item_counts[test.items].astype(np.float64)
    found = []
    for number, chosen in enumerate(_deciles(popularity)):
        users = test.users[chosen]
        members, line = np.unique(users, return_inverse=True)
        sums = np.bincount(line, hits[1][chosen].astype(np.float64) - hits[0][chosen])
        change = sums / np.bincount(line)
        estimate = mean_estimate(change, generator(seed, "harm by popularity", number))
        found.append(Harm(*_range(popularity[chosen]), len(members), estimate))
    return found


def grouped(by: np.ndarray, change: np.ndarray, seed: int = 0) -> list[Harm]:
    """Mean change, with its bootstrap interval, in each decile of ``by``."""
    return [
        Harm(*_range(by[chosen]), len(chosen), mean_estimate(change[chosen], generator(seed, "harm", number)))
        for number, chosen in enumerate(_deciles(by))
    ]


def worst(harms: Sequence[Harm]) -> Harm:
    """The group that lost most."""
    return min(harms, key=lambda harm: harm.change.value)


def _deciles(by: np.ndarray) -> list[np.ndarray]:
    """Positions of each tenth, lowest first; ties are settled by position, and no tenth is empty."""
    parts = np.array_split(np.argsort(by, kind="stable"), min(GROUPS, max(len(by), 1)))
    return [part for part in parts if len(part)]


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _hit_pairs(recommender: Recommender, test: Interactions, train: Interactions, k: int) -> np.ndarray:
    """Bool (len(test),): whether each test pair is in its user's top k."""
    users = test.active_users
    ranked = top_k(recommender, users, k, exclude=train)
    line, place = np.nonzero(find_hits(ranked, users, test))
    codes = users[line].astype(np.int64) * test.n_items + ranked[line, place]
    return np.isin(test.pair_codes, codes)
