"""The type that every other room works on: interactions as rows of two fixed id spaces.

``UserId``/``ItemId`` are the caller's own ids; ``UserRow``/``ItemRow`` number the rows of the
embedding tables. Only the store's vault can turn one into the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import NewType

import numpy as np

from recsys_unlearn.randomness import keyed_uniform, stream_key

UserId = str | int
ItemId = str | int
UserRow = NewType("UserRow", int)
ItemRow = NewType("ItemRow", int)


@dataclass(frozen=True, eq=False)
class Interactions:
    """User-item pairs, sorted by (user, item), without duplicates.

    Parameters
    ----------
    users, items
        int32 (n,): user row and item row of each interaction.
    n_users, n_items
        Size of the id spaces. They do not shrink when a user is removed: row numbers stay put.
    weights
        float32 (n,) or None: strength of each interaction, such as a rating.
    times
        int64 (n,) or None: seconds since the epoch.
    """

    users: np.ndarray
    items: np.ndarray
    n_users: int
    n_items: int
    weights: np.ndarray | None = None
    times: np.ndarray | None = None

    @classmethod
    def from_pairs(
        cls,
        users: Iterable[int],
        items: Iterable[int],
        n_users: int | None = None,
        n_items: int | None = None,
    ) -> "Interactions":
        """Build from row numbers in any order; duplicates are dropped."""
        u, i = np.asarray(users, np.int64), np.asarray(items, np.int64)
        n_users, n_items = (
            int(rows.max(initial=-1)) + 1 if size is None else size
            for rows, size in ((u, n_users), (i, n_items))
        )
        # With n_items alone, an item beyond the space would become another user's.
        width = max(n_items, int(i.max(initial=0)) + 1)
        u, i = np.divmod(np.unique(u * width + i), width)
        return cls(u.astype(np.int32), i.astype(np.int32), n_users, n_items)

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64 (n_users + 1,): user row r's interactions are ``items[offsets[r]:offsets[r + 1]]``."""
        counts = np.bincount(self.users, minlength=self.n_users)
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def user_counts(self) -> np.ndarray:
        """int64 (n_users,): number of interactions of each user row."""
        return np.diff(self.offsets)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """int64 (n_items,): number of interactions of each item row."""
        return np.bincount(self.items, minlength=self.n_items)

    @cached_property
    def active_users(self) -> np.ndarray:
        """int64: user rows with at least one interaction, ascending."""
        return self.users[np.diff(self.users, prepend=-1) > 0].astype(np.int64)

    def items_of(self, user: int) -> np.ndarray:
        """int32: item rows of one user row, ascending; empty for a row that is not in use."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def where(self, keep: np.ndarray) -> "Interactions":
        """Subset by a boolean mask or by positions in ascending order; the id spaces stay as they are."""
        optional = (None if column is None else column[keep] for column in (self.weights, self.times))
        return Interactions(self.users[keep], self.items[keep], self.n_users, self.n_items, *optional)

    def of_users(self, rows: Iterable[int]) -> "Interactions":
        """Return the interactions of the given user rows; the others are not looked at."""
        return self.where(self.runs(np.unique(np.fromiter(rows, np.int64)))[1])

    def runs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the interactions of user rows, in the order of ``rows``; the others are not looked at.

        Returns
        -------
        numpy.ndarray, numpy.ndarray
            int64 (p,) both: whose each is, as a position in ``rows``, and where in ``users`` it is.
        """
        wanted = rows.astype(self.users.dtype)  # of another type they would be compared with a copy
        starts, ends = (np.searchsorted(self.users, wanted, side=side) for side in ("left", "right"))
        counts = ends - starts
        before = np.cumsum(counts) - counts  # where each user's run starts in the result
        places = np.repeat(starts - before, counts) + np.arange(counts.sum())
        return np.repeat(np.arange(len(rows)), counts), places

    def without_users(self, rows: Iterable[int]) -> "Interactions":
        """Everything but the interactions of the given user rows."""
        return self.where(~self._is_in(rows)[self.users])

    def without(self, other: "Interactions") -> "Interactions":
        """Everything but the pairs that are in ``other``, whose users are the only ones looked at."""
        places = self.runs(other.active_users)[1]
        keep = np.ones(len(self), bool)
        keep[places[other.holds(self.where(places))]] = False
        return self.where(keep)

    def holds(self, other: "Interactions") -> np.ndarray:
        """Bool (len(other),): which pairs of ``other`` are among these."""
        same = self.of_users(other.active_users).pair_codes
        if not len(same):
            return np.zeros(len(other), bool)
        places = np.minimum(np.searchsorted(same, other.pair_codes), len(same) - 1)
        return same[places] == other.pair_codes

    def union(self, other: "Interactions") -> "Interactions":
        """Pairs of both, without weights and times."""
        codes = np.concatenate([self.pair_codes, other.pair_codes])
        codes.sort(kind="stable")  # merges two sorted runs; np.union1d hashes, thirty times as slow
        codes = codes[np.diff(codes, prepend=-1) > 0]
        users, items = (part.astype(np.int32) for part in np.divmod(codes, self.n_items))
        return Interactions(users, items, self.n_users, self.n_items)

    @cached_property
    def pair_codes(self) -> np.ndarray:
        """int64 (n,): ``user * n_items + item``, ascending; identifies a pair."""
        return self.users.astype(np.int64) * self.n_items + self.items

    def _is_in(self, rows: Iterable[int]) -> np.ndarray:
        mask = np.zeros(self.n_users, bool)
        mask[np.fromiter(rows, np.int64)] = True
        return mask


def sample_users(interactions: Interactions, most: int, purpose: str) -> Interactions:
    """Interactions of at most ``most`` users, who are always the same ones for a ``purpose``."""
    users = interactions.active_users
    draw = keyed_uniform(stream_key(0, purpose), users)
    return interactions.of_users(users[np.argsort(draw)[:most]])


@dataclass(frozen=True)
class Splits:
    """The disjoint parts of a data set, over the same id spaces.

    The last two belong to the strangers, users whom no training ever sees and who occur in none of the
    other parts: ``strangers`` is what training would have seen of them, ``strangers_held_out`` what
    validation and test would have.
    """

    train: Interactions
    validation: Interactions
    test: Interactions
    strangers: Interactions
    strangers_held_out: Interactions

    def user_rows(self) -> np.ndarray:
        """int64: rows of all users who have interactions in any part, ascending."""
        parts = (self.train, self.validation, self.test, self.strangers, self.strangers_held_out)
        return np.flatnonzero(sum(part.user_counts for part in parts))

    def everything(self) -> Interactions:
        """All pairs of all parts."""
        parts = (self.validation, self.test, self.strangers, self.strangers_held_out)
        return reduce(Interactions.union, parts, self.train)
