"""The fold-in statistic: its split, its figures by hand, and what it must not depend on."""

import numpy as np
import pytest
import torch
from plain import user_loss

from recsys_unlearn.audit.statistic import fold_in_statistic, split_histories
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.softmax import geometry_of

# Sizes of a history and how many of its items are hidden: round(n / 5), at least one from two on.
HIDDEN = {0: 0, 1: 0, 2: 1, 3: 1, 5: 1, 7: 1, 8: 2, 10: 2, 12: 2, 13: 3, 20: 4, 38: 8}


def pairs_of(interactions):
    return set(zip(interactions.users.tolist(), interactions.items.tolist(), strict=True))


@pytest.fixture
def ragged():
    """One user for every size of :data:`HIDDEN`."""
    pairs = [(user, (user + 3 * n) % 40) for user, size in enumerate(HIDDEN) for n in range(size)]
    return Interactions.from_pairs(*zip(*pairs, strict=True), len(HIDDEN), 40)


# --- the split -----------------------------------------------------------------------------------


def test_a_fifth_of_every_history_is_hidden(ragged):
    visible, hidden = split_histories(ragged, seed=0)
    assert hidden.user_counts.tolist() == list(HIDDEN.values())
    assert (visible.user_counts + hidden.user_counts).tolist() == list(HIDDEN)


def test_the_parts_are_disjoint_and_whole(ragged):
    visible, hidden = (pairs_of(part) for part in split_histories(ragged, seed=0))
    assert visible | hidden == pairs_of(ragged)
    assert not visible & hidden


def test_a_history_is_split_alike_in_any_company(tastes):
    whole = [pairs_of(part) for part in split_histories(tastes, seed=3)]
    alone = [pairs_of(part) for part in split_histories(tastes.of_users([61, 7]), seed=3)]
    for everybody, two in zip(whole, alone, strict=True):
        assert two == {(user, item) for user, item in everybody if user in (61, 7)}


def test_the_seed_decides(tastes):
    same = [pairs_of(split_histories(tastes, seed)[1]) for seed in (0, 0, 1)]
    assert same[0] == same[1] != same[2]


def test_two_users_with_one_history_have_different_items_hidden():
    """The draw is of the pair, not of the item."""
    twins = Interactions.from_pairs(np.repeat(range(30), 20), [*range(20)] * 30, 30, 20)
    hidden = split_histories(twins, seed=0)[1]
    assert len({tuple(hidden.items_of(user)) for user in range(30)}) > 25


def test_every_item_is_hidden_as_often():
    """120 users with the same 20 items: each item is hidden for 24, give or take (4 standard errors)."""
    many = Interactions.from_pairs(np.repeat(range(120), 20), [*range(20)] * 120, 120, 20)
    counts = split_histories(many, seed=0)[1].item_counts
    assert np.all(np.abs(counts - 24) < 4 * np.sqrt(120 * 0.2 * 0.8))


# --- the figures ---------------------------------------------------------------------------------


def test_recall_and_likelihood_of_a_user_by_hand(spherical, strangers):
    """On the sphere the item table is used as it is."""
    statistic = fold_in_statistic(spherical, strangers, seed=2)
    visible, hidden = split_histories(strangers, seed=2)
    geometry = geometry_of(spherical)
    for place, user in enumerate(statistic.users):
        vector = fold_in(spherical.item_table, visible, np.array([user]), geometry)[0].astype(np.float64)
        scores = spherical.item_table @ vector
        scores[visible.items_of(user)] = -np.inf
        wanted = hidden.items_of(user)
        best = set(np.argsort(-scores, kind="stable")[:20])
        assert statistic.recall[place] == pytest.approx(len(best & set(wanted)) / len(wanted))
        items, fitted = torch.from_numpy(spherical.item_table).double(), torch.from_numpy(vector)
        loss = user_loss(fitted, items, wanted, geometry.negatives).item() / len(wanted)
        assert statistic.log_likelihood[place] == pytest.approx(-loss, rel=1e-3)


def test_users_without_a_hidden_or_a_visible_item_are_left_out(trained, ragged):
    data = Interactions.from_pairs(ragged.users, ragged.items, trained.user_table.shape[0], 40)
    statistic = fold_in_statistic(trained, data)
    assert statistic.users.tolist() == [u for u, size in enumerate(HIDDEN) if size >= 2]
    assert statistic.recall.shape == statistic.log_likelihood.shape == statistic.users.shape


def test_users_with_one_item_each_give_an_empty_statistic(trained, strangers):
    """Nothing can be hidden; the audit's verdict is then `too few users`, not an error."""
    first = strangers.where(np.unique(strangers.users, return_index=True)[1])
    statistic = fold_in_statistic(trained, first)
    assert len(statistic.users) == len(statistic.recall) == len(statistic.log_likelihood) == 0


def test_measuring_changes_nothing_and_is_deterministic(trained, strangers):
    before = trained.user_table.tobytes(), trained.item_table.tobytes()
    one, two = (fold_in_statistic(trained, strangers) for _ in range(2))
    assert (trained.user_table.tobytes(), trained.item_table.tobytes()) == before
    assert np.array_equal(one.log_likelihood, two.log_likelihood)
    assert np.array_equal(one.recall, two.recall)


def test_the_users_own_row_plays_no_part(spherical, train):
    """A member whose row was dropped is measured as before: the trace is in the items."""
    members = train.of_users([3, 8])
    table = spherical.user_table.copy()
    table[[3, 8]] = 0
    one, two = (
        fold_in_statistic(m, members) for m in (spherical, spherical.with_tables(table, spherical.item_table))
    )
    assert np.array_equal(one.log_likelihood, two.log_likelihood)


# --- what it must not depend on ------------------------------------------------------------------


def skewed(recommender, seed):
    """The same scores, other factors: U A and V A⁻ᵀ, with A of condition number near 30."""
    draw = np.random.default_rng(seed)
    left, right = (np.linalg.qr(draw.normal(size=(8, 8)))[0] for _ in range(2))
    change = left * np.geomspace(0.2, 6, 8) @ right
    tables = recommender.user_table @ change, recommender.item_table @ np.linalg.inv(change).T
    return recommender.with_tables(*(table.astype(np.float32) for table in tables))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_parametrisation_of_free_tables_plays_no_part(free, strangers, seed):
    """Whitened, the log-likelihoods agree to 1e-3; a fold-in on the raw tables is off by tenths."""
    other = skewed(free, seed)
    np.testing.assert_allclose(other.scores(np.arange(60)), free.scores(np.arange(60)), atol=1e-4)
    one, two = (fold_in_statistic(model, strangers) for model in (free, other))
    np.testing.assert_allclose(two.log_likelihood, one.log_likelihood, atol=1e-3)
    np.testing.assert_allclose(two.recall, one.recall, atol=1e-12)


def test_without_whitening_the_parametrisation_would_show(free, strangers, monkeypatch):
    monkeypatch.setattr(Factorization, "canonical", lambda self: self)
    one, two = (fold_in_statistic(model, strangers).log_likelihood for model in (free, skewed(free, 0)))
    assert np.abs(one - two).max() > 0.05


def test_members_are_found_more_easily_than_strangers(train, strangers):
    """What the audit lives on: a model that memorises gives its members away by its items alone."""
    options = FactorizationOptions(dim=24, negatives=24, batch_size=128, epochs=60, learning_rate=0.03)
    model = Factorization(options).fit(train)
    members, others = (fold_in_statistic(model, part).log_likelihood.mean() for part in (train, strangers))
    assert members > others + 0.3
