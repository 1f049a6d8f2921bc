"""Harm that was planted in one group is found there and nowhere else."""

import json

import numpy as np
import pytest

from recsys_unlearn.audit.harm import GROUPS, by_popularity, by_similarity, grouped, worst
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import Evaluation
from recsys_unlearn.recommenders.factorization import Factorization


def evaluation(users, values):
    return Evaluation(20, users, {"ndcg@20": np.asarray(values, float)}, 1.0)


def test_the_decile_that_lost_is_found():
    users = np.arange(0, 400, 2)
    similarity = np.random.default_rng(0).random(400)
    before = np.full(200, 0.5)
    close = similarity[users] >= np.quantile(similarity[users], 0.9)
    after = before - 0.2 * close
    found = by_similarity(evaluation(users, before), evaluation(users, after), similarity)
    assert len(found) == GROUPS and sum(group.users for group in found) == 200
    assert [group.change.value for group in found] == pytest.approx([0] * 9 + [-0.2])
    assert worst(found) is found[-1]
    assert found[-1].low >= found[-2].high
    assert found[-1].high == similarity[users].max()


def test_noise_alone_harms_nobody_for_certain():
    """Of ten intervals at 95 %, nine or ten hold nought nearly always; at least seven must."""
    draw = np.random.default_rng(1)
    found = grouped(draw.random(500), draw.normal(size=500))
    assert sum(group.change.low <= 0 <= group.change.high for group in found) >= 7


def test_few_users_make_few_groups_and_none_is_empty():
    found = grouped(np.array([3.0, 1.0, 2.0]), np.array([0.3, 0.1, 0.2]))
    assert [(group.low, group.users, group.change.value) for group in found] == [
        (1.0, 1, 0.1),
        (2.0, 1, 0.2),
        (3.0, 1, 0.3),
    ]
    assert grouped(np.zeros(0), np.zeros(0)) == []


def test_the_seed_fixes_the_intervals():
    draw = np.random.default_rng(2)
    by, change = draw.random(50), draw.normal(size=50)
    assert grouped(by, change, 0) == grouped(by, change, 0) != grouped(by, change, 1)


def test_it_is_json():
    found = [group.as_dict() for group in grouped(np.arange(30.0), np.arange(30.0))]
    assert json.loads(json.dumps(found)) == found
    assert set(found[0]) == {"low", "high", "users", "change"}


# --- by popularity -------------------------------------------------------------------------------


def recommender(scores):
    scores = np.asarray(scores, np.float32)
    return Factorization().with_tables(scores, np.eye(scores.shape[1], dtype=np.float32))


@pytest.fixture
def shop():
    """Item i is in i + 1 training histories, of users 10 to 19; user i has it to test, for i below 10."""
    pairs = [(10 + n, item) for item in range(10) for n in range(item + 1)]
    train = Interactions.from_pairs(*zip(*pairs, strict=True), 20, 10)
    test = Interactions.from_pairs(range(10), range(10), 20, 10)
    return train, test


def test_harm_to_rare_items_is_found_by_popularity(shop):
    """Everybody found their item; after the deletion those of the three rarest do not."""
    train, test = shop
    right = np.zeros((20, 10))
    right[range(10), range(10)] = 1
    wrong = right.copy()
    wrong[:3] = 0
    wrong[:3, 9] = 1
    found = by_popularity(recommender(right), recommender(wrong), test, train, k=1)
    assert [group.change.value for group in found] == [-1] * 3 + [0] * 7
    assert [(group.low, group.high) for group in found] == [(n + 1, n + 1) for n in range(10)]
    assert worst(found).low <= 3


def test_a_user_counts_once_in_a_group_with_the_mean_of_their_items(monkeypatch):
    """Two test items in the one group, one of them lost: -1/2, not -1."""
    monkeypatch.setattr("recsys_unlearn.audit.harm.GROUPS", 1)
    train = Interactions.from_pairs([5], [9], 6, 10)
    test = Interactions.from_pairs([0, 0], [0, 1], 6, 10)
    before, after = np.zeros((6, 10)), np.zeros((6, 10))
    before[0, :2], after[0, [0, 5]] = 1, 1
    (group,) = by_popularity(recommender(before), recommender(after), test, train, k=2)
    assert (group.change.value, group.users) == (-0.5, 1)


def test_what_does_not_change_harms_nobody(trained, train, strangers):
    found = by_popularity(trained, trained, strangers, train, k=5)
    assert all((group.change.value, group.change.low, group.change.high) == (0, 0, 0) for group in found)
