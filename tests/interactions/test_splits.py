import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_unlearn.interactions.columns import STRANGER, STRANGER_HELD_OUT, TEST, TRAIN, VALIDATION
from recsys_unlearn.interactions.splits import held_out, is_stranger, random_order, with_strangers

FRACTIONS = st.sampled_from([0.0, 0.1, 0.2, 0.29, 0.5, 0.9, 0.99])


def slow_held_out(users, order, items, test, validation):
    """One user after the other, in plain Python."""
    splits = [TRAIN] * len(users)
    for user in set(users):
        mine = sorted((n for n in range(len(users)) if users[n] == user), key=lambda n: (order[n], items[n]))
        n = len(mine)
        if n < 3:
            continue
        n_test = min(max(int(test * n + 1e-9), 1), n - 1) if test else 0
        n_validation = min(int(validation * (n - n_test) + 1e-9), n - n_test - 1)
        for position, index in enumerate(reversed(mine)):
            if position < n_test:
                splits[index] = TEST
            elif position < n_test + n_validation:
                splits[index] = VALIDATION
    return splits


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 50)), unique_by=lambda x: x[::2]),
    FRACTIONS,
    FRACTIONS,
)
def test_equals_the_slow_reference(rows, test, validation):
    users, order, items = (np.array([row[n] for row in rows], np.int64) for n in range(3))
    fast = held_out(users, order, items, test, validation)
    assert fast.tolist() == slow_held_out(users.tolist(), order.tolist(), items.tolist(), test, validation)


def test_the_latest_go_to_test_and_those_before_to_validation():
    users, times = np.zeros(10, int), np.array([5, 1, 9, 3, 7, 2, 8, 4, 6, 0])
    splits = held_out(users, times, np.arange(10), 0.2, 0.25)
    assert sorted(times[splits == TEST]) == [8, 9]
    assert sorted(times[splits == VALIDATION]) == [6, 7]


def test_ties_in_time_are_settled_by_the_item():
    splits = held_out(np.zeros(4, int), np.zeros(4), np.array([30, 10, 40, 20]), 0.25, 0)
    assert splits.tolist() == [TRAIN, TRAIN, TEST, TRAIN]


def test_a_short_history_stays_in_training_and_a_longer_one_keeps_one():
    users = np.array([0, 0, 1, 1, 1])
    assert held_out(users, np.arange(5), np.arange(5), 0.99, 0.99).tolist() == [TRAIN] * 3 + [TEST] * 2


def test_a_hundred_times_0_29_is_29():
    assert (held_out(np.zeros(100, int), np.arange(100), np.arange(100), 0.29, 0) == TEST).sum() == 29


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 99)), min_size=1), st.integers(0, 9))
def test_removing_a_user_moves_no_draw_of_another(pairs, gone):
    users, items = np.array(sorted(pairs), np.int64).T
    kept = users != gone
    whole = held_out(users, random_order(users, items, 7), items, 0.3, 0.3)
    rest = held_out(users[kept], random_order(users[kept], items[kept], 7), items[kept], 0.3, 0.3)
    assert whole[kept].tolist() == rest.tolist()


def test_random_splits_depend_on_the_seed():
    users, items = np.zeros(100, int), np.arange(100)
    first, second = (held_out(users, random_order(users, items, seed), items, 0.5, 0) for seed in (0, 1))
    assert (first != second).any()


def test_strangers_are_a_share_of_users_and_wholly_so():
    users = np.repeat(np.arange(10_000), 3)
    splits = with_strangers(np.zeros(30_000, np.int8), users, 0.05, seed=3)
    stranger = is_stranger(np.arange(10_000), 0.05, 3)
    assert 0.04 < stranger.mean() < 0.06
    assert ((splits == STRANGER) == stranger[users]).all()


def test_a_strangers_own_split_is_kept_in_the_mark():
    users = np.zeros(3, np.int64)
    splits = with_strangers(np.array([TRAIN, VALIDATION, TEST], np.int8), users, fraction=1.0, seed=0)
    assert splits.tolist() == [STRANGER, STRANGER_HELD_OUT, STRANGER_HELD_OUT]


@pytest.mark.parametrize("seed", range(3))
def test_no_strangers(seed):
    assert not is_stranger(np.arange(1000), 0, seed).any()
