"""Fresh user vectors against the optimum that scipy finds in float64."""

import numpy as np
import pytest
import torch
from plain import user_loss
from scipy.optimize import minimize

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.softmax import Geometry, geometry_of

FITTED = np.arange(60, 72)


def mean_loss(vector, items, history, geometry):
    """One user's own training loss per positive, on the sphere or free, as a float64 tensor."""
    if geometry.spherical:
        vector = vector / vector.norm() * geometry.user_length
    loss = user_loss(vector, items, history, geometry.negatives) / len(history)
    return loss + geometry.regularization * vector.square().sum()


def optimum(items, history, geometry):
    """Smallest mean loss that BFGS reaches from the mean of the items, gradient below 1e-8."""

    def value_and_slope(point):
        vector = torch.from_numpy(point).requires_grad_()
        loss = mean_loss(vector, items, history, geometry)
        return loss.item(), torch.autograd.grad(loss, vector)[0].numpy()

    start = items[history].mean(0).numpy()
    return minimize(value_and_slope, start, jac=True, method="BFGS", options={"gtol": 1e-8}).fun


def test_reaches_the_optimum(trained, strangers):
    """40 steps end at most 0.5 % above the smallest loss (measured: .4 % cosine, .03 % dot)."""
    geometry, items = geometry_of(trained), torch.from_numpy(trained.item_table).double()
    fitted = torch.from_numpy(fold_in(trained.item_table, strangers, FITTED, geometry)).double()
    for user, vector in zip(FITTED, fitted, strict=True):
        history = strangers.items_of(user)
        best = optimum(items, history, geometry)
        start = mean_loss(items[history].mean(0), items, history, geometry).item()
        reached = mean_loss(vector, items, history, geometry).item()
        assert best * (1 - 1e-6) < reached < best * 1.005
        assert reached - best < 0.02 * (start - best)


def test_vectors_are_on_the_scale_of_the_user_table(spherical, strangers):
    fitted = fold_in(spherical.item_table, strangers, FITTED, geometry_of(spherical))
    assert fitted.dtype == np.float32
    expected = 1 / spherical.options.temperature
    np.testing.assert_allclose(np.linalg.norm(fitted, axis=1), expected, rtol=1e-5)


def test_a_user_is_fitted_alike_in_any_company(trained, strangers, monkeypatch):
    """Up to the last bits of matrix products of other shapes: 1e-5 of a vector's length."""
    geometry = geometry_of(trained)
    together = fold_in(trained.item_table, strangers, FITTED, geometry)
    backwards = fold_in(trained.item_table, strangers, FITTED[::-1].copy(), geometry)[::-1]
    monkeypatch.setattr("recsys_unlearn.recommenders.fold_in.USERS_PER_BATCH", 1)
    alone = fold_in(trained.item_table, strangers, FITTED, geometry)
    tolerance = 1e-5 * np.linalg.norm(together, axis=1).max()
    np.testing.assert_allclose(backwards, together, atol=tolerance)
    np.testing.assert_allclose(alone, together, atol=tolerance)


def test_nobody_elses_history_is_looked_at(trained, tastes):
    geometry, users = geometry_of(trained), np.array([61, 65])
    with_all = fold_in(trained.item_table, tastes, users, geometry)
    with_own = fold_in(trained.item_table, tastes.of_users(users), users, geometry)
    assert with_all.tobytes() == with_own.tobytes()


def test_it_is_deterministic_and_changes_nothing(trained, strangers):
    before = trained.item_table.copy()
    fits = [fold_in(trained.item_table, strangers, FITTED, geometry_of(trained)) for _ in range(2)]
    assert fits[0].tobytes() == fits[1].tobytes()
    assert trained.item_table.tobytes() == before.tobytes()


def test_a_user_without_history_is_zeros_and_does_not_disturb_others(trained, strangers):
    users = np.array([60, 0, 61])  # user 0 is no stranger, so has no history here
    fitted = fold_in(trained.item_table, strangers, users, geometry_of(trained))
    assert not fitted[1].any()
    assert fitted[0].any()
    assert fitted[2].any()


def test_nobody_to_fit(trained, strangers):
    fitted = fold_in(trained.item_table, strangers, np.zeros(0, np.int64), geometry_of(trained))
    assert fitted.shape == (0, 8)


def test_a_large_catalogue_is_sampled_alike_for_everybody(trained, strangers, monkeypatch):
    """Z_u from 30 of 40 items: each user is the same alone and together, and near the full fit."""
    geometry = geometry_of(trained)
    full = fold_in(trained.item_table, strangers, FITTED, geometry)
    monkeypatch.setattr("recsys_unlearn.recommenders.fold_in.LARGEST_CATALOGUE", 30)
    together = fold_in(trained.item_table, strangers, FITTED, geometry)
    alone = fold_in(trained.item_table, strangers, FITTED[:1], geometry)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5 * np.linalg.norm(full[0]))
    similar = (full * together).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(together, axis=1)
    assert not np.array_equal(full, together)
    assert similar.min() > 0.8


@pytest.mark.parametrize("spherical", [True, False])
def test_one_item_apart_from_all_others_is_found(spherical):
    """Known answer: the item that the user has is the vector's direction."""
    items = np.eye(4, dtype=np.float32)
    geometry = Geometry(4.0, spherical, 5.0 if spherical else 1.0, 0.0 if spherical else 0.05)
    history = Interactions.from_pairs([0], [2], n_users=1, n_items=4)
    vector = fold_in(items, history, np.array([0]), geometry)[0]
    assert vector.argmax() == 2
    others = np.delete(vector, 2)
    np.testing.assert_allclose(others, others.mean(), atol=1e-4)
    assert others.mean() < vector[2]
