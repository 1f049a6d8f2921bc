"""Every item is hidden once, and under a vector that was fitted without it."""

import numpy as np
import pytest

from recsys_unlearn.audit.cross_fit import FOLDS, cross_fit, folds
from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood


def pairs_of(interactions):
    return set(zip(interactions.users.tolist(), interactions.items.tolist(), strict=True))


@pytest.fixture
def ragged():
    """Users with 0 to 12 items."""
    pairs = [(user, (user + 3 * n) % 40) for user in range(13) for n in range(user)]
    return Interactions.from_pairs(*zip(*pairs, strict=True), 72, 40)


def test_every_item_is_hidden_once(ragged):
    hidden = [pair for _, part in folds(ragged, 0) for pair in pairs_of(part)]
    assert len(hidden) == len(set(hidden))
    assert set(hidden) == {pair for pair in pairs_of(ragged) if pair[0] >= 2}


def test_visible_and_hidden_make_the_whole_history(ragged):
    enough = {pair for pair in pairs_of(ragged) if pair[0] >= 2}
    for visible, hidden in folds(ragged, 0):
        assert pairs_of(visible) | pairs_of(hidden) == enough
        assert not pairs_of(visible) & pairs_of(hidden)
        assert np.all(visible.user_counts[hidden.active_users] > 0)


def test_folds_of_a_history_do_not_depend_on_the_company(tastes):
    whole = [pairs_of(hidden) for _, hidden in folds(tastes, 2)]
    alone = [pairs_of(hidden) for _, hidden in folds(tastes.of_users([7]), 2)]
    assert alone == [{pair for pair in part if pair[0] == 7} for part in whole]
    assert [pairs_of(hidden) for _, hidden in folds(tastes, 3)] != whole


def test_the_first_fold_hides_what_the_statistic_hides(trained, strangers):
    """Ten items: a fifth is two, and the first of five folds is two."""
    visible, hidden = next(folds(strangers, 0))
    probe = trained.canonical().folded_in(visible)
    expected = fold_in_statistic(trained, strangers, 0)
    got = mean_log_likelihood(probe, hidden, expected.users)
    overlap = len(pairs_of(hidden) & pairs_of(strangers))
    assert overlap == 2 * len(strangers.active_users)
    assert got.shape == expected.log_likelihood.shape


def test_it_is_the_mean_over_the_folds_item_by_item(trained, ragged):
    found = cross_fit(trained, ragged, 1)
    assert found.users.tolist() == list(range(2, 13))
    for place, user in enumerate(found.users):
        total = 0.0
        for visible, hidden in folds(ragged.of_users([user]), 1):
            probe = trained.canonical().folded_in(visible)
            total += mean_log_likelihood(probe, hidden, np.array([user]))[0] * len(hidden)
        assert found.log_likelihood[place] == pytest.approx(total / user, rel=1e-4)


def test_it_depends_less_on_the_split(trained, train):
    """Over seeds, a user's value moves less than with one split of a fifth."""
    members = train.of_users(range(20))
    one = np.array([fold_in_statistic(trained, members, seed).log_likelihood for seed in range(6)])
    five = np.array([cross_fit(trained, members, seed).log_likelihood for seed in range(6)])
    assert five.std(axis=0).mean() < 0.6 * one.std(axis=0).mean()


def test_nobody_to_measure(trained, strangers):
    first = strangers.where(np.unique(strangers.users, return_index=True)[1])
    assert len(cross_fit(trained, first).users) == 0
    assert len(list(folds(first, 0))) == 0
    assert FOLDS == 5
