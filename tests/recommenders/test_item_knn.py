"""Item-kNN by hand, and its counts after deletions against counting again."""

import numpy as np
import pytest

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.item_item_options import ItemKnnOptions
from recsys_unlearn.recommenders.item_knn import ItemKnn


@pytest.fixture
def small():
    """Item 0 with 1 three times, 0 with 2 once, 3 alone."""
    users, items = [0, 0, 1, 1, 2, 2, 3, 3, 4], [0, 1, 0, 1, 0, 1, 0, 2, 3]
    return Interactions.from_pairs(users, items, 5, 4)


def test_weights_by_hand(small):
    weights = ItemKnn(ItemKnnOptions(neighbours=3, shrinkage=2.0)).fit(small).weights.toarray()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 3 / (np.sqrt(4 * 3) + 2)
    expected[0, 2] = expected[2, 0] = 1 / (np.sqrt(4 * 1) + 2)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_only_the_most_similar_have_a_weight(small):
    weights = ItemKnn(ItemKnnOptions(neighbours=1, shrinkage=0.0)).fit(small).weights.toarray()
    assert np.argwhere(weights).tolist() == [[0, 1], [1, 0], [2, 0]]


def test_of_equally_similar_items_the_first_are_kept():
    even = Interactions.from_pairs([0] * 6, range(6), 1, 6)
    weights = ItemKnn(ItemKnnOptions(neighbours=2)).fit(even).weights
    assert weights[5].indices.tolist() == [0, 1]
    assert weights[0].indices.tolist() == [1, 2]


def test_scores_are_sums_over_the_history(small):
    model = ItemKnn(ItemKnnOptions(neighbours=3, shrinkage=2.0)).fit(small)
    weights = model.weights.toarray()
    np.testing.assert_allclose(model.scores(np.array([3]), small)[0], weights[0] + weights[2], rtol=1e-6)


def test_a_pair_that_nobody_has_any_more_is_not_kept_as_a_zero(small):
    left = ItemKnn().fit(small).without(small.of_users([3]), small.without_users([3]))
    assert (left.counts > 0).all()
    assert left.columns.tolist() == [0, 1, 1, 3]


def test_a_second_fit_does_not_keep_the_first_one_s_weights(small):
    model = ItemKnn().fit(small)
    before = model.weights.toarray()
    after = model.fit(small.without_users([0, 1])).weights.toarray()
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.ones(3, np.float32)}, "not lists of whole numbers"),
        ({"starts": np.array([0, 2])}, "where the rows of counts begin"),
        ({"starts": np.array([0, 5, 2, 5, 5])}, "where the rows of counts begin"),
        ({"columns": np.array([0, 1, 9, 1, 2], np.int32)}, "an item that is not in the catalogue"),
        ({"in_use": np.ones(5, np.float32)}, "in_use is not a list of true and false"),
    ],
)
def test_counts_that_do_not_fit_together_are_refused(small, change, message):
    model = ItemKnn().fit(small.without_users([4]))
    with pytest.raises(ValueError, match=message):
        model.with_state(model.state() | change)


def test_options_are_refused_all_at_once():
    with pytest.raises(ConfigError, match="neighbours must be above 0; shrinkage must not be negative"):
        ItemKnnOptions(neighbours=0, shrinkage=-1.0)
