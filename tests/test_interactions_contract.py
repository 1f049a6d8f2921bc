"""Interactions as sets of pairs: every operation against Python's own sets."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn.interactions.contract import Interactions, Splits, sample_users

N_USERS, N_ITEMS = 6, 5
PAIRS = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), max_size=25)
ROWS = st.lists(st.integers(0, N_USERS - 1), max_size=6)


def build(pairs):
    return Interactions.from_pairs([u for u, _ in pairs], [i for _, i in pairs], N_USERS, N_ITEMS)


def as_list(interactions):
    return list(zip(interactions.users.tolist(), interactions.items.tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_pairs_are_sorted_and_unique_in_any_order_of_input(pairs):
    built = build(pairs)
    assert as_list(built) == sorted(set(pairs))
    assert as_list(build(pairs[::-1])) == as_list(built)
    assert (built.n_users, built.n_items) == (N_USERS, N_ITEMS)
    assert built.users.dtype == built.items.dtype == np.int32


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_counts_and_histories(pairs):
    built, unique = build(pairs), set(pairs)
    for user in range(N_USERS):
        assert built.items_of(user).tolist() == sorted(i for u, i in unique if u == user)
    assert built.user_counts.tolist() == [sum(u == user for u, _ in unique) for user in range(N_USERS)]
    assert built.item_counts.tolist() == [sum(i == item for _, i in unique) for item in range(N_ITEMS)]
    assert built.active_users.tolist() == sorted({u for u, _ in unique})
    assert len(built) == len(unique)


@settings(deadline=None, max_examples=60)
@given(PAIRS, ROWS)
def test_users_out_and_users_only_are_complements(pairs, rows):
    built = build(pairs)
    assert as_list(built.of_users(rows)) == sorted({p for p in pairs if p[0] in rows})
    assert as_list(built.without_users(rows)) == sorted({p for p in pairs if p[0] not in rows})
    assert built.without_users(rows).n_users == N_USERS


@settings(deadline=None, max_examples=60)
@given(PAIRS, PAIRS)
def test_difference_and_union_are_those_of_sets(one, two):
    assert as_list(build(one).without(build(two))) == sorted(set(one) - set(two))
    assert as_list(build(one).union(build(two))) == sorted(set(one) | set(two))


def test_sizes_default_to_the_largest_row():
    built = Interactions.from_pairs([4, 0], [1, 7])
    assert (built.n_users, built.n_items) == (5, 8)


def test_nothing_at_all():
    empty = Interactions.from_pairs([], [], 3, 4)
    assert len(empty) == 0
    assert empty.user_counts.tolist() == [0, 0, 0]
    assert empty.items_of(2).tolist() == []
    assert len(empty.without_users([1])) == len(empty.union(empty)) == 0


def test_weights_and_times_travel_with_their_pairs():
    full = dataclasses.replace(
        build([(0, 1), (2, 3), (4, 0)]), weights=np.array([1, 2, 3], np.float32), times=np.array([7, 8, 9])
    )
    kept = full.without_users([2])
    assert kept.weights.tolist() == [1, 3]
    assert kept.times.tolist() == [7, 9]
    assert full.where(np.array([1])).times.tolist() == [8]


def test_a_subset_does_not_change_the_whole():
    whole = build([(0, 1), (2, 3)])
    before = whole.users.copy(), whole.user_counts.copy()
    whole.without_users([0]).users[:] = 5
    assert np.array_equal(whole.users, before[0])
    assert np.array_equal(whole.user_counts, before[1])


def test_an_interaction_set_cannot_be_reassigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        build([(0, 1)]).users = np.zeros(1)


def test_codes_identify_pairs_beyond_32_bits():
    large = Interactions.from_pairs([99_999, 99_999], [0, 99_998], 100_000, 100_000)
    assert large.pair_codes.tolist() == [9_999_900_000, 9_999_999_998]
    assert len(large.without(Interactions.from_pairs([99_999], [0], 100_000, 100_000))) == 1


@pytest.mark.parametrize("row", [N_USERS, -N_USERS - 1])
def test_a_row_outside_the_id_space_is_an_error(row):
    with pytest.raises(IndexError):
        build([(0, 1)]).without_users([row])


MANY = Interactions.from_pairs(range(50), [0] * 50, 50, 1)


def test_a_sample_of_users_is_always_the_same_one():
    chosen = sample_users(MANY, 10, "a test")
    assert len(chosen) == 10
    assert np.array_equal(chosen.users, sample_users(MANY, 10, "a test").users)
    assert not np.array_equal(chosen.users, sample_users(MANY, 10, "another").users)


def test_a_sample_changes_by_the_users_who_leave_and_no_others():
    chosen = set(sample_users(MANY, 10, "a test").active_users)
    leaver = min(chosen)
    assert len(chosen & set(sample_users(MANY.without_users([leaver]), 10, "a test").active_users)) == 9


def test_a_sample_of_few_users_is_all_of_them():
    assert len(sample_users(MANY, 60, "a test")) == 50


def test_everything_is_all_five_parts():
    parts = [build([(user, 1)]) for user in range(5)]
    assert as_list(Splits(*parts).everything()) == [(user, 1) for user in range(5)]


def test_pairs_beyond_a_given_space_stay_the_pairs_they_are():
    pairs = Interactions.from_pairs([0, 1, 1], [5, 0, 7], n_users=2, n_items=3)
    assert (pairs.users.tolist(), pairs.items.tolist()) == ([0, 1, 1], [5, 0, 7])
