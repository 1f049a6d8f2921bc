"""Interactions of people who do not exist, shaped like those of people who do.

Popularity has a long tail, tastes are low-rank and clustered and drift a little over two years, some
households hold two accounts with nearly the same history, and a few users are outliers: very
active, and drawn to what hardly anyone else takes. Who is which is known, so that tests have right answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.interactions.columns import ITEM, TIME, USER
from recsys_unlearn.randomness import generator

RATING = "rating"

_START = 1_704_067_200  # 2024-01-01 00:00 UTC
_SECONDS = 2 * 365 * 86_400
_CHUNK = 512  # users whose scores of all items are in memory at once


@dataclass(frozen=True)
class SyntheticOptions:
    """Shape of a synthetic data set.

    Parameters
    ----------
    n_users, n_items
        Sizes, households' second accounts and outliers included.
    mean_history
        Mean number of interactions of an ordinary user; histories are log-normally distributed.
    n_clusters
        Number of groups of users with a common taste.
    dimension
        Rank of the matrix of tastes.
    taste
        Weight of taste against popularity, in units of the logit; 0 makes everyone follow the crowd.
    popularity
        Exponent of the Zipf law of item popularity.
    drift
        How far a taste moves over the two years, as a share of its own length.
    households
        Number of pairs of accounts with nearly the same history (Jaccard index at least 0.9).
    outliers
        Number of very active users to whom the unpopular items are the popular ones.
    seed
        Equal options give equal data.
    """

    n_users: int = 2_000
    n_items: int = 1_200
    mean_history: float = 40.0
    n_clusters: int = 24
    dimension: int = 16
    taste: float = 6.0
    popularity: float = 1.0
    drift: float = 0.25
    households: int = 20
    outliers: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        problems = [f"{name} must be at least 1" for name in _COUNTS if getattr(self, name) < 1]
        if 2 * self.households + self.outliers > self.n_users:
            problems.append("households (two users each) and outliers together exceed n_users")
        if not 1 <= self.mean_history <= self.n_items / 4:
            problems.append("mean_history must lie between 1 and a quarter of n_items")
        if problems:
            raise ConfigError("synthetic options cannot be used:\n" + "\n".join(f"  {p}" for p in problems))


_COUNTS = ("n_users", "n_items", "n_clusters", "dimension")

SPARSE = SyntheticOptions(n_users=10_000, n_items=5_000, mean_history=14.0, n_clusters=48, households=100)


@dataclass(frozen=True)
class SyntheticData:
    """A synthetic data set and what is known about it.

    Parameters
    ----------
    frame
        ``user`` and ``item`` (text), ``rating`` (1 to 5), ``time`` (seconds since 1970), by time.
    households
        Pairs of user ids that share a household.
    outliers
        User ids of the outliers.
    """

    frame: pl.DataFrame
    households: list[tuple[str, str]]
    outliers: list[str]


def generate(options: SyntheticOptions | None = None) -> SyntheticData:
    """Draw a data set; the same options give the same data."""
    options = options or SyntheticOptions()
    names = _names("user", options.n_users, options.seed)
    first = options.n_users - options.outliers - options.households
    twins = [(first - 1 - n, first + n) for n in range(options.households)]
    outliers = range(options.n_users - options.outliers, options.n_users)
    histories = dict(_histories(options, outliers))
    draw = generator(options.seed, "synthetic households")
    for original, copy in twins:
        histories[copy] = _copied(histories[original], options.n_items, draw)
    return SyntheticData(
        _frame(histories, names, options),
        [(names[a], names[b]) for a, b in twins],
        [names[user] for user in outliers],
    )


History = tuple[np.ndarray, np.ndarray, np.ndarray]  # items, ratings and times of one user


def _histories(options: SyntheticOptions, outliers: range) -> Iterator[tuple[int, History]]:
    draw = generator(options.seed, "synthetic")
    tastes, items = _tastes(options, draw)
    turns = options.drift * draw.standard_normal(tastes.shape).astype(np.float32) / options.dimension**0.5
    popularity = _popularity(options, draw)
    lengths = _lengths(options, draw)
    lengths[outliers] = min(8 * options.mean_history, options.n_items / 3)
    for start in range(0, options.n_users, _CHUNK):
        users = slice(start, min(start + _CHUNK, options.n_users))
        halves = [(tastes[users] + side * turns[users]) @ items.T for side in (-1, 1)]
        for n, (early, late) in enumerate(zip(*halves, strict=True)):
            user = start + n
            crowd = popularity * (-1 if user in outliers else 1)
            yield user, _history(early, late, options.taste, crowd, lengths[user], draw)


def _tastes(options: SyntheticOptions, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, float32: users scattered around their cluster's taste, items everywhere."""
    centres = draw.standard_normal((options.n_clusters, options.dimension))
    cluster = draw.integers(options.n_clusters, size=options.n_users)
    users = centres[cluster] + 0.5 * draw.standard_normal((options.n_users, options.dimension))
    genres = centres[draw.integers(options.n_clusters, size=options.n_items)]
    items = genres + 0.7 * draw.standard_normal((options.n_items, options.dimension))
    return tuple((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in (users, items))


def _popularity(options: SyntheticOptions, draw: np.random.Generator) -> np.ndarray:
    """Log of a Zipf law over the items, in random order."""
    return -options.popularity * np.log(draw.permutation(options.n_items) + 1.0)


def _lengths(options: SyntheticOptions, draw: np.random.Generator) -> np.ndarray:
    sigma = 0.6
    lengths = options.mean_history * np.exp(sigma * draw.standard_normal(options.n_users) - sigma**2 / 2)
    return np.clip(np.rint(lengths), 3, options.n_items // 2).astype(np.int64)


def _history(
    early: np.ndarray,
    late: np.ndarray,
    taste: float,
    popularity: np.ndarray,
    length: int,
    draw: np.random.Generator,
) -> History:
    """Draw items without replacement (Gumbel top-k), half by the early taste and half by the late."""
    first = _top(taste * early + popularity + draw.gumbel(size=len(early)), length // 2)
    logits = taste * late + popularity + draw.gumbel(size=len(late))
    logits[first] = -np.inf
    items = np.concatenate([first, _top(logits, length - length // 2)])
    liking = np.where(np.arange(length) < length // 2, early[items], late[items])
    ratings = np.clip(np.rint(3.0 + 1.6 * liking + 0.7 * draw.standard_normal(length)), 1, 5).astype(np.int64)
    joined = _SECONDS * 0.5 * draw.random()
    times = _START + joined + (_SECONDS - joined) * np.sort(draw.random(length))
    return items, ratings, times.astype(np.int64)


def _top(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the k highest, in an order that says nothing about their rank."""
    return np.argpartition(scores, len(scores) - k)[len(scores) - k :]


def _copied(history: History, n_items: int, draw: np.random.Generator) -> History:
    """Another account of the same household: one in twenty items replaced, everything a little later."""
    items, ratings, times = (part.copy() for part in history)
    replaced = draw.choice(len(items), len(items) // 20, replace=False)
    others = np.setdiff1d(np.arange(n_items), items)
    items[replaced] = draw.choice(others, len(replaced), replace=False)
    return items, ratings, times + draw.integers(60, 86_400, len(times))


def _frame(histories: dict[int, History], names: list[str], options: SyntheticOptions) -> pl.DataFrame:
    item_names = np.array(_names("item", options.n_items, options.seed))
    items, ratings, times = (np.concatenate(parts) for parts in zip(*histories.values(), strict=True))
    users = np.repeat(np.array(names)[list(histories)], [len(history[0]) for history in histories.values()])
    columns = {USER: users, ITEM: item_names[items], RATING: ratings, TIME: times}
    return pl.DataFrame(columns).sort(TIME, USER, ITEM)


def _names(what: str, n: int, seed: int) -> list[str]:
    """Ids in random order, as accounts are not opened in the order of their tastes."""
    width = len(str(n))
    return [f"{what}-{k + 1:0{width}d}" for k in generator(seed, "synthetic names", what).permutation(n)]
