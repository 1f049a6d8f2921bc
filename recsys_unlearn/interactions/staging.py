"""From checked columns with ids to clean buckets of rows, a bucket at a time.

Only the distinct ids and one bucket are ever in memory; the rest streams from the source to
temporary files that hold row numbers and no ids.

Rows given here are provisional: a k-core may drop users and items, and the final rows are then the
survivors, numbered in the same order. Buckets are ranges of user rows, so that renumbering keeps
every row in its bucket, and the buckets one after the other are sorted by user.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recsys_unlearn.errors import UnreadableSource
from recsys_unlearn.interactions.columns import ITEM, SPLIT, TIME, USER, WEIGHT
from recsys_unlearn.randomness import generator

ORDER = "order"  # position in the source: of duplicates without a time, the first is kept
_BUCKET = "bucket"
_ID = "id"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Staged:
    """Provisional buckets on disk.

    Parameters
    ----------
    directory
        Where they are.
    ids
        ``user`` and ``item``: distinct ids; the id at position r belongs to provisional row r.
    n_buckets
        Number of buckets.
    """

    directory: Path
    ids: dict[str, pl.Series]
    n_buckets: int

    @property
    def n_users(self) -> int:
        """Number of provisional user rows."""
        return len(self.ids[USER])

    @property
    def n_items(self) -> int:
        """Number of provisional item rows."""
        return len(self.ids[ITEM])

    @property
    def starts(self) -> np.ndarray:
        """int64 (n_buckets + 1,): first user row of each bucket, and the end of the last."""
        return -(-np.arange(self.n_buckets + 1, dtype=np.int64) * self.n_users // self.n_buckets)

    def path(self, number: int) -> Path:
        """Return the file of a clean bucket."""
        return self.directory / f"{number}.parquet"

    def pairs(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Bucket number, users and items of each clean bucket."""
        for number in range(self.n_buckets):
            frame = pl.read_parquet(self.path(number), columns=[USER, ITEM], glob=False)
            yield number, frame[USER].to_numpy(), frame[ITEM].to_numpy()


def stage(frame: pl.LazyFrame, directory: Path, n_buckets: int, seed: int, progress: Progress) -> Staged:
    """Number the users at random and the items in order, and spread the rows over bucket directories.

    Raises
    ------
    UnreadableSource
        The source changed between two passes over it.
    """
    progress("reading ids", 0, 2)
    users = distinct(frame, USER)
    shuffled = users.gather(generator(seed, "user rows").permutation(len(users)))
    progress("reading ids", 1, 2)
    ids = {USER: shuffled, ITEM: distinct(frame, ITEM)}
    progress("reading ids", 2, 2)
    staged = Staged(directory, ids, min(n_buckets, len(users)))
    _sink(frame, staged)
    return staged


def distinct(frame: pl.LazyFrame, column: str) -> pl.Series:
    """Return the distinct ids of a column, ascending."""
    return frame.select(column).unique().collect(engine="streaming")[column].sort()


def clean(staged: Staged, progress: Progress) -> int:
    """Drop duplicates from every bucket and sort it by (user, item); return the number of rows read."""
    rows = 0
    for number in range(staged.n_buckets):
        frame = _raw(staged, number)
        rows += frame.height
        without_duplicates(frame).write_parquet(staged.path(number), compression="lz4")
        progress("removing duplicates", number + 1, staged.n_buckets)
    return rows


def without_duplicates(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the latest interaction of each pair, or the first in the source if they have no time."""
    by = [USER, ITEM, *([TIME] if TIME in frame.columns else []), ORDER]
    ordered = frame.sort(by, descending=[name == TIME for name in by])
    first = (pl.col(USER) != pl.col(USER).shift()) | (pl.col(ITEM) != pl.col(ITEM).shift())
    return ordered.filter(first.fill_null(True)).drop(ORDER)


def k_core(staged: Staged, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the largest set of users and items that have at least ``k`` interactions with each other.

    Returns
    -------
    tuple of numpy.ndarray
        bool (n_users,) and bool (n_items,): who is in it. Everybody, for ``k`` of 0 or 1.
    """
    users, items = np.ones(staged.n_users, bool), np.ones(staged.n_items, bool)
    while k > 1:
        user_counts, item_counts = _counts_within(staged, users, items)
        fewer_users, fewer_items = user_counts >= k, item_counts >= k
        if np.array_equal(fewer_users, users) and np.array_equal(fewer_items, items):
            break
        users, items = fewer_users, fewer_items
    return users, items


def _counts_within(staged: Staged, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    user_counts, item_counts = np.zeros(len(users), np.int64), np.zeros(len(items), np.int64)
    for _, u, i in staged.pairs():
        both = users[u] & items[i]
        user_counts += np.bincount(u[both], minlength=len(users))
        item_counts += np.bincount(i[both], minlength=len(items))
    return user_counts, item_counts


def _sink(frame: pl.LazyFrame, staged: Staged) -> None:
    numbered = frame.with_row_index(ORDER)
    for column, ids in staged.ids.items():
        rows = pl.LazyFrame({_ID: ids, f"{column} row": pl.arange(len(ids), dtype=pl.Int32, eager=True)})
        numbered = numbered.join(rows, left_on=column, right_on=_ID, how="inner")
    user, item = pl.col(f"{USER} row"), pl.col(f"{ITEM} row")
    bucket = (user.cast(pl.Int64) * staged.n_buckets // staged.n_users).cast(pl.Int16)
    kept = [name for name in frame.collect_schema() if name in (TIME, SPLIT)]
    weight = [pl.col(WEIGHT).cast(pl.Float32)] if WEIGHT in frame.collect_schema() else []
    rows = numbered.select(user.alias(USER), item.alias(ITEM), *weight, *kept, ORDER, bucket.alias(_BUCKET))
    target = pl.PartitionBy(staged.directory, key=_BUCKET, include_key=False)
    rows.sink_parquet(target, mkdir=True, compression="lz4", engine="streaming")


def _raw(staged: Staged, number: int) -> pl.DataFrame:
    files = sorted((staged.directory / f"{_BUCKET}={number}").glob("*.parquet"))
    if not files:  # every bucket has at least one user, and every user a row
        raise UnreadableSource("the source changed while it was read: ingest again when it is at rest")
    return pl.read_parquet(files, hive_partitioning=False, glob=False)
