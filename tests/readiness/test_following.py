"""How far items go with their users, against the whole Hessian by automatic differentiation."""

import numpy as np
import pytest
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.following import SAMPLE, SMALLEST_CURVATURE, spectrum_of
from recsys_unlearn.readiness.loss_sums import LossSums, loss_sums
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import FINISHED, UNFINISHED, SharedCurvature
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.options import FactorizationOptions

DIM, N_USERS, N_ITEMS = 6, 12, 9
F64 = torch.float64


def data():
    rng = np.random.default_rng(4)
    taken = rng.random((N_USERS, N_ITEMS)) < 0.4
    taken[np.arange(N_USERS), np.arange(N_USERS) % N_ITEMS] = True
    users, items = np.nonzero(taken)
    return Interactions.from_pairs(users, items, N_USERS, N_ITEMS)


def recommender(similarity):
    """Users at the mean of their items, as training leaves them: their loss is convex there."""
    rng = np.random.default_rng(5)
    options = FactorizationOptions(
        dim=DIM, similarity=similarity, temperature=0.5, negatives=400, regularization=0.1
    )
    items, train = rng.normal(size=(N_ITEMS, DIM)).astype(np.float32), data()
    users = np.stack([items[train.items_of(user)].mean(0) for user in range(N_USERS)])
    if similarity == "cosine":
        users, items = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (users, items))
        users = users / np.float32(0.5)
    return Factorization(options).with_tables(users, items)


def loss(user, items, own, geometry):
    """Loss of one user, in float64, written down as in the docstring of the softmax."""
    scores = items @ user
    partition = geometry.negatives * scores.exp().mean()
    fit = sum(torch.log(scores[i].exp() + partition) - scores[i] for i in own)
    return fit + geometry.regularization * len(own) * user.square().sum()


def curvature(model, user, own):
    """One user's Hessian by automatic differentiation, and b: what bends all its directions alike."""
    items, geometry = torch.from_numpy(model.item_table).to(F64), model.geometry
    at = torch.from_numpy(model.user_table[user]).to(F64)
    hessian = torch.func.hessian(loss)(at, items, own, geometry)
    alike = 2 * geometry.regularization * len(own)
    if not geometry.spherical:
        return hessian, alike
    slope = torch.func.grad(loss)(at, items, own, geometry)
    alike = -float(slope @ at) / geometry.user_length**2  # the Riemannian Hessian's second term
    return hessian + alike * torch.eye(len(at), dtype=F64), alike


def pull(model, user, own):
    """ℓ'_ui of the user's items."""
    scores = torch.from_numpy(model.item_table).to(F64) @ torch.from_numpy(model.user_table[user]).to(F64)
    scores.requires_grad_()
    partition = model.geometry.negatives * scores.exp().mean()
    sum(torch.log(scores[i].exp() + partition) - scores[i] for i in own).backward()
    return scores.grad[own]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_an_items_following_is_its_users_pull_over_their_stiffness(similarity):
    train, model = data(), recommender(similarity)
    moment = model.item_table.T.astype(float) @ model.item_table
    spectrum = np.linalg.eigvalsh(moment) / np.trace(moment) * DIM
    expected = torch.zeros(N_ITEMS, dtype=F64)
    for user in range(N_USERS):
        own = [int(i) for i in train.items_of(user)]
        hessian, alike = curvature(model, user, own)
        mean = max(float(hessian.trace()) / DIM - alike, 0)
        inverse = float(np.mean(1 / np.maximum(mean * spectrum + alike, 0.01)))
        expected[own] += pull(model, user, own) ** 2 * inverse
    got = loss_sums(model, train).following
    # The trace leaves out that the negatives' weight itself falls as p rises: of second order.
    torch.testing.assert_close(got, expected, rtol=0.02, atol=1e-6)


def test_it_is_near_what_the_users_whole_hessians_give(trained, train):
    whole, of_the_mean = torch.zeros(2, trained.n_items, dtype=F64)
    for user in train.active_users:
        own = [int(i) for i in train.items_of(user)]
        hessian, _ = curvature(trained, user, own)
        squares = pull(trained, user, own) ** 2
        values = torch.linalg.eigvalsh(hessian).clamp(min=SMALLEST_CURVATURE)
        whole[own] += squares * values.reciprocal().mean()
        of_the_mean[own] += squares / values.mean()
    errors = [
        (each / whole - 1).abs().median() for each in (loss_sums(trained, train).following, of_the_mean)
    ]
    assert errors[0] < errors[1] / 2


def test_users_are_as_far_from_rest_as_newtons_step_is_long(trained, train):
    expected = 0.0
    for user in train.active_users:
        own, at = [int(i) for i in train.items_of(user)], torch.from_numpy(trained.user_table[user]).to(F64)
        hessian, _ = curvature(trained, user, own)
        slope = torch.func.grad(loss)(at, torch.from_numpy(trained.item_table).to(F64), own, trained.geometry)
        if trained.geometry.spherical:
            slope = slope - (slope @ at) * at / (at @ at)
        mean = max(float(hessian.trace()) / len(at), SMALLEST_CURVATURE)
        expected += float(slope.norm() / mean / at.norm())
    # The trace leaves out a second-order part, which counts for more where users have few items.
    assert loss_sums(trained, train).unfinished.item() == pytest.approx(expected, rel=0.15)
    assert expected / len(train.active_users) > 0.02


def test_a_spectrum_is_that_of_an_even_sample_of_the_rows():
    rows = torch.randn(5 * SAMPLE, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 2, 3])
    rows[np.arange(len(rows)) % 5 != 0] = 1e6  # not looked at
    torch.testing.assert_close(spectrum_of(rows), torch.tensor([1.0, 4, 9]) * 3 / 14, rtol=0.1, atol=0)
    assert spectrum_of(torch.zeros(4, 3)).isfinite().all()


def test_nobody_follows_an_item_that_nobody_has():
    train = data()
    without = train.where(train.items != 3)
    following = loss_sums(recommender("cosine"), without).following
    assert following[3] == 0
    assert (following[[i for i in range(N_ITEMS) if i != 3]] > 0).all()


def test_the_gain_is_what_eliminating_the_users_gives():
    """One item, five users who have nothing else, quadratic by construction: the Schur complement by hand."""
    pull, stiff, own = 0.3, 1.5, 4.0
    hessian = torch.diag(torch.tensor([own, *[stiff] * 5]))
    hessian[0, 1:] = hessian[1:, 0] = -pull
    moved = torch.linalg.solve(hessian, torch.eye(6)[0])[0]
    got = gain(readiness(following=5 * pull**2 / stiff, radial=own))
    assert got == pytest.approx(float(moved * own), rel=1e-5)


def test_nobody_follows_without_end():
    assert gain(readiness(following=3.0, radial=4.0)) == pytest.approx(2)  # of κ = 3/4 a half is the most


@pytest.mark.parametrize(
    ("distance", "share"),
    [(0, 1), (FINISHED, 1), ((FINISHED + UNFINISHED) / 2, 0.5), (UNFINISHED, 0), (1, 0)],
)
def test_whom_training_left_on_the_way_does_not_follow(distance, share):
    assert gain(readiness(1.0, 4.0, distance)) == pytest.approx(1 / (1 - share / 4))


def gain(readiness):
    curvature, rows = SharedCurvature.of(readiness), slice(0, 1)
    return curvature.gain(curvature.inverse(rows), rows).item()


def readiness(following, radial, distance=0.0, users=100):
    """Of one item in one dimension, with no curvature but the radial."""
    one = {name: torch.zeros(1, dtype=F64) for name in ("positive", "pressure", "weight", "pairs", "holders")}
    given = {"following": following, "radial": radial, "users": users, "unfinished": distance * users}
    sums = LossSums(
        gradient=torch.zeros(1, 1),
        moment=torch.zeros(1, 1, dtype=F64),
        **one,
        **{name: torch.tensor([value], dtype=F64) for name, value in given.items()},
    )
    return NaturalReadiness(sums)
