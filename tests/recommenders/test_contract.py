"""Laws of every recommender that the package defines; a new one cannot escape them."""

from dataclasses import replace

import numpy as np
import pytest

from recommenders.kinds import ITEM_ITEM, KINDS, RESUMABLE, WITH_TABLES, state_of
from recsys_unlearn.errors import (
    ConfigError,
    NothingLeft,
    RecsysUnlearnError,
    StoreError,
    UsageError,
    VersionError,
)
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.registry import OPTIONS, recommender_kind


def test_the_package_has_recommenders():
    assert {"factorization", "als", "bpr", "lmf", "ease", "item_knn"} <= {kind.name for kind in KINDS}


def test_every_recommender_is_in_the_registry_under_its_name(kind):
    assert recommender_kind(kind.name) is kind
    assert OPTIONS[kind.name] is kind.options_type
    assert len(OPTIONS) == len(KINDS)


def test_a_name_that_is_not_in_the_registry_is_refused_with_the_list():
    with pytest.raises(UsageError, match="no model 'magic'; there are factorization, als, "):
        recommender_kind("magic")


def test_names_are_unique():
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_class_and_options_are_documented(kind):
    assert kind.__dict__["__doc__"]
    assert kind.options_type.__dict__["__doc__"]
    assert not kind.options_type.__doc__.startswith(f"{kind.options_type.__name__}(")  # dataclass's own text


# --- construction and fit ------------------------------------------------------------------------


def test_the_constructor_stores_options_and_nothing_else(kind, options):
    assert vars(kind(options)) == {"options": options, "retrain_options": options}
    assert kind().options == kind.options_type()


def test_fit_returns_the_object_and_sets_its_arrays(kind, options, train):
    model = kind(options)
    assert model.fit(train) is model
    assert set(model.state()) == set(kind.arrays)
    assert model.members.shape == (train.n_users,)
    assert model.n_items == train.n_items
    assert model.epochs >= 1
    assert isinstance(model.geometry, LossGeometry)


@WITH_TABLES
def test_tables_are_finite_and_of_one_width(fitted, train):
    model = fitted
    assert model.user_table.shape[0] == train.n_users
    assert model.item_table.shape[0] == train.n_items
    assert model.user_table.shape[1] == model.item_table.shape[1]
    assert model.user_table.dtype == model.item_table.dtype == np.float32
    assert np.isfinite(model.user_table).all()
    assert np.isfinite(model.item_table).all()


def test_a_second_fit_starts_from_scratch(fitted, kind, options, train):
    first = state_of(fitted)
    fitted.fit(train.without_users([0, 1, 2]))
    assert state_of(fitted) != first
    assert state_of(fitted.fit(train)) == first == state_of(kind(options).fit(train))


def test_fit_leaves_options_and_data_alone(kind, options, train):
    before = train.users.tobytes(), train.items.tobytes()
    model = kind(options).fit(train)
    assert model.options == options
    assert (train.users.tobytes(), train.items.tobytes()) == before


def test_members_are_those_who_were_trained_on(fitted, train):
    assert np.array_equal(fitted.members, train.user_counts > 0)


@WITH_TABLES
def test_rows_that_were_not_trained_are_zeros(fitted, train):
    used = train.user_counts > 0
    assert np.array_equal(np.any(fitted.user_table != 0, axis=1), used)


def test_fit_on_nothing_is_refused(kind, options, train):
    with pytest.raises(NothingLeft, match="no training interactions: check the split"):
        kind(options).fit(train.without_users(range(60)))


def test_fit_tells_how_far_it_is(kind, options, train):
    told = []
    kind(options).fit(train, progress=lambda *step: told.append(step))
    assert told
    assert told[-1][1] == told[-1][2]


def test_a_fitted_recommender_holds_no_interactions(fitted):
    kept = [name for name, value in vars(fitted).items() if isinstance(value, Interactions)]
    assert not kept
    assert set(vars(fitted)) == {"options", "retrain_options", *fitted.arrays}


def test_retrain_makes_another_object(fitted, train):
    before = state_of(fitted)
    other = fitted.retrain(train.without_users([4]))
    assert state_of(fitted) == before
    assert type(other) is type(fitted)
    assert fitted.members[4]
    assert not other.members[4]


@WITH_TABLES
def test_with_tables_keeps_kind_options_and_retrain_options(fitted):
    fitted.retrain_options = replace(fitted.options, dim=9)
    other = fitted.with_tables(fitted.user_table[:2], fitted.item_table)
    assert (other.options, other.retrain_options) == (fitted.options, fitted.retrain_options)
    assert len(other.user_table) == 2
    assert len(fitted.user_table) > 2


# --- resume --------------------------------------------------------------------------------------


@RESUMABLE
def test_resuming_makes_another_object_and_is_deterministic(fitted, train):
    before = state_of(fitted)
    one, two = (fitted.resume(train, 7, 0.01) for _ in range(2))
    assert state_of(fitted) == before
    assert state_of(one) == state_of(two) != before
    assert (one.options, one.retrain_options) == (fitted.options, fitted.retrain_options)


@RESUMABLE
def test_resuming_for_no_steps_changes_nothing(fitted, train):
    same = fitted.resume(train, 0, 0.01)
    np.testing.assert_allclose(same.user_table, fitted.user_table, atol=1e-5)
    np.testing.assert_allclose(same.item_table, fitted.item_table, atol=1e-5)


@RESUMABLE
def test_resuming_goes_on_where_training_stopped(fitted, train):
    """The model gets better at its training items; a fresh one has not come so far in as many steps."""
    users = train.active_users
    levels = [
        mean_log_likelihood(model, train, users).mean() for model in (fitted, fitted.resume(train, 20, 0.01))
    ]
    assert levels[1] > levels[0] + 0.05


@RESUMABLE
def test_resuming_without_a_user_leaves_a_row_of_zeros(fitted, train):
    resumed = fitted.resume(train.without_users([4]), 3, 0.01)
    assert not resumed.user_table[4].any()
    assert resumed.user_table[5].any()


@RESUMABLE
def test_resuming_at_a_smaller_learning_rate_moves_less(fitted, train):
    small, large = (
        np.abs(fitted.resume(train, 3, rate).item_table - fitted.item_table).max() for rate in (1e-4, 1e-2)
    )
    assert small < 0.1 * large


@RESUMABLE
def test_resuming_on_nothing_is_refused(fitted, train):
    with pytest.raises(NothingLeft):
        fitted.resume(train.without_users(range(60)), 5, 0.01)


# --- recommend -----------------------------------------------------------------------------------


@WITH_TABLES
def test_scores_are_inner_products(fitted):
    users = np.array([5, 0, 5])
    expected = fitted.user_table[users].astype(np.float64) @ fitted.item_table.T.astype(np.float64)
    np.testing.assert_allclose(fitted.scores(users), expected, rtol=1e-4, atol=1e-5)


def test_scores_are_a_float32_for_every_item(fitted, train):
    scores = fitted.scores(np.array([5, 0, 5]), train)
    assert scores.shape == (3, train.n_items)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-6)


def test_given_histories_it_scores_by_user_row_alone(fitted, train):
    scorer, users = fitted.given(train), np.array([5, 0])
    assert np.array_equal(scorer.scores(users), fitted.scores(users, train))
    assert np.array_equal(scorer.recommend(3, 5)[0], fitted.recommend(3, 5, histories=train)[0])
    assert evaluate(scorer, train.of_users(users)).users.tolist() == [0, 5]


def test_folded_in_strangers_are_told_their_own_taste(fitted, strangers):
    """Items of a taste are those of one remainder by 4; a stranger is shown theirs and gets more of them."""
    scores = fitted.folded_in(strangers).scores(strangers.active_users)
    own = np.arange(40)[None] % 4 == strangers.active_users[:, None] % 4
    assert np.isfinite(scores).all()
    assert scores[own].mean() > scores[~own].mean()


def test_the_canonical_form_scores_alike(fitted, train):
    users = np.arange(20)
    expected = fitted.scores(users, train)
    np.testing.assert_allclose(fitted.canonical().scores(users, train), expected, atol=1e-3)


def test_a_scalar_user_gives_a_list_and_an_array_a_matrix(fitted, train):
    items, scores = fitted.recommend(np.array([3, 8]), k=5, histories=train)
    assert items.shape == scores.shape == (2, 5)
    for place, user in enumerate((3, 8)):
        alone, alone_scores = fitted.recommend(user, k=5, histories=train)
        assert np.array_equal(alone, items[place])
        np.testing.assert_allclose(alone_scores, scores[place], rtol=1e-5, atol=1e-6)


def test_the_best_come_first_and_none_better_is_left_out(fitted, train):
    items, scores = fitted.recommend(2, k=7, histories=train)
    everything = np.sort(fitted.scores(np.array([2]), train)[0])[::-1]
    np.testing.assert_allclose(scores, everything[:7], rtol=1e-6)
    assert len(set(items.tolist())) == 7


def test_excluded_items_do_not_appear_and_places_stay_empty(fitted, train):
    mine = train.items_of(2)
    items, scores = fitted.recommend(np.array([2]), k=train.n_items, exclude=train, histories=train)
    n_left = train.n_items - len(mine)
    assert sorted(items[0, :n_left]) == sorted(set(range(train.n_items)) - set(mine.tolist()))
    assert (items[0, n_left:] == -1).all()
    assert np.isneginf(scores[0, n_left:]).all()


def test_excluding_for_one_user_does_not_touch_another(fitted, train):
    own = train.of_users([2])
    excluded, everything = (fitted.recommend(3, exclude=each, histories=train) for each in (own, None))
    assert np.array_equal(excluded[0], everything[0])


@WITH_TABLES
def test_equal_scores_are_in_the_order_of_the_catalogue(fitted):
    """Three hundred items of two scores: an unstable sort would mix them."""
    table = np.zeros((300, fitted.item_table.shape[1]), np.float32)
    table[::3] = fitted.user_table[0]
    even = fitted.with_tables(fitted.user_table, table)
    high = np.arange(0, 300, 3)
    expected = [*high, *np.setdiff1d(np.arange(300), high)]
    assert even.recommend(0, k=300)[0].tolist() == expected


def test_recommending_changes_nothing(fitted, train):
    before = state_of(fitted)
    fitted.recommend(np.array([1, 2]), exclude=train, histories=train)
    assert state_of(fitted) == before


def test_more_places_than_items_are_filled_up(fitted, train):
    items, scores = fitted.recommend(np.array([1]), k=train.n_items + 3, histories=train)
    assert items.shape == scores.shape == (1, train.n_items + 3)
    assert (items[0, -3:] == -1).all()


@ITEM_ITEM
def test_without_histories_there_is_nothing_to_score(fitted):
    with pytest.raises(UsageError, match="has no user vectors: give the histories"):
        fitted.scores(np.array([1]))


@ITEM_ITEM
def test_histories_over_another_catalogue_are_refused(fitted):
    other = Interactions.from_pairs([0], [0], 1, 41)
    with pytest.raises(StoreError, match=r"40 items and the histories 41: .* train a version on this store"):
        fitted.scores(np.array([0]), other)


def test_errors_are_the_packages_own():
    assert issubclass(VersionError, RecsysUnlearnError)
    assert issubclass(ConfigError, RecsysUnlearnError)
    assert VersionError.exit_code == 1
