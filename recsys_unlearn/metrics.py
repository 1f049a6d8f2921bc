"""Ranking metrics at a cut-off k, one value per user: recall, NDCG, reciprocal rank, hit rate; and coverage.

Every metric is a small function of a matrix ``hits`` (n, k): whether the item at each rank is one of
the user's test items. :func:`evaluate` ranks the whole catalogue with the training items masked.

Ties are broken towards the lower item row, as in ``Recommender.recommend``. What remains open is the
last bit of a matrix product, which depends on the number of users in it: two items whose scores
differ only by rounding may change places between this module's batches and another batch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from recsys_unlearn.errors import InvalidValue, NothingLeft, StoreError, UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress

SCORES_PER_BATCH = 2**24  # 64 MiB of float32; larger batches gain nothing, smaller ones repack the item table


class Scorer(Protocol):
    """Anything that scores the whole catalogue for some users; every ``Recommender`` does."""

    def scores(self, users: np.ndarray) -> np.ndarray:
        """float32 (len(users), n_items)."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Per-user results of one ranking.

    Parameters
    ----------
    k
        The cut-off.
    users
        int64 (n,): the evaluated user rows, all with at least one test item, ascending.
    per_user
        ``"recall@20"`` and so on, each to float64 (n,) in the order of ``users``.
    coverage
        Share of the catalogue that is in the top k of at least one of ``users``.
    """

    k: int
    users: np.ndarray
    per_user: Mapping[str, np.ndarray]
    coverage: float

    def mean(self) -> dict[str, float]:
        """Mean over users of every per-user metric, and coverage; keys such as ``"recall@20"``."""
        means = {name: float(values.mean()) for name, values in self.per_user.items()}
        return means | {f"coverage@{self.k}": self.coverage}

    def interval(
        self, name: str, generator: np.random.Generator, level: float = 0.95, resamples: int = 1000
    ) -> tuple[float, float]:
        """Percentile bootstrap interval of a mean over users (Efron, 1979).

        Raises
        ------
        UsageError
            If ``name`` is not one of the per-user metrics.
        """
        if name not in self.per_user:
            raise UsageError(f"no per-user metric {name!r}; there are {', '.join(self.per_user)}")
        values = self.per_user[name]
        means = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def evaluate(
    recommender: Scorer,
    test: Interactions,
    exclude: Interactions | None = None,
    k: int = 20,
    users: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the whole catalogue for every user with a test item and compare it with the test items.

    Parameters
    ----------
    recommender
        Scores the catalogue over the same id spaces as ``test``.
    exclude
        Pairs that are scored -inf, as a rule the training interactions.
    users
        Evaluate these user rows only; those without a test item are left out.

    Raises
    ------
    NothingLeft
        If no user has a test item.
    StoreError
        If recommender, ``test`` and ``exclude`` do not share one catalogue.
    InvalidValue
        If a score is NaN.
    """
    rows = test.active_users if users is None else np.intersect1d(test.active_users, users)
    if not len(rows):
        raise NothingLeft("no user to evaluate has a test item; use a test split, or other users")
    _check_catalogue(recommender, test, "test data")
    items = top_k(recommender, rows, k, exclude, progress)
    per_user = _per_user(find_hits(items, rows, test), test.user_counts[rows])
    return Evaluation(k, rows, {f"{n}@{k}": v for n, v in per_user.items()}, coverage(items, test.n_items))


def recall(hits: np.ndarray, test_sizes: np.ndarray) -> np.ndarray:
    """Share of a user's test items that are in the top k: ``|top-k ∩ test_u| / |test_u|``."""
    return hits.sum(axis=1) / test_sizes


def ndcg(hits: np.ndarray, test_sizes: np.ndarray) -> np.ndarray:
    """Binary discounted gain ``Σ 1/log2(rank + 1)`` over hits, by that of min(k, |test_u|) hits at the top.

    Järvelin & Kekäläinen (2002), with the ideal list cut at k as in LightGCN's evaluation.
    """
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discounts)[np.minimum(hits.shape[1], test_sizes) - 1]
    # Summed in the order of the ideal's sum, so that a perfect list is exactly 1 and nothing is above it.
    return np.cumsum(hits * discounts, axis=1)[:, -1] / ideal


def reciprocal_rank(hits: np.ndarray) -> np.ndarray:
    """One by the rank of the first hit; 0 without a hit. Its mean over users is MRR@k."""
    return hit_rate(hits) / (hits.argmax(axis=1) + 1)


def hit_rate(hits: np.ndarray) -> np.ndarray:
    """1.0 for a user with at least one hit, else 0.0."""
    return np.asarray(hits.any(axis=1), np.float64)


def coverage(items: np.ndarray, n_items: int) -> float:
    """Share of the ``n_items`` that occur in ``items``; -1 marks an empty slot."""
    return len(np.unique(items[items >= 0])) / n_items


def find_hits(items: np.ndarray, users: np.ndarray, test: Interactions) -> np.ndarray:
    """Bool (n, k): whether ``items[r, c]`` is a test item of ``users[r]``. An empty slot (-1) is a miss."""
    if not len(test):
        return np.zeros(items.shape, bool)
    codes = users.astype(np.int64)[:, None] * test.n_items + items
    places = np.searchsorted(test.pair_codes, codes).clip(max=len(test) - 1)
    return (test.pair_codes[places] == codes) & (items >= 0)


def top_k(
    recommender: Scorer,
    users: np.ndarray,
    k: int = 20,
    exclude: Interactions | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """int64 (len(users), k): the best item rows of each user, best first, in batches of bounded memory.

    Equal scores are in ascending order of item row. Items that the user has in ``exclude``, or that
    score -inf, are left out; where fewer than k remain, the last slots are -1.

    Raises
    ------
    UsageError
        If k is below 1.
    StoreError
        If recommender and ``exclude`` do not share one catalogue.
    InvalidValue
        If a score is NaN.
    """
    users = np.asarray(users, np.int64)
    if k < 1:
        raise UsageError(f"k is {k}; a ranking needs k of at least 1")
    if exclude is not None:
        _check_catalogue(recommender, exclude, "training data")
    ranked = np.full((len(users), k), -1, np.int64)
    for start, scores in _masked_scores(recommender, users, exclude):
        best = _best(scores, k)
        ranked[start : start + len(scores), : best.shape[1]] = best
        if progress is not None:
            progress("ranking", start + len(scores), len(users))
    return ranked


def _per_user(hits: np.ndarray, test_sizes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "recall": recall(hits, test_sizes),
        "ndcg": ndcg(hits, test_sizes),
        "mrr": reciprocal_rank(hits),
        "hit_rate": hit_rate(hits),
    }


def _masked_scores(
    recommender: Scorer, users: np.ndarray, exclude: Interactions | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (position of the first user, scores with ``exclude`` at -inf), valid until the next one."""
    n_items = _catalogue_size(recommender)
    size = max(1, min(len(users), SCORES_PER_BATCH // max(1, n_items)))
    own = np.empty((size, n_items), np.float32)  # the recommender's array may be its own: never write there
    for start in range(0, len(users), size):
        batch = users[start : start + size]
        masked = own[: len(batch)]
        np.copyto(masked, recommender.scores(batch))
        _mask(masked, batch, exclude)
        yield start, masked


def _mask(scores: np.ndarray, users: np.ndarray, exclude: Interactions | None) -> None:
    if exclude is not None:
        lines = np.repeat(np.arange(len(users)), exclude.user_counts[users])
        scores[lines, np.concatenate([exclude.items_of(user) for user in users])] = -np.inf


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """int64 (n, min(k, n_items)): top item rows by (score descending, row ascending), -1 for -inf."""
    fetched = min(k + 1, scores.shape[1])  # one more than needed shows whether the last place is a tie
    values, items = (part.numpy() for part in torch.topk(torch.from_numpy(scores), fetched))
    if np.isnan(values[:, 0]).any():  # topk ranks NaN above every number
        raise InvalidValue("a score is NaN, so items cannot be ranked; the tables are damaged: train again")
    if fetched > k:
        tied = (values[:, k - 1] == values[:, k]) & (values[:, k] > -np.inf)
        for line in np.flatnonzero(tied):
            _settle(items[line, :k], values[line, :k], scores[line])
    values, items = values[:, :k], items[:, :k]
    order = np.lexsort((items, -values))
    return np.where(np.isneginf(values), -1, np.take_along_axis(items, order, axis=1))


def _settle(items: np.ndarray, values: np.ndarray, scores: np.ndarray) -> None:
    """Give the last places of one user, which more items share than fit, to the lowest item rows."""
    tied = values == values[-1]
    items[tied] = np.flatnonzero(scores == values[-1])[: tied.sum()]


def _check_catalogue(recommender: Scorer, interactions: Interactions, what: str) -> None:
    if (n_items := _catalogue_size(recommender)) != interactions.n_items:
        raise StoreError(
            f"the recommender scores {n_items} items and the {what} has {interactions.n_items}: "
            "they are not of one data set; train a version on this store"
        )


def _catalogue_size(recommender: Scorer) -> int:
    return recommender.scores(np.zeros(1, np.int64)).shape[1]
