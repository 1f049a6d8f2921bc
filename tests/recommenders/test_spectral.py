"""The filter against the dense matrices of its definition, in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn.errors import ConfigError, NothingLeft
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.filter_options import SpectralOptions
from recsys_unlearn.recommenders.graph_spectrum import largest_eigenpairs, normalized
from recsys_unlearn.recommenders.spectral import Spectral

WHOLE = SpectralOptions(dim=6, neighbours=40, sweeps=120, item_exponent=0.37, low_pass=0.05)


def dense(interactions):
    matrix = np.zeros((interactions.n_users, interactions.n_items))
    matrix[interactions.users, interactions.items] = 1
    return matrix


def defined(interactions, options):
    """Scores of every user by the formula at the top of the module, an item's own weight left out."""
    r = dense(interactions)
    users, items = np.maximum(r.sum(1), 1), np.maximum(r.sum(0), 1)
    n = r / np.sqrt(users[:, None] * items)
    values, vectors = np.linalg.eigh(n.T @ n)
    values, vectors = values[::-1][: options.dim], vectors[:, ::-1][:, : options.dim]
    linear = n.T @ n
    linear = linear * items[:, None] ** -options.history_exponent * items**options.item_exponent
    np.fill_diagonal(linear, 0)
    smooth = (vectors * (options.low_pass - options.damping * values**2)) @ vectors.T
    smooth = smooth * items[:, None] ** -options.history_exponent * items**options.item_exponent
    return r @ (linear + smooth)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"history_exponent": 0.5, "item_exponent": 0.5},
        {"history_exponent": 0.0, "item_exponent": 0.0, "low_pass": 0.3, "damping": 0.0},
        {"dim": 12, "damping": 2.0},
    ],
    ids=str,
)
def test_scores_are_those_of_the_definition(train, changes):
    options = replace(WHOLE, **changes)
    model = Spectral(options).fit(train)
    scores = model.scores(np.arange(train.n_users), train)
    np.testing.assert_allclose(scores, defined(train, options), rtol=2e-4, atol=2e-5)


def test_eigenpairs_are_those_of_a_full_decomposition(train):
    graph = normalized(train)
    start = np.random.default_rng(0).standard_normal((train.n_items, 9)).astype(np.float32)
    values, vectors = largest_eigenpairs(graph, start, 5, 60)
    square = graph.astype(np.float64).toarray()
    square = square.T @ square
    np.testing.assert_allclose(values, np.linalg.eigvalsh(square)[::-1][:5], rtol=1e-5)
    np.testing.assert_allclose(square @ vectors, vectors * values, atol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-5)


def test_the_largest_eigenvalue_of_a_normalised_graph_is_one(train):
    graph = normalized(train)
    start = np.ones((train.n_items, 1), np.float32)
    assert largest_eigenpairs(graph, start, 1, 40)[0][0] == pytest.approx(1, abs=1e-5)


def test_a_filter_that_only_a_few_users_made_has_no_more_directions_than_they():
    users = Interactions.from_pairs([0, 0, 0, 1, 1, 2, 2], [0, 1, 2, 2, 3, 3, 4], 3, 5)
    graph = normalized(users)
    start = np.random.default_rng(0).standard_normal((5, 5)).astype(np.float32)
    values, vectors = largest_eigenpairs(graph, start, 5, 60)
    square = (graph.T @ graph).toarray()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(square)[::-1], atol=1e-6)
    np.testing.assert_allclose((vectors * values) @ vectors.T, square, atol=1e-5)
    assert np.all(vectors[:, 3:] == 0)


def test_the_linear_filter_alone_computes_no_directions(train):
    options = replace(WHOLE, damping=0.0, low_pass=0.0)
    model = Spectral(options).fit(train)
    assert model.encoder.shape == model.decoder.shape == (train.n_items, 0)
    scores = model.scores(np.arange(train.n_users), train)
    np.testing.assert_allclose(scores, defined(train, options), rtol=2e-4, atol=2e-5)
    again = Spectral(options).with_state(model.state())
    np.testing.assert_array_equal(again.scores(np.arange(3), train), scores[:3])


def test_two_threads_give_the_bytes_of_one(train):
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(Spectral(WHOLE).fit(train).state())
    finally:
        torch.set_num_threads(before)
    assert all(found[0][name].tobytes() == array.tobytes() for name, array in found[1].items())


def test_an_item_does_not_recommend_itself(train):
    linear = replace(WHOLE, damping=0.0, low_pass=0.0)
    model = Spectral(linear).fit(train)
    one = Interactions.from_pairs([0], [7], train.n_users, train.n_items)
    scores = model.scores(np.array([0]), one)[0]
    assert scores[7] == 0
    assert (scores > 0).sum() > 5


def test_only_the_strongest_neighbours_are_kept(train):
    model = Spectral(replace(WHOLE, neighbours=3)).fit(train)
    full = Spectral(WHOLE).fit(train)
    assert np.diff(model.starts).max() == 3
    for item in range(train.n_items):
        all_values = full.values[full.starts[item] : full.starts[item + 1]]
        kept = model.values[model.starts[item] : model.starts[item + 1]]
        assert sorted(kept) == sorted(all_values)[-3:]


def test_more_damping_shows_items_that_fewer_users_have(train):
    def popularity(damping):
        model = Spectral(replace(WHOLE, damping=damping)).fit(train)
        items, _ = model.given(train).recommend(train.active_users, k=5, exclude=train)
        return train.item_counts[items].mean()

    assert popularity(0.0) > popularity(0.5) > popularity(1.5)


def test_without_a_user_is_a_fit_on_the_others(train):
    model = Spectral(WHOLE).fit(train)
    before = model.state()
    forget_set, retained = train.of_users([3]), train.without_users([3])
    left, fresh = model.without(forget_set, retained), Spectral(WHOLE).fit(retained)
    assert all(left.state()[name].tobytes() == array.tobytes() for name, array in fresh.state().items())
    assert all(model.state()[name] is array for name, array in before.items())
    assert not left.in_use[3]


def test_progress_counts_the_two_parts(train):
    seen = []
    Spectral(WHOLE).fit(train, progress=lambda *step: seen.append(step))
    assert seen == [("training", 1, 2), ("training", 2, 2)]


def test_nothing_to_train_on():
    with pytest.raises(NothingLeft, match="no training interactions"):
        Spectral(WHOLE).fit(Interactions.from_pairs([], [], 3, 3))


def test_every_wrong_option_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        SpectralOptions(dim=0, neighbours=0, sweeps=0, damping=float("nan"), low_pass=float("inf"))
    assert str(caught.value) == (
        "spectral: dim must be above 0; neighbours must be above 0; sweeps must be above 0; "
        "damping must be a number; low_pass must be a number"
    )


@pytest.fixture
def state(train):
    return Spectral(WHOLE).fit(train).state()


@pytest.mark.parametrize(
    ("name", "damaged", "message"),
    [
        ("values", lambda a: a.astype(np.float64), "the linear part is not a matrix of float32"),
        ("columns", lambda a: a.astype(np.float32), "the linear part is not a matrix of float32"),
        ("starts", lambda a: a[::-1].copy(), "starts does not say where the rows"),
        ("values", lambda a: a[1:], "starts does not say where the rows"),
        ("columns", lambda a: a + 40, "columns names an item that is not in the catalogue"),
        ("encoder", lambda a: a.astype(np.float64), "encoder or decoder is not a matrix of float32"),
        ("decoder", lambda a: a[1:], "do not have a row for each item"),
        ("in_use", lambda a: a.astype(np.int8), "in_use is not a list of true and false"),
    ],
)
def test_a_damaged_state_is_refused(state, name, damaged, message):
    with pytest.raises(ValueError, match=message):
        Spectral(WHOLE).with_state(state | {name: damaged(state[name])})
