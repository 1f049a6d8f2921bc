"""What difficulty explains is taken out; what membership adds is not."""

import numpy as np
import pytest

from recsys_unlearn.audit.cross_fit import folds
from recsys_unlearn.audit.difficulty import (
    CROWD,
    FEWEST_STRANGERS,
    Difficulty,
    neighbour_scores,
    neighbourhood,
)
from recsys_unlearn.audit.membership import membership_auc
from recsys_unlearn.audit.statistic import split_histories
from recsys_unlearn.interactions.contract import Interactions


def dense(interactions):
    table = np.zeros((interactions.n_users, interactions.n_items))
    table[interactions.users, interactions.items] = 1
    return table


def slow_neighbour_scores(visible, user, retained):
    """Cosine of every item's column with each visible item's, one pair at a time."""
    table = dense(retained)
    scores = np.zeros(retained.n_items)
    for item in range(retained.n_items):
        for seen in visible.items_of(user):
            lengths = np.sqrt(table[:, item].sum() * table[:, seen].sum())
            scores[item] += (table[:, item] @ table[:, seen]) / max(lengths, 1)
    scores[visible.items_of(user)] = 0
    return scores


def test_neighbours_are_scored_as_written(train, strangers):
    visible, _ = split_histories(strangers, 0)
    users = visible.active_users[:4]
    found = neighbour_scores(visible, users, train)
    for line, user in zip(found, users, strict=True):
        np.testing.assert_allclose(line, slow_neighbour_scores(visible, user, train), atol=1e-9)


def test_the_chance_of_a_hidden_item_by_hand(train, strangers, monkeypatch):
    monkeypatch.setattr("recsys_unlearn.audit.difficulty.USERS_PER_BATCH", 5)
    visible, hidden = split_histories(strangers, 0)
    crowd = (train.item_counts + 1) / (train.item_counts + 1).sum()
    found = neighbourhood(visible, hidden, train)
    for chance, user, item in zip(found, hidden.users, hidden.items, strict=True):
        scores = slow_neighbour_scores(visible, user, train)
        assert chance == pytest.approx((1 - CROWD) * scores[item] / scores.sum() + CROWD * crowd[item])


def test_chances_of_a_user_sum_to_one(train, strangers):
    """Were every item hidden that is not visible, their chances would be all there is, but for the crowd's
    share of the visible."""
    visible, _ = split_histories(strangers.of_users([61]), 0)
    rest = np.setdiff1d(np.arange(40), visible.items_of(61))
    every = Interactions.from_pairs([61] * len(rest), rest, 72, 40)
    crowd = (train.item_counts + 1) / (train.item_counts + 1).sum()
    total = neighbourhood(visible, every, train).sum()
    assert total == pytest.approx(1 - CROWD * crowd[visible.items_of(61)].sum())


@pytest.mark.parametrize("cross_fitted", [True, False])
def test_the_users_own_trace_is_not_in_it(tastes, train, cross_fitted):
    """Members who are audited are not among those counted: the reference is as blind to them."""
    members = train.of_users([3, 8, 21])
    one = Difficulty.of(members, train, 1, cross_fitted)
    two = Difficulty.of(members, train.without_users([3, 8, 21]), 1, cross_fitted)
    assert one.covariates.tolist() == two.covariates.tolist()
    assert one.users.tolist() == [3, 8, 21]
    assert one.cross_fitted is cross_fitted


def test_covariates_by_hand(train, strangers):
    found = Difficulty.of(strangers, train, 4)
    crowd = np.log((train.item_counts + 1) / (train.item_counts + 1).sum())
    near = dict.fromkeys(strangers.active_users.tolist(), 0.0)
    for visible, hidden in folds(strangers, 4):
        for user, chance in zip(hidden.users.tolist(), neighbourhood(visible, hidden, train), strict=True):
            near[user] += np.log(chance) / 10
    for user, values in zip(found.users.tolist(), found.covariates, strict=True):
        expected = [near[user], crowd[strangers.items_of(user)].mean(), np.log(10), np.log(10) ** 2]
        np.testing.assert_allclose(values, expected)


def test_users_with_one_item_have_no_covariates(train):
    pairs = Interactions.from_pairs([60, 61, 61], [1, 2, 3], 72, 40)
    assert Difficulty.of(pairs, train).users.tolist() == [61]


# --- taking it out -------------------------------------------------------------------------------


@pytest.fixture
def planted():
    """300 users a side whose statistic is 3 × difficulty + noise, and for members 0.5 more."""
    draw = np.random.default_rng(0)
    covariates = draw.normal(size=(600, 4))
    statistic = covariates @ [3, -1, 0.5, 0] + 0.5 * draw.normal(size=600)
    return Difficulty(np.arange(600), covariates, True), statistic


def sides(difficulty, statistic):
    return difficulty.take_out((np.arange(300), statistic[:300]), (np.arange(300, 600), statistic[300:]))


def test_a_planted_membership_is_found_that_difficulty_had_hidden(planted):
    """Shift s over noise σ = .5 has an AUC of Φ(s / σ√2) = .760 for s = .5; before, it is near .5."""
    difficulty, statistic = planted
    statistic = statistic + 0.5 * (np.arange(600) < 300)
    members, strangers = sides(difficulty, statistic)
    assert membership_auc(statistic[:300], statistic[300:]) < 0.58
    assert membership_auc(members, strangers) == pytest.approx(0.76, abs=0.04)
    assert members.mean() - strangers.mean() == pytest.approx(0.5, abs=0.12)


def test_nothing_planted_is_chance(planted):
    members, strangers = sides(*planted)
    assert membership_auc(members, strangers) == pytest.approx(0.5, abs=0.07)


def test_harder_users_are_not_taken_for_forgotten_ones(planted):
    """Members one unit easier on every covariate, and no membership: the plain AUC is far off."""
    difficulty, statistic = planted
    covariates = difficulty.covariates + (np.arange(600) < 300)[:, None]
    easier = statistic + (np.arange(600) < 300) * 2.5
    members, strangers = sides(Difficulty(np.arange(600), covariates, True), easier)
    assert membership_auc(easier[:300], easier[300:]) > 0.65
    assert membership_auc(members, strangers) == pytest.approx(0.5, abs=0.07)


def test_what_the_forgotten_share_is_not_mistaken_for_difficulty(planted):
    """A covariate that is nearly the side itself must not swallow the shift: slopes are within sides."""
    difficulty, statistic = planted
    side = np.arange(600) < 300
    covariates = difficulty.covariates.copy()
    covariates[:, 3] = side + 0.1 * covariates[:, 3]
    members, strangers = sides(Difficulty(np.arange(600), covariates, True), statistic + 2.0 * side)
    assert abs((members.mean() - strangers.mean()) - 2.0) < 1.0


def test_users_are_found_by_row_and_not_by_place(planted):
    difficulty, statistic = planted
    members, strangers = sides(difficulty, statistic)
    few, _ = difficulty.take_out(
        (np.arange(0, 300, 2), statistic[:300:2]), (np.arange(300, 600), statistic[300:])
    )
    np.testing.assert_allclose(few, members[::2], atol=0.1)
    assert len(strangers) == 300


def test_with_few_strangers_nothing_is_taken_out(planted):
    difficulty, statistic = planted
    few = FEWEST_STRANGERS - 1
    members, strangers = difficulty.take_out(
        (np.arange(300), statistic[:300]), (np.arange(300, 300 + few), statistic[300 : 300 + few])
    )
    assert members.tolist() == statistic[:300].tolist()
    assert strangers.tolist() == statistic[300 : 300 + few].tolist()
