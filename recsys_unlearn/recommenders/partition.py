"""Which shard a pair belongs to: by hash of its user, or in balanced groups of like users, items or both.

SISA (Bourtoule et al., 1912.03817) draws shards at random. RecEraser (Chen et al., 2201.06820, section 3.2)
keeps those together who learn from each other: balanced k-means on embeddings of a model trained before,
over users (UBP), items (IBP) or interactions (InBP). For the last, it clusters the pairs themselves; here
users and items are clustered and the cells of their product are dealt out by size, because a partition
that lists pairs would be a copy of everybody's history.
"""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator, keyed_hash, stream_key

ITERATIONS = 10  # of k-means


@dataclass(frozen=True, eq=False)
class Partition:
    """Shard of every (user, item), as groups of users, groups of items, and the shard of each cell.

    Parameters
    ----------
    user_group, item_group
        int32 (n_users,) and (n_items,).
    cells
        int32 (user groups, item groups): the shard.
    """

    user_group: np.ndarray
    item_group: np.ndarray
    cells: np.ndarray

    def shard_of(self, interactions: Interactions) -> np.ndarray:
        """int32 (n,): shard of each pair."""
        return self.cells[self.user_group[interactions.users], self.item_group[interactions.items]]


def by_hash(interactions: Interactions, shards: int, seed: int) -> Partition:
    """Each user with all their items in one shard, at random; depends on nobody's data."""
    group = keyed_hash(stream_key(seed, "shards"), np.arange(interactions.n_users)) % np.uint64(shards)
    return Partition(group.astype(np.int32), _one_group(interactions.n_items), _column(shards))


def by_users(interactions: Interactions, vectors: np.ndarray, shards: int, seed: int) -> Partition:
    """Groups of users with near ``vectors`` (n_users, d), equally many in each."""
    group = _grouped(vectors, interactions.active_users, shards, seed)
    return Partition(group, _one_group(interactions.n_items), _column(shards))


def by_items(interactions: Interactions, vectors: np.ndarray, shards: int, seed: int) -> Partition:
    """Groups of items with near ``vectors`` (n_items, d); a user is in many shards."""
    group = _grouped(vectors, np.arange(interactions.n_items), shards, seed)
    return Partition(_one_group(interactions.n_users), group, _column(shards).T)


def by_interactions(
    interactions: Interactions, users: np.ndarray, items: np.ndarray, shards: int, seed: int
) -> Partition:
    """Cells of user groups × item groups, the largest first, each to the shard with the fewest pairs."""
    of_users, of_items = (
        by_users(interactions, users, shards, seed).user_group,
        by_items(interactions, items, shards, seed).item_group,
    )
    sizes = np.zeros((shards, shards), np.int64)
    np.add.at(sizes, (of_users[interactions.users], of_items[interactions.items]), 1)
    load, cells = np.zeros(shards, np.int64), np.zeros((shards, shards), np.int32)
    for place in np.argsort(-sizes, axis=None, kind="stable"):
        cell = np.unravel_index(place, sizes.shape)
        cells[cell] = load.argmin()
        load[cells[cell]] += sizes[cell]
    return Partition(of_users, of_items, cells)


def balanced_k_means(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    """int32 (n,): cluster of each row, at most ceil(n / k) in each.

    In turns of assignment and means, as in Lloyd's algorithm, but a full cluster takes nobody: rows ask
    their nearest open centre, and a centre takes the nearest of those who ask.
    """
    start = generator(seed, "balanced k-means").choice(len(vectors), k, replace=len(vectors) < k)
    centres = vectors[start].astype(np.float64)
    for _ in range(ITERATIONS):
        distance = np.square(centres).sum(1) - 2 * vectors @ centres.T  # less the rows' own squares
        cluster = _assigned(distance, -(-len(vectors) // k))
        held = [vectors[cluster == each] for each in range(k)]
        centres = np.stack(
            [rows.mean(0) if len(rows) else old for rows, old in zip(held, centres, strict=True)]
        )
    return cluster


def _assigned(distance: np.ndarray, room: int) -> np.ndarray:
    """Cluster of each row, given how far it is from every centre, (n, k); no row is turned away by all."""
    distance, cluster = distance.copy(), np.full(len(distance), -1, np.int32)
    while (waiting := np.flatnonzero(cluster < 0)).size:
        wanted = distance[waiting].argmin(1)
        for centre in np.unique(wanted):
            asking = waiting[wanted == centre]
            left = room - int((cluster == centre).sum())
            cluster[asking[np.argsort(distance[asking, centre], kind="stable")[:left]]] = centre
            if len(asking) >= left:
                distance[:, centre] = np.inf
    return cluster


def _grouped(vectors: np.ndarray, rows: np.ndarray, shards: int, seed: int) -> np.ndarray:
    group = _one_group(len(vectors))
    group[rows] = balanced_k_means(vectors[rows], shards, seed)
    return group


def _one_group(size: int) -> np.ndarray:
    return np.zeros(size, np.int32)


def _column(shards: int) -> np.ndarray:
    return np.arange(shards, dtype=np.int32)[:, None]
