"""The attack that sees lists alone finds what was learnt by heart, and nothing in strangers."""

import numpy as np
import pytest

from recsys_unlearn.audit.membership import membership_auc
from recsys_unlearn.audit.ranked_lists import list_overlap
from recsys_unlearn.audit.statistic import split_histories
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions


@pytest.fixture(scope="module")
def by_heart():
    """Items that mean nothing, and a model that knows the first half of the users."""
    draw = np.random.default_rng(2)
    items = np.concatenate([draw.choice(40, 10, replace=False) for _ in range(72)])
    everybody = Interactions.from_pairs(np.repeat(np.arange(72), 10), items, 72, 40)
    members, others = everybody.of_users(range(36)), everybody.of_users(range(36, 72))
    options = FactorizationOptions(dim=32, epochs=120, batch_size=64, negatives=40, learning_rate=0.05)
    return Factorization(options).fit(members), members, others


def test_members_lists_hold_more_of_what_was_hidden(by_heart):
    model, members, others = by_heart
    scores = [list_overlap(model, side, members, k=10)[1] for side in (members, others)]
    assert membership_auc(*scores) > 0.7


def test_strangers_against_strangers_is_chance(by_heart):
    model, members, others = by_heart
    one, two = (others.of_users(rows) for rows in (range(36, 54), range(54, 72)))
    scores = [list_overlap(model, side, members, k=10)[1] for side in (one, two)]
    assert membership_auc(*scores) == pytest.approx(0.5, abs=0.25)


def test_the_public_list_knows_none_of_those_attacked(by_heart):
    """Whether they are among the retained that are given makes no difference."""
    model, members, _ = by_heart
    few = members.of_users([0, 1])
    one, two = (list_overlap(model, few, known)[1] for known in (members, members.without_users([0, 1])))
    assert one.tolist() == two.tolist()


def test_the_score_by_hand(by_heart):
    """NDCG of the two hidden items in either list; rank 1 of the model's own list counts 1 / 1.63."""
    model, members, _ = by_heart
    users, scores = list_overlap(model, members.of_users([4]), members, k=1)
    visible, hidden = split_histories(members.of_users([4]), 0)
    served = model.canonical().folded_in(visible).scores(np.array([4]))[0]
    served[visible.items_of(4)] = -np.inf
    gain = float(served.argmax() in hidden.items_of(4))
    assert users.tolist() == [4]
    assert scores[0] in (gain, gain - 1)  # the public list's first item is right or wrong


def test_nobody_with_anything_to_hide(by_heart, train):
    model, members, _ = by_heart
    first = members.where(np.unique(members.users, return_index=True)[1])
    users, scores = list_overlap(model, first, members)
    assert len(users) == len(scores) == 0
