"""Features against counting by hand, one user and one item at a time."""

import numpy as np
import pytest

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.side_features import BANDS, SideFeatures, bands


def by_hand(value):
    """Band of one number, by doubling its square until it is passed."""
    if value == 0:
        return 0
    band = 1
    while 2.0**band <= value**2 and band < BANDS - 1:
        band += 1
    return band


def test_two_bands_to_an_octave_and_none_for_nothing():
    values = np.array([0, 1, 1.41, 1.42, 2, 2.82, 2.83, 4, 1000, 1024])
    assert bands(values).tolist() == [0, 1, 1, 2, 3, 3, 4, 5, 20, 21]
    assert bands(values).tolist() == [by_hand(value) for value in values]


def test_the_last_band_has_no_end():
    assert bands(np.array([2.0**31 - 1, 2.0**31, 2.0**60])).tolist() == [BANDS - 2, BANDS - 1, BANDS - 1]


def test_features_of_a_few_users_counted_by_hand():
    """User 0 has items 0, 1, 2 and 3; user 1 item 0; user 2 items 0 and 3; user 3 and item 4 have nobody."""
    pairs = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 3)]
    features = SideFeatures.of(Interactions.from_pairs(*zip(*pairs, strict=True), n_users=4, n_items=5))
    # lengths 4, 1, 2, 0; mean popularity 7/4, 3, 5/2, none
    assert features.user.tolist() == [[5, 2], [1, 4], [3, 3], [0, 0]]
    # users 3, 1, 1, 2, 0; mean length of their histories 7/3, 4, 4, 3, none
    assert features.item.tolist() == [[4, 3], [1, 5], [1, 5], [3, 4], [0, 0]]


def test_features_of_everybody_equal_a_loop(train):
    features = SideFeatures.of(train)
    for user in range(train.n_users):
        items = train.items_of(user)
        mean = train.item_counts[items].mean() if len(items) else 0
        assert features.user[user].tolist() == [by_hand(len(items)), by_hand(mean)]
    for item in range(train.n_items):
        users = train.users[train.items == item]
        mean = train.user_counts[users].mean() if len(users) else 0
        assert features.item[item].tolist() == [by_hand(len(users)), by_hand(mean)]


def test_who_is_removed_is_not_counted():
    full = Interactions.from_pairs([0, 1, 2, 2], [0, 0, 0, 1], n_users=3, n_items=2)
    left = SideFeatures.of(full.without_users([1, 2]))
    alone = SideFeatures.of(Interactions.from_pairs([0], [0], n_users=3, n_items=2))
    for side in ("user", "item"):
        assert np.array_equal(getattr(left, side), getattr(alone, side))
        assert not np.array_equal(getattr(left, side), getattr(SideFeatures.of(full), side))


@pytest.mark.parametrize("side", ["user", "item"])
def test_features_are_rows_of_int64(train, side):
    table = getattr(SideFeatures.of(train), side)
    assert table.dtype == np.int64
    assert table.shape == (getattr(train, f"n_{side}s"), 2)
