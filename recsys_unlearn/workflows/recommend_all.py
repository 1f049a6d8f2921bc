"""The served version's best items for everybody, in one parquet file."""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_unlearn.durable import replacing
from recsys_unlearn.errors import NothingLeft, UsageError
from recsys_unlearn.interactions import InteractionStore
from recsys_unlearn.interactions.contract import UserRow
from recsys_unlearn.progress import Progress
from recsys_unlearn.workflows.recommend import best_items
from recsys_unlearn.workflows.version_files import Opened, open_version
from recsys_unlearn.workspace import Workspace

USERS_PER_BATCH = 2048  # a row group of the file; memory is bounded by it whatever the number of users


@dataclass(frozen=True)
class RecommendedAll:
    """What was written.

    Parameters
    ----------
    path
        The file: columns ``user``, ``rank`` (1 is best), ``item`` and ``score``, ids as text.
    users, rows
        How many users got a list, and how many lines that makes.
    left_out
        Users whom the version has forgotten while their data is still to be erased: they get no list.
    version
        Which version answered.
    """

    path: str
    users: int
    rows: int
    left_out: int
    version: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the result with stable keys, for JSON."""
        return asdict(self)


def recommend_all(
    workspace: Workspace, path: Path, k: int = 100, progress: Progress | None = None
) -> RecommendedAll:
    """Write the champion's top k of every user with a history to a parquet file, batch by batch.

    Members are served by their row, strangers by a vector fitted to their history; nobody is recommended
    what they have. The file holds user ids and is readable by its owner alone. A deletion does not reach
    it: write it again after one, or filter it.

    Raises
    ------
    UsageError
        k is below 1, or the file would lie among the workspace's own.
    NothingLeft
        Nobody has a history.
    VersionError, StoreError
        As for :func:`recsys_unlearn.workflows.recommend.recommend`.
    """
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least 1 item")
    _check_outside(workspace, path)
    start, store = time.perf_counter(), workspace.store()
    champion = open_version(workspace.registry(), store)
    lists = _Lists(store, champion, k)
    if not len(lists.users):
        raise NothingLeft("no user of this workspace has a history to recommend from; ingest some first")
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        rows = _write(temporary, lists.tables(progress))
    seconds = time.perf_counter() - start
    return RecommendedAll(str(path), len(lists.users), rows, lists.left_out, champion.version.number, seconds)


def _check_outside(workspace: Workspace, path: Path) -> None:
    """Lists of user ids do not belong where versions and the store lie."""
    place = Path(os.path.realpath(path))
    for own in (workspace.root / "data", workspace.root / "mlruns"):
        if place.is_relative_to(os.path.realpath(own)):
            raise UsageError(f"{path} lies in the workspace's own {own.name}/; write the lists elsewhere")


class _Lists:
    """The lists of everybody whom the version may serve."""

    def __init__(self, store: InteractionStore, champion: Opened, k: int) -> None:
        splits = store.splits()
        self.histories, self.k, self.user_ids = splits.everything(), k, store.user_ids()
        self.recommender, self.index = champion.recommender(), champion.index()
        self.items = np.array([str(item) for item in store.item_ids(range(store.n_items))], dtype=object)
        served = self.recommender.members | (splits.train.user_counts == 0)  # members and strangers
        active = self.histories.active_users
        served[active] &= np.isin(active, list(self.user_ids))
        self.users = active[served[active]]
        self.left_out = len(active) - len(self.users)

    def tables(self, progress: Progress | None) -> Iterator[pa.Table]:
        """One table for each batch of users, in the order of their rows."""
        for first in range(0, len(self.users), USERS_PER_BATCH):
            batch = self.users[first : first + USERS_PER_BATCH]
            yield self._table(batch)
            if progress:
                progress("recommending", first + len(batch), len(self.users))

    def _table(self, batch: np.ndarray) -> pa.Table:
        items, scores = best_items(self.index, self.recommender, self.histories, batch, self.k)
        line, place = np.nonzero(items >= 0)
        users = [str(self.user_ids[UserRow(row)]) for row in batch[line].tolist()]
        return pa.table(
            {
                "user": pa.array(users, pa.string()),
                "rank": pa.array((place + 1).astype(np.int32)),
                "item": pa.array(self.items[items[line, place]], pa.string()),
                "score": pa.array(scores[line, place].astype(np.float32)),
            }
        )


def _write(path: Path, tables: Iterator[pa.Table]) -> int:
    """Write the tables as row groups of one file; return the number of lines."""
    writer, rows = None, 0
    try:
        for table in tables:
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            rows += table.num_rows
    finally:
        if writer:
            writer.close()
    return rows
