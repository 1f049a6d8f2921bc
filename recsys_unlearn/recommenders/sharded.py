"""A factorisation per shard of the data, so that a deletion concerns the shards that held it and no other.

SISA (Bourtoule et al., 1912.03817) and RecEraser (Chen et al., 2201.06820). Its own way to be trained: a
plain factorisation cannot be cut into shards afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.partition import Partition, by_hash, by_interactions, by_items, by_users
from recsys_unlearn.recommenders.shard_attention import attended_tables
from recsys_unlearn.recommenders.sharded_options import ShardedOptions

SHARD_TABLES = ("shard_users", "shard_items")


class Sharded(EmbeddingRecommender):
    """Factorisations of the parts of a partition, and one pair of tables that aggregates them.

    For ``mean`` the tables are the shards' side by side, (n_users, shards · d) and (n_items, shards · d),
    so that an inner product is the mean score over the shards that know the user. For ``attention`` they
    have d columns.

    Attributes
    ----------
    shard_users, shard_items
        float32 (shards, n_users, d) and (shards, n_items, d); zeros for users whom a shard has not seen. Of
        length 0 where tables were set by something else than a training.
    user_group, item_group, cells
        The :class:`~recsys_unlearn.recommenders.partition.Partition`.
    """

    name = "sharded"
    options_type = ShardedOptions
    options: ShardedOptions
    arrays: ClassVar[tuple[str, ...]] = (
        *("user_table", "item_table", *SHARD_TABLES),
        *("user_group", "item_group", "cells"),
    )
    forgets_by = "shards"
    shard_users: np.ndarray
    shard_items: np.ndarray
    user_group: np.ndarray
    item_group: np.ndarray
    cells: np.ndarray

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Train every shard; with validation data, shard 0 decides how long all of them train."""
        options = self.options
        steps = options.steps_per_epoch or -(-len(interactions) // (options.shards * options.batch_size))
        self.retrain_options = replace(options, steps_per_epoch=steps)
        vars(self).update(vars(self._cut(interactions)))
        if validation is not None:
            first = self._part(interactions, 0)
            judged = Factorization(self.retrain_options).fit(first, validation.of_users(first.active_users))
            self.retrain_options = replace(self.retrain_options, epochs=judged.retrain_options.epochs)
        self.shard_users, self.shard_items = (
            np.zeros((options.shards, size, options.dim), np.float32)
            for size in (interactions.n_users, interactions.n_items)
        )
        self._train(interactions, range(options.shards), progress)

    def without(self, retained: Interactions, shards: Iterable[int], accounts: np.ndarray) -> Self:
        """Return another whose ``shards`` were trained again, on ``retained``; the rest is kept.

        A learned partition was told by the data of ``accounts`` where they belong: that is wiped.
        """
        other = self.with_state({name: array.copy() for name, array in self.state().items()})
        if self.options.partition != "hash":
            other.user_group[accounts] = 0
        other._train(retained, shards)
        return other

    @property
    def is_whole(self) -> bool:
        """Whether the shards are those that its tables aggregate; False where a method moved the tables."""
        return len(self.shard_users) > 0

    @property
    def partition(self) -> Partition:
        """Which shard a pair belongs to."""
        return Partition(self.user_group, self.item_group, self.cells)

    @property
    def geometry(self) -> LossGeometry:
        """Of a shard's loss."""
        return Factorization(self.options).with_tables(self.user_table, self.item_table).geometry

    def with_tables(self, user_table: np.ndarray, item_table: np.ndarray) -> Self:
        """Tables that something else than a training made; it did not move the shards, so they go."""
        state = self.state() | {"user_table": user_table, "item_table": item_table}
        gone = {name: state[name][:0] for name in SHARD_TABLES}
        return self.with_state(state | gone)

    @staticmethod
    def check_state(state: Mapping[str, np.ndarray]) -> None:
        """Two tables of one width, a table of each kind per shard, and whole-numbered groups."""
        EmbeddingRecommender.check_state({name: state[name] for name in ("user_table", "item_table")})
        if any(state[name].ndim != 3 or state[name].dtype != np.float32 for name in SHARD_TABLES):
            raise ValueError("the shards' tables are not stacks of matrices of float32")
        if any(state[name].dtype != np.int32 for name in ("user_group", "item_group", "cells")):
            raise ValueError("the partition is not of int32")

    def _train(
        self, interactions: Interactions, shards: Iterable[int], progress: Progress | None = None
    ) -> None:
        for number in shards:
            part = self._part(interactions, number)
            self.shard_users[number], self.shard_items[number] = 0, 0
            if len(part):
                model = Factorization(self.retrain_options).fit(part)
                self.shard_users[number], self.shard_items[number] = model.user_table, model.item_table
            if progress:
                progress("training shards", number + 1, self.options.shards)
        self.user_table, self.item_table = self._aggregated(interactions)

    def _part(self, interactions: Interactions, shard: int) -> Interactions:
        return interactions.where(self.partition.shard_of(interactions) == shard)

    def _cut(self, interactions: Interactions) -> Partition:
        options = self.options
        if options.partition == "hash":
            return by_hash(interactions, options.shards, options.seed)
        before = Factorization(replace(options, epochs=options.pretraining_epochs)).fit(interactions)
        if options.partition == "users":
            return by_users(interactions, before.user_table, options.shards, options.seed)
        if options.partition == "items":
            return by_items(interactions, before.item_table, options.shards, options.seed)
        tables = before.user_table, before.item_table
        return by_interactions(interactions, *tables, options.shards, options.seed)

    def _aggregated(self, interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
        if self.options.aggregation == "mean":
            return mean_tables(self.shard_users, self.shard_items)
        return attended_tables(self.shard_users, self.shard_items, interactions, self.options)


def mean_tables(shard_users: np.ndarray, shard_items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tables whose inner product is the mean score over the shards in which the user has a row.

    Item rows are divided by √shards and user rows multiplied by it, so that item rows of length one
    make an aggregated row of length one.
    """
    root = np.float32(np.sqrt(len(shard_users)))
    knows = (shard_users != 0).any(axis=2).sum(axis=0)
    users = shard_users * (root / np.maximum(knows, 1).astype(np.float32))[None, :, None]
    return np.concatenate(list(users), axis=1), np.concatenate(list(shard_items / root), axis=1)
