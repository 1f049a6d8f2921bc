"""Propagation and its gradient against dense matrices in float64; what is served against its definition."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn import losses
from recsys_unlearn.errors import ConfigError
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.embedding_tables import DenseTables, training_tables
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.recommenders.light_gcn import Graph, LightGcn, LightGcnOptions
from recsys_unlearn.recommenders.propagated_tables import PropagatedTables

SMALL = {"dim": 8, "negatives": 24, "batch_size": 128, "epochs": 6, "learning_rate": 0.03, "seed": 5}


def adjacency(interactions):
    """float64 (n_users + n_items, ...): 1 / √(n_u n_i) where u has i, on both sides."""
    n = interactions.n_users
    square = np.zeros((n + interactions.n_items,) * 2)
    sizes = interactions.user_counts[interactions.users] * interactions.item_counts[interactions.items]
    square[interactions.users, n + interactions.items] = sizes**-0.5
    return square + square.T


def averaged(interactions, layers):
    """1 / (L + 1) Σ A^l."""
    one = adjacency(interactions)
    powers = [np.linalg.matrix_power(one, power) for power in range(layers + 1)]
    return sum(powers) / (layers + 1)


@pytest.fixture
def seeds(train):
    draw = np.random.default_rng(3)
    return [
        torch.from_numpy(draw.standard_normal((rows, 8)).astype(np.float32))
        for rows in (train.n_users, train.n_items)
    ]


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_propagation_is_the_mean_of_the_powers_of_the_adjacency(train, seeds, layers):
    user, item = Graph(train).propagate(*seeds, layers)
    expected = averaged(train, layers) @ torch.cat(seeds).double().numpy()
    np.testing.assert_allclose(torch.cat([user, item]), expected, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_gradient_goes_back_along_the_graph(train, seeds, layers):
    for table in seeds:
        table.requires_grad_()
    user, item = Graph(train).propagate(*seeds, layers)
    draw = torch.from_numpy(np.random.default_rng(4).standard_normal((len(user) + len(item), 8)))
    (torch.cat([user, item]) * draw.float()).sum().backward()
    expected = averaged(train, layers).T @ draw.numpy()
    np.testing.assert_allclose(torch.cat([table.grad for table in seeds]), expected, atol=1e-5)


def test_a_look_up_sees_the_propagated_rows(train, seeds):
    initial = {"user": seeds[0], "item": seeds[1]}
    tables = PropagatedTables(DenseTables(initial, 0.1), Graph(train), 2)
    users, items = torch.tensor([4, 4, 0]), torch.tensor([7, 1, 39, 7])
    user, item = tables.look_up(users, items)
    whole = Graph(train).propagate(*seeds, 2)
    torch.testing.assert_close((user, item), (whole[0][users], whole[1][items]))
    torch.testing.assert_close(tables.tables(), whole)


def test_a_step_moves_neighbours_who_are_not_in_the_batch(train, seeds):
    tables = PropagatedTables(DenseTables({"user": seeds[0], "item": seeds[1]}, 0.1), Graph(train), 1)
    user, item = tables.look_up(torch.tensor([0]), torch.tensor([int(train.items_of(0)[0])]))
    tables.step(losses.sampled_softmax((user * item).sum(1), user @ -item.T).sum())
    moved = (tables.inner.tables()[0] != seeds[0]).any(1).numpy()
    neighbours = train.users[train.items == train.items_of(0)[0]]
    assert set(np.flatnonzero(moved)) == {0, *neighbours.tolist()}


def test_no_layers_is_a_factorisation(train):
    ours = LightGcn(LightGcnOptions(layers=0, **SMALL)).fit(train)
    theirs = Factorization(FactorizationOptions(**SMALL)).fit(train)
    np.testing.assert_allclose(ours.user_table, theirs.user_table, atol=1e-5)
    np.testing.assert_allclose(ours.item_table, theirs.item_table, atol=1e-5)


def test_layers_change_what_is_learned_and_serve_unit_items(train):
    one, two = (LightGcn(LightGcnOptions(layers=n, **SMALL)).fit(train) for n in (0, 2))
    assert np.abs(one.item_table - two.item_table).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(two.item_table, axis=1), 1, rtol=1e-5)


def test_it_learns_the_tastes(tastes, train):
    """Four tastes of ten items: after training held-out items are found far more often than by chance."""
    hidden = train.where(np.random.default_rng(1).random(len(train)) < 0.25)
    rest = train.without(hidden)
    model = LightGcn(LightGcnOptions(**SMALL | {"epochs": 20})).fit(rest)
    recall = evaluate(model, hidden, exclude=rest, k=5).mean()["recall@5"]
    assert recall > 2.5 * 5 / 40


def test_a_removed_user_leaves_the_graph(train):
    """A retrain equals a fit on data in which they never were, and has no edge of theirs."""
    options = LightGcnOptions(**SMALL | {"epochs": 2})
    model, retained = LightGcn(options).fit(train), train.without_users([3])
    fresh = LightGcn(replace(options, steps_per_epoch=model.retrain_options.steps_per_epoch)).fit(retained)
    left = model.retrain(retained)
    assert left.item_table.tobytes() == fresh.item_table.tobytes()
    assert not left.user_table[3].any()
    assert adjacency(retained)[3].any() == 0


def test_fused_tables_cannot_be_propagated(train, seeds):
    initial = {"user": seeds[0], "item": seeds[1]}
    with (
        training_tables(initial, "rowwise_adagrad", 0.1) as fused,
        pytest.raises(TypeError, match="only dense tables can be propagated"),
    ):
        PropagatedTables(fused, Graph(train), 1)


def test_wrong_options_are_refused_under_the_models_own_name():
    with pytest.raises(ConfigError, match=r"^light_gcn: layers must not be negative$"):
        LightGcnOptions(layers=-1)
    with pytest.raises(ConfigError, match=r"^light_gcn: optimizer must be adam; propagation moves"):
        LightGcnOptions(optimizer="rowwise_adagrad")
    with pytest.raises(ConfigError, match=r"^light_gcn: dim must be above 0$"):
        LightGcnOptions(dim=0)
