"""The natural step: its curvature against autograd, its solve against loops, its aim against known optima."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain import F64, item_gradient
from scipy.optimize import minimize

from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness import step as step_module
from recsys_unlearn.readiness.loss_sums import walk_
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders import geometry as geometry_module
from recsys_unlearn.recommenders.softmax import geometry_of, tangent
from recsys_unlearn.unlearning import natural_ascent as module
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.controls import RowDrop
from recsys_unlearn.unlearning.natural_ascent import SMALLEST_CURVATURE, NaturalAscent, item_curvature
from recsys_unlearn.unlearning.retrain import Retrain

LEAVERS = np.array([3, 8, 21])
EVERY_ITEM = np.arange(40)
FORMS = pytest.mark.parametrize("form", ["full", "whitened"])


# Users of these tiny models are .25 to .31 row lengths from rest, where nobody would follow: it moves out.
LATE = 0.6


def accounts(data, users=LEAVERS):
    return ForgetRequest.of_accounts(data, np.asarray(users))


def rotation():
    """A rotation of the tables' dimensions, float64 (8, 8)."""
    return torch.linalg.qr(torch.randn(8, 8, dtype=F64, generator=torch.Generator().manual_seed(3)))[0]


def turned(recommender, basis=None):
    """The same scores in another basis; by default, one in which C is far from diagonal."""
    basis = (rotation() if basis is None else basis).float().numpy()
    return recommender.with_tables(recommender.user_table @ basis, recommender.item_table @ basis)


def moved_items(unlearner, recommender, data, request):
    return unlearner.forget(recommender, data, request).recommender.item_table


def without(readiness, **zeroed):
    """Readiness in which some sums are replaced."""
    return replace(readiness, sums=replace(readiness.sums, **zeroed))


# --- curvature of one item -----------------------------------------------------------------------


def frozen_loss(recommender, data, item):
    """Loss as a function of one item's vector: positives, and negatives, with everybody's Z_u held.

    Σ_{u ∋ i} log(e^{x_u·v} + Z_u) - x_u·v, and Σ_u (Σ_k 1 - p_uk) e^{x_u·v} / Σ_j e^{s_uj}. The second
    has q_ui x_u for its slope and Σ_u q_ui x_u x_uᵀ for its curvature.
    """
    users, items = (torch.from_numpy(t).to(F64) for t in (recommender.user_table, recommender.item_table))
    share = (users @ items.T).exp()
    partition = geometry_of(recommender).negatives * share.mean(1)
    owners = data.users[data.items == item]
    excess = {
        u: sum(partition[u] / (share[u, i] + partition[u]) for i in data.items_of(u))
        for u in data.active_users
    }

    def positives(vector):
        return sum(((users[u] @ vector).exp() + partition[u]).log() - users[u] @ vector for u in owners)

    def negatives(vector):
        return sum(weight * (users[u] @ vector).exp() / share[u].sum() for u, weight in excess.items())

    return positives, negatives


def hessian(function, point):
    return torch.autograd.functional.hessian(function, point)


@pytest.mark.parametrize("item", [0, 5, 17, 39])
def test_positive_part_is_autograds_hessian(free, train, item):
    """Exact: P_i is summed over the item's own users, with Z_u held."""
    readiness = NaturalReadiness.measure(free, train)
    only = without(readiness, pressure=torch.zeros(40).double(), radial=torch.zeros(40).double())
    got = item_curvature(np.array([item]), free, train, only)[0].double()
    positives, _ = frozen_loss(free, train, item)
    expected = hessian(positives, torch.from_numpy(free.item_table[item]).double())
    expected += SMALLEST_CURVATURE * torch.eye(8)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("item", [0, 5, 17, 39])
def test_negative_part_has_the_weight_and_roughly_the_shape_of_the_hessian(free, train, item):
    """Q_i C stands for Σ_u q_ui x_u x_uᵀ: who presses on an item is taken to be like everybody.

    On this tiny catalogue (q_ui differ thirtyfold between tastes) the angle's cosine is .84 to .90 and
    the trace within a fifth; it is exact where users press in proportion, see the next test.
    """
    readiness = NaturalReadiness.measure(free, train)
    got = readiness.sums.pressure[item] * readiness.covariance
    _, negatives = frozen_loss(free, train, item)
    expected = hessian(negatives, torch.from_numpy(free.item_table[item]).double())
    assert (got * expected).sum() / got.norm() / expected.norm() > 0.75
    assert got.trace() == pytest.approx(float(expected.trace()), rel=0.3)


def test_curvature_is_exact_where_everybody_presses_alike(free, train):
    """Items of zeros: every score is 0, so that q_ui = w_u / m for all users."""
    flat = free.with_tables(free.user_table, np.zeros_like(free.item_table))
    readiness = NaturalReadiness.measure(flat, train)
    got = item_curvature(np.array([5]), flat, train, readiness)[0].double()
    positives, negatives = frozen_loss(flat, train, 5)
    point = torch.zeros(8, dtype=F64)
    expected = hessian(positives, point) + hessian(negatives, point)
    expected += 2 * free.options.regularization * train.item_counts[5] * torch.eye(8)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.fixture
def pole(spherical):
    """Items at ± one pole, users on one circle of latitude: everybody scores, and presses, alike."""
    draw = np.random.default_rng(0)
    users, items = np.zeros((6, 4), np.float32), np.zeros((4, 4), np.float32)
    around = draw.normal(size=(6, 3))
    users[:, 0], users[:, 1:] = 0.1, np.sqrt(0.99) * around / np.linalg.norm(around, axis=1, keepdims=True)
    items[:, 0] = [1, -1, -1, -1]
    pairs = [(u, 0) for u in range(6)] + [(0, 1)]
    data = Interactions.from_pairs(*zip(*pairs, strict=True), 6, 4)
    return spherical.with_tables(users / np.float32(spherical.options.temperature), items), data


def test_curvature_on_the_sphere_is_the_second_derivative_along_great_circles(pole):
    """d²/dt² of the loss at normalise(v + t·d), for unit d in the tangent plane, by differences."""
    model, data = pole
    readiness = NaturalReadiness.measure(model, data)
    assert readiness.sums.radial[0] > 0.5  # where it is negative the solve takes 0
    curvature = item_curvature(np.array([0]), model, data, readiness)[0].double()
    positives, negatives = frozen_loss(model, data, 0)
    point, step = torch.from_numpy(model.item_table[0]).double(), 1e-3

    def loss(direction, t):
        moved = torch.nn.functional.normalize(point + t * direction, dim=0)
        return positives(moved) + negatives(moved)

    for direction in torch.eye(4, dtype=F64)[1:]:
        bend = (loss(direction, step) - 2 * loss(direction, 0) + loss(direction, -step)) / step**2
        assert (direction @ curvature @ direction).item() == pytest.approx(bend.item(), rel=1e-3)


def test_along_the_radius_the_curvature_is_one(spherical, train):
    """So that the solve neither moves an item off the sphere nor divides by nothing."""
    curvature = item_curvature(EVERY_ITEM, spherical, train, NaturalReadiness.measure(spherical, train))
    points = torch.from_numpy(spherical.item_table)
    torch.testing.assert_close((curvature @ points[:, :, None])[:, :, 0], points, rtol=0, atol=1e-4)


def test_curvature_is_positive_definite(trained, train):
    curvature = item_curvature(EVERY_ITEM, trained, train, NaturalReadiness.measure(trained, train))
    assert torch.linalg.eigvalsh(curvature.double()).min() > 0


# --- the step ------------------------------------------------------------------------------------


def slow_step(recommender, data, request, form, centred, followed):
    """H_i⁻¹ (g_i - ε G_i) / (1 - f_i mean H_i⁻¹), item by item in float64."""
    geometry = geometry_of(recommender)
    retained = data.without(request.forget_set)
    readiness = NaturalReadiness.measure(recommender, retained)
    sums, covariance = readiness.sums, readiness.covariance
    tables = recommender.user_table, recommender.item_table
    forgotten, everybody = (item_gradient(*tables, part, geometry) for part in (request.forget_set, data))
    direction = forgotten - centred * len(request.forget_set) / len(data) * everybody
    points = torch.from_numpy(recommender.item_table).double()
    if geometry.spherical:
        direction = tangent(direction, points)
    own = item_curvature(EVERY_ITEM, recommender, retained, readiness).double()
    radial = sums.radial.clamp(min=0)
    shared = (sums.positive + sums.pressure)[:, None, None] * covariance + radial[:, None, None] * torch.eye(
        8
    )
    touched = torch.from_numpy(request.forget_set.item_counts > 0)
    steps = torch.linalg.solve(shared, direction)
    if geometry.spherical:
        steps = tangent(steps, points)
    steps = torch.where(touched[:, None] & (form == "full"), torch.linalg.solve(own, direction), steps)
    if not followed:
        return steps
    finished = ((LATE - sums.unfinished / sums.users) / (LATE - 0.11)).clamp(0, 1)
    assert 0 < finished < 1
    inverse = torch.linalg.inv(shared).diagonal(dim1=1, dim2=2).mean(1)
    share = sums.following * inverse * finished
    return torch.stack([step / (1 - min(float(each), 0.5)) for step, each in zip(steps, share, strict=True)])


@FORMS
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("followed", [True, False])
@pytest.mark.parametrize("partial", [False, True])
def test_the_step_is_that_of_the_slow_twin(trained, train, form, centred, followed, partial, monkeypatch):
    monkeypatch.setattr(step_module, "UNFINISHED", LATE)
    request = accounts(train)
    if partial:
        request = ForgetRequest.of_pairs(
            request.forget_set.where(np.arange(len(request.forget_set)) % 2 == 0)
        )
    model = turned(trained)
    step = slow_step(model, train, request, form, centred, followed)
    expected = torch.from_numpy(model.item_table) + 0.7 * step
    if trained.options.similarity == "cosine":
        expected = torch.nn.functional.normalize(expected, dim=1)
    method = NaturalAscent(form, step_size=0.7, centred=centred, followed=followed)
    got = moved_items(method, model, train, request)
    change = np.abs(expected.numpy() - model.item_table).max()
    np.testing.assert_allclose(got, expected, atol=2e-3 * change)
    assert change > 0.02


def test_where_no_basis_need_be_changed_the_step_is_the_same(trained, train):
    request, basis = accounts(train), rotation()
    covariance = NaturalReadiness.measure(trained, train.without_users(LEAVERS)).covariance
    model = turned(trained, torch.linalg.eigh(covariance).eigenvectors)
    got, expected = (moved_items(NaturalAscent(), each, train, request) for each in (model, turned(model)))
    np.testing.assert_allclose(got @ basis.float().numpy(), expected, atol=1e-5)
    assert np.linalg.norm(got - model.item_table) > 0.1


@FORMS
def test_the_step_does_not_depend_on_the_blocks(trained, train, form, monkeypatch):
    model, request = turned(trained), accounts(train)
    whole = moved_items(NaturalAscent(form), model, train, request)
    monkeypatch.setattr(geometry_module, "BLOCK", 7)  # of 40 items: the last block is a short one
    np.testing.assert_allclose(moved_items(NaturalAscent(form), model, train, request), whole, atol=1e-6)
    assert np.abs(whole - model.item_table).max() > 0.02


@FORMS
def test_a_calibrated_length_scales_the_step(free, train, form):
    plain = NaturalReadiness.measure(free, train)
    twice = replace(plain, calibration=torch.tensor([np.log(2), 0]))
    one, two = (
        NaturalAscent(form).forget(free, train, accounts(train), each).recommender.item_table
        for each in (plain, twice)
    )
    np.testing.assert_allclose(two - free.item_table, 2 * (one - free.item_table), atol=1e-5)
    assert np.abs(one - free.item_table).max() > 0.02


@FORMS
def test_no_step_leaves_the_items(free, train, form):
    got = moved_items(NaturalAscent(form, step_size=0), free, train, accounts(train))
    assert got.tobytes() == free.item_table.tobytes()


@FORMS
def test_the_step_size_scales_the_step(free, train, form):
    one, two = (moved_items(NaturalAscent(form, size), free, train, accounts(train)) for size in (0.5, 1))
    np.testing.assert_allclose(two - free.item_table, 2 * (one - free.item_table), atol=1e-5)


@pytest.mark.parametrize(("few", "threads"), [(2, 1), (1, 2)])
def test_few_users_take_one_thread(free, train, few, threads, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "FEW", few)
    monkeypatch.setattr(module, "walk_", lambda *given: seen.append(torch.get_num_threads()) or walk_(*given))
    torch.set_num_threads(2)
    try:
        NaturalAscent().forget(free, train, accounts(train, LEAVERS[:2]))
    finally:
        torch.set_num_threads(1)
    assert seen == [threads]


@pytest.mark.parametrize("partial", [False, True])
def test_in_place_the_result_is_the_same_and_no_row_is_copied(trained, train, partial):
    lost = ForgetRequest.of_pairs(train.of_users([8]).where(np.array([0, 1, 2])))
    request, readiness = lost if partial else accounts(train), NaturalReadiness.measure(trained, train)
    copied = NaturalAscent().forget(trained, train, request, readiness)
    given = trained.with_tables(trained.user_table.copy(), trained.item_table)
    changed = NaturalAscent(in_place=True).forget(given, train, request, readiness)
    assert changed.recommender.user_table is given.user_table
    assert given.user_table.tobytes() == copied.recommender.user_table.tobytes()
    assert changed.recommender.item_table.tobytes() == copied.recommender.item_table.tobytes()
    for name, value in vars(copied.readiness.sums).items():
        assert torch.equal(getattr(changed.readiness.sums, name), value), name


@FORMS
def test_items_stay_on_the_sphere(spherical, train, form):
    lengths = np.linalg.norm(moved_items(NaturalAscent(form, 5), spherical, train, accounts(train)), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


@FORMS
def test_forgetting_everybody_stays_finite(trained, train, form):
    got = NaturalAscent(form).forget(trained, train, accounts(train, range(60))).recommender
    assert np.isfinite(got.item_table).all()
    assert not got.user_table.any()


def test_full_and_whitened_agree_where_users_differ_in_nothing(free, train):
    """One taste for all: every item's own users have the covariance of everybody."""
    same = free.with_tables(np.repeat(free.user_table[:1], 72, axis=0), free.item_table)
    same.user_table[60:] = 0
    full, whitened = (
        moved_items(NaturalAscent(form), same, train, accounts(train)) for form in ("full", "whitened")
    )
    change = np.abs(full - same.item_table).max()
    np.testing.assert_allclose(full, whitened, atol=1e-3 * change)
    assert change > 0.01


def test_full_and_whitened_differ_where_users_do(free, train):
    full, whitened = (
        moved_items(NaturalAscent(form), free, train, accounts(train)) for form in ("full", "whitened")
    )
    assert np.abs(full - whitened).max() > 0.01 * np.abs(full - free.item_table).max()


# --- where it lands ------------------------------------------------------------------------------


@FORMS
def test_forgetting_one_of_each_twin_leaves_the_items(trained, train, form):
    """The forget set is a fair sample of everybody, so a retrain would stop at the same place.

    Centred, the items move at most 1 % of what they move uncentred (measured: below .1 %).
    """
    members = trained.user_table[:60]
    twins = trained.with_tables(np.concatenate([members, members]), trained.item_table)
    pairs = np.concatenate([train.users, train.users + 60]), np.concatenate([train.items, train.items])
    data = Interactions.from_pairs(*pairs, 120, 40)
    centred, uncentred = (
        moved_items(NaturalAscent(form, 1, centred), twins, data, accounts(data, range(60, 120)))
        for centred in (True, False)
    )
    far = np.abs(uncentred - trained.item_table).max()
    assert far > 0.05
    assert np.abs(centred - trained.item_table).max() < 0.01 * far


def item_optimum(recommender, data):
    """Item table that minimises the loss of ``data`` under the users as they are (convex), float64."""
    geometry, users = geometry_of(recommender), torch.from_numpy(recommender.user_table).to(F64)
    rows, columns = (
        torch.from_numpy(data.users.astype(np.int64)),
        torch.from_numpy(data.items.astype(np.int64)),
    )
    counts = torch.from_numpy(data.item_counts).to(F64)

    def value_and_slope(flat):
        table = torch.from_numpy(flat.reshape(recommender.item_table.shape)).requires_grad_()
        scores = users @ table.T
        partition = torch.logsumexp(scores, 1) + np.log(geometry.negatives / len(table))
        positive = scores[rows, columns]
        loss = (torch.logaddexp(positive, partition[rows]) - positive).sum()
        loss = loss + geometry.regularization * (counts[:, None] * table.square()).sum()
        return loss.item(), torch.autograd.grad(loss, table)[0].numpy().ravel()

    start = recommender.item_table.astype(np.float64).ravel()
    options = {"maxiter": 5000, "gtol": 1e-7, "ftol": 1e-15}
    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(recommender.item_table.shape)


@FORMS
@pytest.mark.parametrize("leavers", [[8], [3], [0, 1, 2]], ids=str)
def test_from_an_optimum_the_step_goes_to_the_optimum_of_the_rest(free, train, form, leavers):
    """Known answer: both optima of the item table are computed. One step covers more than half the way.

    Measured: .32 to .46 of the distance remains; what does is the negatives' approximate curvature.
    """
    finished = free.with_tables(free.user_table, item_optimum(free, train).astype(np.float32))
    aim = item_optimum(finished, train.without_users(leavers))
    got = moved_items(NaturalAscent(form, step_size=1), finished, train, accounts(train, leavers))
    assert np.linalg.norm(got - aim) < 0.5 * np.linalg.norm(finished.item_table - aim)


@FORMS
def test_the_forgotten_come_closer_to_what_a_retrain_makes_of_them(trained, train, form):
    """Mean fold-in log-likelihood over ten cohorts of six: its distance to the retrained model's.

    At most .7 of what dropping the rows leaves; the prototype's figures on real data are in
    FORGETTING.md, section 3.
    """
    methods = {"drop": RowDrop(), "retrain": Retrain(), "natural": NaturalAscent(form, step_size=1)}
    away = {"drop": [], "natural": []}
    for first in range(0, 10, 3):
        request = accounts(train, range(first, 60, 10))
        level = {
            name: fold_in_statistic(
                method.forget(trained, train, request).recommender, request.forget_set
            ).log_likelihood.mean()
            for name, method in methods.items()
        }
        for name, distances in away.items():
            distances.append(abs(level[name] - level["retrain"]))
    assert np.mean(away["natural"]) < 0.7 * np.mean(away["drop"])
