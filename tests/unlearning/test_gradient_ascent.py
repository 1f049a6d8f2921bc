"""Plain ascent against autograd, and where it stops."""

import numpy as np
import pytest
import torch
from plain import item_gradient

from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.softmax import geometry_of
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent, entropy_gradient

LEAVERS = np.array([3, 8, 21])


@pytest.fixture
def climb(trained, train):
    """Item table after ascent on three accounts, with their old rows for measuring."""

    def run(**parameters):
        request = ForgetRequest.of_accounts(train, LEAVERS)
        moved = GradientAscent(**parameters).forget(trained, train, request).recommender
        return trained.with_tables(trained.user_table, moved.item_table)

    return run


@pytest.mark.parametrize("passes", [1, 3])
def test_each_pass_is_a_step_along_the_gradient(trained, train, climb, passes):
    """v <- v + lr · ∂L_forget/∂v in float64; on the sphere normalised again after every pass."""
    items, geometry = trained.item_table.astype(np.float64), geometry_of(trained)
    for _ in range(passes):
        slope = item_gradient(trained.user_table, items, train.of_users(LEAVERS), geometry).numpy()
        if geometry.spherical:
            slope -= (slope * items).sum(1, keepdims=True) * items
        items = items + 0.01 * slope
        if geometry.spherical:
            items /= np.linalg.norm(items, axis=1, keepdims=True)
    got = climb(learning_rate=0.01, passes=passes).item_table
    change = np.abs(items - trained.item_table).max()
    np.testing.assert_allclose(got, items, atol=1e-3 * change)
    assert change > 0.005


def test_every_pass_makes_the_forgotten_less_likely(trained, train, climb):
    levels = [
        mean_log_likelihood(climb(learning_rate=0.003, passes=n), train, LEAVERS).mean() for n in range(1, 5)
    ]
    start = mean_log_likelihood(trained, train, LEAVERS).mean()
    assert np.all(np.diff([start, *levels]) < 0)


def test_it_stops_each_user_at_the_level_of_strangers(trained, train, climb):
    """After many passes every user is just below the level; without it they fall far."""
    start = mean_log_likelihood(trained, train, LEAVERS)
    level = float(start.min() - 0.3)
    stopped = climb(learning_rate=0.003, passes=400, stranger_level=level)
    reached = mean_log_likelihood(stopped, train, LEAVERS)
    assert np.all(reached <= level)
    assert np.all(reached > level - 0.5)
    unbounded = mean_log_likelihood(climb(learning_rate=0.003, passes=400), train, LEAVERS)
    assert unbounded.max() < reached.min() - 1


def test_once_stopped_more_passes_change_nothing(climb, trained, train):
    level = float(mean_log_likelihood(trained, train, LEAVERS).min() - 0.3)
    one, two = (climb(learning_rate=0.003, passes=n, stranger_level=level) for n in (300, 500))
    assert one.item_table.tobytes() == two.item_table.tobytes()


def test_a_user_who_is_below_the_level_is_left_alone(trained, train):
    """Only the others push: the step is that of the others alone."""
    level = mean_log_likelihood(trained, train, LEAVERS)
    lowest = LEAVERS[level.argmin()]
    bound = float(np.sort(level)[:2].mean())
    bounded = GradientAscent(passes=1, stranger_level=bound)
    plain = GradientAscent(passes=1)
    others = np.setdiff1d(LEAVERS, [lowest])
    one = bounded.forget(trained, train, ForgetRequest.of_accounts(train, LEAVERS)).recommender
    two = plain.forget(trained, train, ForgetRequest.of_accounts(train, others)).recommender
    assert one.item_table.tobytes() == two.item_table.tobytes()
    assert not one.user_table[lowest].any()  # the row goes all the same


def test_strangers_above_everybody_stop_it_before_it_starts(trained, climb):
    got = climb(stranger_level=torch.inf)
    assert got.item_table.tobytes() == trained.item_table.tobytes()


def test_it_keeps_no_readiness(trained, train):
    assert (
        GradientAscent().forget(trained, train, ForgetRequest.of_accounts(train, LEAVERS)).readiness is None
    )


# --- entropy -------------------------------------------------------------------------------------


def entropies(recommender, users, items):
    log_choice = torch.log_softmax(torch.from_numpy(recommender.user_table[users]).double() @ items.T, 1)
    return -(log_choice.exp() * log_choice).sum(1)


def test_the_slope_of_the_entropy_is_autograds(trained):
    items = torch.from_numpy(trained.item_table).double().requires_grad_()
    expected = torch.autograd.grad(entropies(trained, LEAVERS, items).sum(), items)[0]
    if trained.geometry.spherical:
        expected = expected - (expected * items).sum(1, keepdim=True) * items
    got = entropy_gradient(trained, LEAVERS).double()
    torch.testing.assert_close(got, expected.detach(), atol=1e-5, rtol=1e-4)


def test_with_entropy_as_target_every_pass_makes_the_choice_more_uniform(trained, climb):
    levels = [
        entropies(
            trained,
            LEAVERS,
            torch.from_numpy(climb(learning_rate=0.05, passes=n, target="entropy").item_table).double(),
        ).sum()
        for n in range(4)
    ]
    assert np.all(np.diff(levels) > 0)
    assert levels[-1] < len(LEAVERS) * np.log(40)


def test_from_the_uniform_choice_there_is_nowhere_to_go(trained):
    flat = trained.with_tables(trained.user_table, np.ones_like(trained.item_table) / 8**0.5)
    assert entropy_gradient(flat, LEAVERS).abs().max() < 1e-5
