"""How far items go with their users, against the whole Hessian by automatic differentiation."""

import numpy as np
import pytest
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import LossSums, loss_sums
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import followers_gain
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


def stiffness(model, user, own):
    """Mean of the diagonal of one user's Hessian; on the sphere, of the Riemannian one."""
    items, geometry = torch.from_numpy(model.item_table).to(F64), model.geometry
    at = torch.from_numpy(model.user_table[user]).to(F64)
    hessian = torch.func.hessian(loss)(at, items, own, geometry)
    if not geometry.spherical:
        return hessian.trace() / DIM
    slope = torch.func.grad(loss)(at, items, own, geometry)
    return (hessian.trace() - DIM * (slope @ at) / geometry.user_length**2) / DIM


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_an_items_following_is_its_users_pull_over_their_stiffness(similarity):
    train, model = data(), recommender(similarity)
    items = torch.from_numpy(model.item_table).to(F64)
    expected = torch.zeros(N_ITEMS, dtype=F64)
    for user in range(N_USERS):
        own = [int(i) for i in train.items_of(user)]
        scores = items @ torch.from_numpy(model.user_table[user]).to(F64)
        scores.requires_grad_()
        partition = model.geometry.negatives * scores.exp().mean()
        sum(torch.log(scores[i].exp() + partition) - scores[i] for i in own).backward()
        stiff = max(float(stiffness(model, user, own)), 0.01)
        expected[own] += scores.grad[own] ** 2 / stiff
    got = loss_sums(model, train).following
    # The trace leaves out that the negatives' weight itself falls as p rises: of second order.
    torch.testing.assert_close(got, expected, rtol=0.02, atol=1e-6)


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
    got = followers_gain(readiness(holders=5.0, users=10**6, following=5 * pull**2 / stiff, radial=own))
    assert got.item() == pytest.approx(float(moved * own), rel=1e-5)


def test_a_crowd_does_not_follow_and_nobody_follows_without_end():
    gains = [followers_gain(readiness(holders, 100, 3.0, 4.0)).item() for holders in (0.0, 2.5, 5.0, 50.0)]
    assert gains[0] == pytest.approx(2)  # of κ = 3/4 a half is the most
    assert gains[1] == pytest.approx(1 / (1 - 0.375))  # half of the way to the twentieth that is a crowd
    assert gains[2:] == [1, 1]


def readiness(holders, users, following, radial):
    """Of one item in one dimension, with no curvature but the radial."""
    one = {name: torch.zeros(1, dtype=F64) for name in ("positive", "pressure", "weight", "pairs")}
    given = {"holders": holders, "following": following, "radial": radial, "users": users}
    sums = LossSums(
        gradient=torch.zeros(1, 1),
        moment=torch.zeros(1, 1, dtype=F64),
        **one,
        **{name: torch.tensor([value], dtype=F64) for name, value in given.items()},
    )
    return NaturalReadiness(sums)
