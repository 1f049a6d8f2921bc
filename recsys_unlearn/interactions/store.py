"""The training store: interactions by row, and the vault that alone knows whose rows they are.

::

    store.json                            manifest: counts, digests, options; no user ids
    vault.db                              user row <-> user id
    items.parquet                         item row <-> item id
    interactions/bucket=NNN.parquet       user, item, weight?, time?, split
    interactions/bucket=NNN.G.parquet     the same bucket as rewritten by erasure number G
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from recsys_unlearn import durable
from recsys_unlearn.errors import StoreError, UnknownItem, UnknownUser, UsageError
from recsys_unlearn.interactions import buckets
from recsys_unlearn.interactions.building import recover, sweep
from recsys_unlearn.interactions.columns import ITEM, SPLIT, SPLIT_NAMES, USER
from recsys_unlearn.interactions.contract import Interactions, ItemId, ItemRow, Splits, UserId, UserRow
from recsys_unlearn.interactions.ids import as_text, from_text
from recsys_unlearn.interactions.manifest import Bucket, Manifest
from recsys_unlearn.interactions.splits import is_stranger
from recsys_unlearn.interactions.vault import Vault

VAULT = "vault.db"
ITEMS = "items.parquet"
ITEM_ROW, ITEM_ID = "row", "id"

# An erasure takes milliseconds. What is older than this when a store is opened was left by a crash,
# while a younger file may be another process's, at work.
_ABANDONED_AFTER_SECONDS = 3600


@dataclass(frozen=True)
class Erased:
    """What an erasure removed.

    Parameters
    ----------
    users
        Number of accounts whose id was removed from the vault.
    interactions
        Number of interactions removed, of all splits together.
    """

    users: int
    interactions: int


class InteractionStore:
    """A training store on disk. Use ``InteractionStore.open``; ``ingest`` makes one.

    Attributes
    ----------
    directory
        Where it is.
    manifest
        Its counts, digests and options.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self._vault = Vault(directory / VAULT)

    @classmethod
    def open(cls, directory: str | Path) -> "InteractionStore":
        """Open a store; reads the manifest and nothing else.

        Raises
        ------
        StoreError
            There is no store, or its manifest is damaged.
        """
        directory = Path(directory)
        recover(directory)
        manifest = Manifest.read(directory)
        store = cls(directory, manifest)
        store._sweep(older_than=_ABANDONED_AFTER_SECONDS)
        return store

    @property
    def store_id(self) -> str:
        """Random name that this store keeps for life."""
        return self.manifest.store_id

    @property
    def generation(self) -> int:
        """Number of erasures since the ingest."""
        return self.manifest.generation

    @property
    def n_users(self) -> int:
        """Size of the user id space; a deletion does not shrink it."""
        return self.manifest.n_users

    @property
    def n_items(self) -> int:
        """Size of the item id space."""
        return self.manifest.n_items

    @property
    def sizes(self) -> dict[str, int]:
        """Number of interactions by name of split."""
        return self.manifest.sizes

    @property
    def digest(self) -> str:
        """Hash of the set of (user row, item row, split): equal for equal content, without any id."""
        return self.manifest.digest

    def splits(self) -> Splits:
        """Read all interactions, as the four disjoint parts.

        Raises
        ------
        StoreError
            A bucket is missing or damaged, or has changed since the store was opened.
        """
        frame = self._read(self.manifest.buckets)
        split = frame[SPLIT].to_numpy()
        return Splits(*(self._interactions(frame, split == part) for part in range(len(SPLIT_NAMES))))

    def settled_splits(self) -> Splits:
        """Read all interactions, after finishing an erasure that was killed half-way.

        Its users have no id any more, so that nobody could ask for them again. For writers: the caller
        holds the workspace's lock.
        """
        splits = self.splits()
        gone = np.setdiff1d(splits.user_rows(), self.known_rows())
        if not len(gone):
            return splits
        self.erase(gone)
        return self.splits()

    def history(self, row: int) -> Interactions:
        """Return one user's interactions, all splits together; reads one bucket."""
        bucket = self.manifest.buckets[self._bucket_of(self._checked([row]))[0]]
        frame = self._read([bucket])
        return self._interactions(frame, frame[USER].to_numpy() == row)

    def is_stranger(self, row: int) -> bool:
        """Whether the user row is one that no training ever sees."""
        options = self.manifest.options
        return bool(is_stranger(np.array([row]), options["strangers"], options["seed"])[0])

    def user_row(self, user_id: UserId) -> UserRow:
        """Row of a user, given the id as a string or a whole number.

        Raises
        ------
        UnknownUser
            Never ingested, filtered out, or forgotten.
        """
        text = as_text(user_id, self.manifest.user_id_kind)
        row = None if text is None else self._vault.row_of(text)
        if row is None:
            raise UnknownUser("no such user in this workspace: never ingested, filtered out, or forgotten")
        return UserRow(row)

    def user_rows(self, user_ids: Iterable[UserId]) -> np.ndarray:
        """int64: row of each user id, -1 where there is none; for many at once."""
        texts = [as_text(user_id, self.manifest.user_id_kind) for user_id in user_ids]
        return np.array([-1 if row is None else row for row in self._vault.rows_of(texts)], np.int64)

    def user_ids(self) -> dict[UserRow, UserId]:
        """Row and id of everybody who has not been forgotten."""
        kind = self.manifest.user_id_kind
        return {UserRow(row): from_text(text, kind) for row, text in self._vault.entries()}

    def user_id(self, row: int) -> UserId:
        """Id of a user row, in the caller's own type.

        Raises
        ------
        UnknownUser
            The row was forgotten, or there is no such row.
        """
        text = self._vault.id_of(int(row))
        if text is None:
            raise UnknownUser(f"user row {row} has no id in this workspace: forgotten, or no such row")
        return from_text(text, self.manifest.user_id_kind)

    def known_rows(self) -> np.ndarray:
        """int64: user rows that have not been forgotten, ascending."""
        return np.array(self._vault.rows(), np.int64)

    def item_row(self, item_id: ItemId) -> ItemRow:
        """Row of an item, given the id as a string or a whole number.

        Raises
        ------
        UnknownItem
            The item is not in the catalogue.
        """
        row = self._item_rows.get(as_text(item_id, self.manifest.item_id_kind))
        if row is None:
            raise UnknownItem("no such item in this workspace's catalogue: check the id's spelling")
        return ItemRow(row)

    def item_ids(self, rows: Iterable[int]) -> list[ItemId]:
        """Ids of item rows, in the caller's own type."""
        kind = self.manifest.item_id_kind
        try:
            return [from_text(self._item_texts[row], kind) for row in rows]
        except IndexError:
            raise UnknownItem(f"item rows go from 0 to {self.n_items - 1}") from None

    def to_frame(self) -> pl.DataFrame:
        """Everything with the caller's own ids as text: ``user, item, weight?, time?, split``."""
        users = pl.DataFrame(
            self._vault.entries(), schema={USER: pl.Int32, "user id": pl.String}, orient="row"
        )
        items = pl.DataFrame({"item id": self._item_texts}).with_row_index(ITEM).cast({ITEM: pl.Int32})
        names = dict(enumerate(SPLIT_NAMES))
        frame = self._read(self.manifest.buckets).join(users, on=USER).join(items, on=ITEM)
        ids = frame.with_columns(pl.col("user id").alias(USER), pl.col("item id").alias(ITEM))
        named = pl.col(SPLIT).replace_strict(names, return_dtype=pl.String)
        return ids.drop("user id", "item id").with_columns(named)

    def erase(self, accounts: Iterable[int] = (), pairs: Interactions | None = None) -> Erased:
        """Remove accounts with all they did, and single interactions of others.

        New bucket files first, then the vault, then the manifest, which makes the new files count;
        each step is durable before the next. After a crash the store is as it was, except that some
        of the accounts may have lost their id; the same call then completes the work. On a store
        that holds none of it nothing is written.

        Parameters
        ----------
        accounts
            User rows: their interactions in every split and their vault entries go.
        pairs
            Interactions to remove from whichever split holds them; their users stay.

        Raises
        ------
        UsageError
            A row that this store never had.
        StoreError
            A part of the store is missing or damaged; nothing was changed.
        """
        self._sweep()
        rows = self._checked(accounts)
        rewritten = dict(self._rewritten_without(rows, pairs))
        if not rewritten and not self._vault.knows_any(rows.tolist()):
            return Erased(0, 0)
        durable.sync(self._interactions_at)
        before = sum(self.sizes.values())
        users = self._vault.erase(rows.tolist())
        self.manifest = self.manifest.rewritten(rewritten)
        self.manifest.write(self.directory)
        self._sweep()
        return Erased(users, before - sum(self.sizes.values()))

    def _rewritten_without(
        self, rows: np.ndarray, pairs: Interactions | None
    ) -> Iterator[tuple[int, Bucket]]:
        pair_users = np.empty(0, np.int64) if pairs is None else self._checked(np.unique(pairs.users))
        codes = np.empty(0, np.int64) if pairs is None else self._codes(pairs.users, pairs.items)
        for number in np.unique(self._bucket_of(np.concatenate([rows, pair_users]))).tolist():
            bucket = self.manifest.buckets[number]
            frame = self._read([bucket])
            users, items = frame[USER].to_numpy(), frame[ITEM].to_numpy()
            gone = np.isin(users, rows) | np.isin(self._codes(users, items), codes)
            if gone.any():
                path = self._interactions_at / buckets.file_name(number, self.generation + 1)
                yield number, buckets.write(path, frame.filter(~gone), bucket.start)
                durable.sync(path)

    def _codes(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return users.astype(np.int64) * self.n_items + items

    def _checked(self, rows: Iterable[int]) -> np.ndarray:
        unique = np.unique(np.fromiter(rows, np.int64))
        if len(unique) and (unique[0] < 0 or unique[-1] >= self.n_users):
            raise UsageError(f"user rows go from 0 to {self.n_users - 1}: look them up with user_row")
        return unique

    def _bucket_of(self, rows: np.ndarray) -> np.ndarray:
        starts = [bucket.start for bucket in self.manifest.buckets]
        return np.searchsorted(starts, rows, side="right") - 1

    def _read(self, chosen: Iterable[Bucket]) -> pl.DataFrame:
        return buckets.read(self._interactions_at, chosen)

    def _interactions(self, frame: pl.DataFrame, keep: np.ndarray) -> Interactions:
        return buckets.interactions(frame, self.n_users, self.n_items, keep)

    @property
    def _interactions_at(self) -> Path:
        return self.directory / buckets.DIRECTORY

    @cached_property
    def _item_texts(self) -> list[str]:
        path = self.directory / ITEMS
        try:
            texts = pl.read_parquet(path, glob=False).sort(ITEM_ROW)[ITEM_ID].to_list()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            texts = []
        if len(texts) != self.n_items:
            raise StoreError(
                f"{path} is missing or damaged: restore it from a backup, or ingest again with --replace"
            )
        return texts

    @cached_property
    def _item_rows(self) -> dict[str | None, int]:
        return {text: row for row, text in enumerate(self._item_texts)}

    def _sweep(self, older_than: float = 0) -> None:
        """Remove half-made files, and buckets of a generation that never came or has passed."""
        sweep(self.directory, older_than=older_than)
        sweep(self._interactions_at, older_than=older_than)
        current = {bucket.file for bucket in self.manifest.buckets}
        stray = [path for path in self._interactions_at.glob("bucket=*") if path.name not in current]
        for path in stray:
            sweep(self._interactions_at, path.name, older_than)
        if stray:
            durable.sync(self._interactions_at)
