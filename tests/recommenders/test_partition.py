"""Shards: equal in size, alike inside, and by hash a function of nothing but the row."""

import numpy as np
import pytest

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.partition import (
    Partition,
    balanced_k_means,
    by_hash,
    by_interactions,
    by_items,
    by_users,
)

DRAW = np.random.default_rng(4)
CORNERS = np.array([[0, 0], [9, 0], [0, 9]], np.float32)


def clouds(sizes):
    """Points near three corners, and which corner each belongs to."""
    corner = np.repeat(np.arange(3), sizes)
    return (CORNERS[corner] + 0.1 * DRAW.standard_normal((len(corner), 2))).astype(np.float32), corner


# --- balanced k-means ----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "k"), [(30, 3), (31, 3), (10, 4), (7, 7)])
def test_no_cluster_is_larger_than_its_share(n, k):
    cluster = balanced_k_means(DRAW.standard_normal((n, 2)).astype(np.float32), k, seed=0)
    counts = np.bincount(cluster, minlength=k)
    assert counts.max() <= -(-n // k)
    assert counts.sum() == n


def test_clouds_of_one_size_are_found():
    points, corner = clouds([10, 10, 10])
    cluster = balanced_k_means(points, 3, seed=1)
    assert len({(a, b) for a, b in zip(corner, cluster, strict=True)}) == 3


def test_a_cloud_that_is_too_large_gives_away_those_who_are_nearest_to_another():
    """Sixteen, seven and seven: ten stay with the large one, and the small ones are not torn."""
    points, corner = clouds([16, 7, 7])
    cluster = balanced_k_means(points, 3, seed=1)
    assert np.bincount(cluster).tolist() == [10, 10, 10]
    assert all(len(set(cluster[corner == small])) == 1 for small in (1, 2))


def test_more_clusters_than_points():
    cluster = balanced_k_means(np.eye(2, dtype=np.float32), 5, seed=0)
    assert len(set(cluster)) == 2


# --- partitions ----------------------------------------------------------------------------------


def test_by_hash_nobody_moves_when_somebody_goes(train):
    whole, fewer = (by_hash(each, 4, seed=2) for each in (train, train.without_users([3, 9])))
    assert np.array_equal(whole.user_group, fewer.user_group)
    assert not np.array_equal(whole.user_group, by_hash(train, 4, seed=3).user_group)


def test_by_hash_shards_are_of_like_size_and_a_user_is_in_one():
    data = Interactions.from_pairs(np.repeat(np.arange(8_000), 2), np.tile([0, 1], 8_000))
    shard = by_hash(data, 4, seed=0).shard_of(data)
    np.testing.assert_allclose(np.bincount(shard), 4_000, rtol=0.05)
    assert np.array_equal(shard[::2], shard[1::2])


def test_by_users_and_by_items_go_by_the_vectors():
    data = Interactions.from_pairs(np.repeat(np.arange(6), 6), np.tile(np.arange(6), 6))
    vectors = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    of_users, of_items = (
        by_users(data, vectors, 2, seed=0).shard_of(data),
        by_items(data, vectors, 2, seed=0).shard_of(data),
    )
    for shard, rows in ((of_users, data.users), (of_items, data.items)):
        first, second = shard[rows < 3], shard[rows >= 3]
        assert len(set(first)) == len(set(second)) == 1
        assert first[0] != second[0]


def test_users_without_interactions_take_no_room():
    data = Interactions.from_pairs([0, 1, 2, 3], [0, 0, 0, 0], n_users=50)
    group = by_users(data, np.arange(100, dtype=np.float32).reshape(50, 2), 2, seed=0).user_group
    assert np.bincount(group[:4]).tolist() == [2, 2]


def test_by_interactions_cells_are_dealt_out_by_size(train, spherical):
    partition = by_interactions(train, spherical.user_table, spherical.item_table, 3, seed=0)
    assert partition.cells.shape == (3, 3)
    counts = np.bincount(partition.shard_of(train), minlength=3)
    assert counts.max() < 1.2 * counts.min()


def test_a_pair_is_where_its_cell_is():
    partition = Partition(np.array([0, 1], np.int32), np.array([1, 0], np.int32), np.array([[5, 6], [7, 8]]))
    data = Interactions.from_pairs([0, 0, 1, 1], [0, 1, 0, 1])
    assert partition.shard_of(data).tolist() == [6, 5, 8, 7]
