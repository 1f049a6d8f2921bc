"""The closed form against its definition, entry by entry, in float64."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.errors import ConfigError, NothingLeft, UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders import low_rank_ease
from recsys_unlearn.recommenders.ease import Ease, EaseOptions
from recsys_unlearn.recommenders.low_rank_ease import (
    LowRankEase,
    LowRankEaseOptions,
    autoencoder,
    principal_directions,
    weighted_gram,
)

OPTIONS = LowRankEaseOptions(dim=6, regularization=3.0)


def dense(interactions):
    matrix = np.zeros((interactions.n_users, interactions.n_items))
    matrix[interactions.users, interactions.items] = 1
    return matrix


def test_the_gram_weighs_users_by_their_length_and_one_on_average(train):
    x = dense(train)
    lengths = x.sum(1)
    weights = np.where(lengths > 0, np.maximum(lengths, 1) ** -0.7, 0)
    weights /= weights[lengths > 0].mean()
    np.testing.assert_allclose(weighted_gram(train, 0.7), x.T @ np.diag(weights) @ x, atol=1e-9)


def test_no_exponent_counts_users(train):
    x = dense(train)
    np.testing.assert_allclose(weighted_gram(train, 0.0), x.T @ x, atol=1e-9)


def test_each_column_is_the_constrained_least_squares_solution(train):
    """Column j minimises the penalised squares of x_j on the other columns: normal equations without j."""
    gram = weighted_gram(train, 0.5)
    weights = autoencoder(gram, OPTIONS)
    penalised = gram + np.diag(3.0 + np.diag(gram))  # p / (1 - p) is 1 at one half
    for item in range(train.n_items):
        others = np.delete(np.arange(train.n_items), item)
        expected = np.linalg.solve(penalised[np.ix_(others, others)], gram[others, item])
        np.testing.assert_allclose(weights[others, item], expected, atol=1e-10)
        assert weights[item, item] == 0


def test_no_dropout_is_ease(train):
    plain = replace(OPTIONS, dropout=0.0, user_exponent=0.0, dim=train.n_items)
    ours = LowRankEase(plain).fit(train)
    ease = Ease(EaseOptions(regularization=3.0)).fit(train)
    users = train.active_users
    np.testing.assert_allclose(ours.scores(users), ease.scores(users, train), atol=1e-4)


def test_scores_are_the_reconstruction_on_its_main_directions(train):
    """The best rank-d approximation of W^1/2 XB, by a singular value decomposition."""
    gram = weighted_gram(train, 0.5)
    reconstruction = dense(train) @ autoencoder(gram, OPTIONS)
    lengths = np.maximum(train.user_counts, 1) ** -0.25
    _, _, right = np.linalg.svd(lengths[:, None] * reconstruction, full_matrices=False)
    projected = reconstruction @ right[:6].T @ right[:6]
    model = LowRankEase(OPTIONS).fit(train)
    np.testing.assert_allclose(model.scores(np.arange(train.n_users)), projected, atol=1e-4)


def test_directions_are_orthonormal_and_the_largest_come_first():
    root = np.random.default_rng(0).standard_normal((9, 9))
    matrix = root @ root.T
    directions = principal_directions(matrix, 4)
    np.testing.assert_allclose(directions.T @ directions, np.eye(4), atol=1e-12)
    strengths = np.diag(directions.T @ matrix @ directions)
    np.testing.assert_allclose(strengths, np.linalg.eigvalsh(matrix)[::-1][:4])


def test_more_directions_than_items_are_all_of_them():
    assert principal_directions(np.eye(5), 8).shape == (5, 5)


def test_a_member_folded_in_is_the_member(train):
    model = LowRankEase(OPTIONS).fit(train)
    folded = model.folded_in(train)
    users = train.active_users
    np.testing.assert_allclose(folded.scores(users), model.scores(users), rtol=1e-5, atol=1e-6)


def test_a_stranger_is_the_sum_of_their_items(train, strangers):
    model = LowRankEase(OPTIONS).fit(train)
    user = int(strangers.active_users[0])
    vector = model.encoder[strangers.items_of(user)].sum(0)
    scores = model.folded_in(strangers).scores(np.array([user]))[0]
    np.testing.assert_allclose(scores, model.item_table @ vector, rtol=1e-4, atol=1e-6)
    assert not model.user_table[user].any()


def test_a_removed_user_is_a_user_who_never_was(train):
    retained = train.without_users([3])
    left = LowRankEase(OPTIONS).fit(train).retrain(retained)
    fresh = LowRankEase(OPTIONS).fit(retained)
    assert all(left.state()[name].tobytes() == array.tobytes() for name, array in fresh.state().items())
    assert not left.user_table[3].any()


def test_progress_counts_the_two_parts(train):
    seen = []
    LowRankEase(OPTIONS).fit(train, progress=lambda *step: seen.append(step))
    assert seen == [("training", 1, 2), ("training", 2, 2)]


def test_a_catalogue_too_large_for_a_square_is_refused(train, monkeypatch):
    monkeypatch.setattr(low_rank_ease, "LARGEST_CATALOGUE", 39)
    with pytest.raises(UsageError, match="40 items are more than 39; use spectral or factorization"):
        LowRankEase(OPTIONS).fit(train)


def test_nothing_to_train_on():
    with pytest.raises(NothingLeft, match="no training interactions"):
        LowRankEase(OPTIONS).fit(Interactions.from_pairs([], [], 3, 3))


def test_every_wrong_option_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        LowRankEaseOptions(dim=0, regularization=0, dropout=1.0, user_exponent=-1)
    assert str(caught.value) == (
        "low_rank_ease: dim must be above 0; regularization must be above 0; "
        "dropout must be at least 0 and below 1; user_exponent must not be negative"
    )
