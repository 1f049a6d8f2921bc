import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn.audit.duplicates import FEWEST_ITEMS, near_duplicates, nearest_similarity
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.interactions.synthetic import SyntheticOptions, generate


def histories(lists, n_items=60):
    pairs = [(user, item) for user, items in lists.items() for item in items]
    users, items = zip(*pairs, strict=True)
    return Interactions.from_pairs(users, items, 20, n_items)


EVERYBODY = histories(
    {
        0: range(20),
        1: range(1, 21),  # 19 of 21: .905
        2: range(2, 22),  # 18 of 22: .818
        3: range(20),
        4: range(40, 44),
        5: range(40, 44),  # equal, and too short to say anything
        6: range(10, 60),
    }
)


def slow_jaccard(one, two):
    return len(set(one) & set(two)) / len(set(one) | set(two))


def test_twins_are_found_most_similar_first():
    found = near_duplicates(EVERYBODY.of_users([0]), EVERYBODY.without_users([0]))
    assert found.retained.tolist() == [3, 1]
    assert found.forgotten.tolist() == [0, 0]
    np.testing.assert_allclose(found.similarity, [1, 19 / 21])
    assert found.rows == [1, 3]
    assert len(found) == 2


def test_the_threshold_is_the_callers():
    found = near_duplicates(EVERYBODY.of_users([0]), EVERYBODY.without_users([0]), threshold=0.8)
    assert found.rows == [1, 2, 3]


def test_short_histories_are_not_looked_for():
    assert FEWEST_ITEMS == 5
    assert len(near_duplicates(EVERYBODY.of_users([4]), EVERYBODY.without_users([4]))) == 0


def test_an_account_is_no_duplicate_of_itself():
    """Even where the caller forgot to take it out."""
    assert near_duplicates(EVERYBODY.of_users([6]), EVERYBODY).rows == []


def test_nobody_forgotten_has_no_duplicates():
    assert near_duplicates(EVERYBODY.of_users([]), EVERYBODY).rows == []


def test_a_retained_account_that_resembles_two_is_named_once():
    found = near_duplicates(EVERYBODY.of_users([0, 1]), EVERYBODY.without_users([0, 1]))
    assert found.rows == [2, 3]  # 2 is near 1, 3 near both
    assert len(found) == 3


LISTS = st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=8), min_size=4, max_size=8)


@settings(deadline=None, max_examples=60)
@given(LISTS)
def test_similarities_are_those_of_plain_sets(lists):
    data = histories(dict(enumerate(lists)), n_items=10)
    forgotten, retained = data.of_users([0, 1]), data.without_users([0, 1])
    nearest = nearest_similarity(retained, forgotten)
    for user in range(2, len(lists)):
        assert nearest[user] == pytest.approx(max(slow_jaccard(lists[user], lists[f]) for f in (0, 1)))
    assert nearest[:2].tolist() == [0, 0]


def test_batches_change_nothing(monkeypatch):
    whole = near_duplicates(EVERYBODY.of_users([0, 1, 3]), EVERYBODY.without_users([0, 1, 3]), 0.1)
    monkeypatch.setattr("recsys_unlearn.audit.duplicates.USERS_PER_BATCH", 1)
    again = near_duplicates(EVERYBODY.of_users([0, 1, 3]), EVERYBODY.without_users([0, 1, 3]), 0.1)
    assert sorted(zip(whole.forgotten, whole.retained, strict=True)) == sorted(
        zip(again.forgotten, again.retained, strict=True)
    )


def test_the_households_of_the_synthetic_data_are_found_and_nobody_else():
    data = generate(SyntheticOptions(n_users=200, n_items=300, mean_history=40, households=6, outliers=0))
    ids = {name: row for row, name in enumerate(sorted(data.frame["user"].unique()))}
    items = {name: row for row, name in enumerate(sorted(data.frame["item"].unique()))}
    everybody = Interactions.from_pairs(
        [ids[u] for u in data.frame["user"]], [items[i] for i in data.frame["item"]], len(ids), len(items)
    )
    first = [ids[one] for one, _ in data.households]
    enough = [row for row in first if everybody.user_counts[row] >= 20]  # shorter ones copy whole, or miss .9
    found = near_duplicates(everybody.of_users(enough), everybody.without_users(enough))
    twins = {ids[one]: ids[two] for one, two in data.households}
    assert found.rows == sorted(twins[row] for row in enough)
