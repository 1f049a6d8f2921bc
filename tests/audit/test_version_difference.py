"""What two versions give away: planted changes are found, unrelated ones are chance."""

import numpy as np
import pytest

from recsys_unlearn.audit.version_difference import BASELINE, SCORERS, Recovery, recover
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.controls import NoOp
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

N_ITEMS, DIM = 400, 12


@pytest.fixture
def world():
    """Forty users with ten random items each, under a model that knows nothing of them."""
    draw = np.random.default_rng(0)
    items = np.concatenate([draw.choice(N_ITEMS, 10, replace=False) for _ in range(40)])
    histories = Interactions.from_pairs(np.repeat(range(40), 10), items, 40, N_ITEMS)
    tables = (draw.normal(size=(n, DIM)).astype(np.float32) for n in (40, N_ITEMS))
    return histories, Factorization().with_tables(*tables)


def pulled_back(model, forgotten, by=0.5, noise=0.0):
    """Items of the forgotten lose what their users pulled them by; all items shake a little."""
    table = model.item_table + noise * np.random.default_rng(1).normal(size=model.item_table.shape)
    np.subtract.at(table, forgotten.items, by * model.user_table[forgotten.users])
    return model.with_tables(model.user_table, table.astype(np.float32))


@pytest.mark.parametrize("scorer", sorted(set(SCORERS) - {BASELINE}))
def test_a_single_deletion_names_every_item(world, scorer):
    histories, model = world
    alone = histories.of_users([7])
    found = recover(model, pulled_back(model, alone), alone)
    assert found.precision[scorer].tolist() == [1.0]
    assert found.chance.tolist() == [10 / N_ITEMS]


def test_a_batch_hides_each_behind_the_others(world):
    histories, model = world
    alone, batch = (
        recover(model, pulled_back(model, part, noise=0.05), part)
        for part in (histories.of_users([7]), histories)
    )
    assert alone.best[1] > 0.95
    assert batch.best[1] < 0.75
    assert batch.precision["movement"].mean() < 0.1  # three in four of all items moved


@pytest.mark.parametrize("scorer", sorted(SCORERS))
def test_versions_that_differ_by_noise_alone_give_chance(world, scorer):
    """400 guesses at 1 in 40: 10 right, give or take 4 × 3.1."""
    histories, model = world
    shaken = pulled_back(model, histories.of_users([]), noise=1.0)
    found = recover(model, shaken, histories).precision[scorer].sum() * 10
    assert abs(found - 10) < 4 * np.sqrt(400 / 40)


def test_the_old_version_alone_is_the_baseline_and_never_the_best(world):
    """It ranks by the user's own scores, which for a trained model are its items already."""
    histories, model = world
    fitted = pulled_back(model, histories, by=-2.0)
    found = recover(fitted, fitted, histories)
    assert found.precision[BASELINE].mean() > 0.6  # chance is .025
    assert found.best[0] != BASELINE


def test_best_is_of_the_mean_over_users():
    found = Recovery(
        np.arange(2),
        {"movement": np.array([1.0, 0.0]), "projection": np.array([0.4, 0.8]), BASELINE: np.ones(2)},
        np.array([0.1, 0.3]),
    )
    assert found.best == ("projection", pytest.approx(0.6))
    assert found.as_dict() == pytest.approx(
        {"movement": 0.5, "projection": 0.6, BASELINE: 1.0, "chance": 0.2}
    )


def test_batches_change_nothing(world, monkeypatch):
    histories, model = world
    after = pulled_back(model, histories, noise=0.1)
    whole = recover(model, after, histories)
    monkeypatch.setattr("recsys_unlearn.audit.version_difference.USERS_PER_BATCH", 7)
    assert recover(model, after, histories).as_dict() == pytest.approx(whole.as_dict())


def test_nobody_to_recover(world):
    histories, model = world
    assert len(recover(model, model, histories.of_users([])).users) == 0


def test_a_natural_step_can_be_read_off_and_a_no_op_cannot(spherical, train):
    request = ForgetRequest.of_accounts(train, np.array([8]))
    after = NaturalAscent().forget(spherical, train, request).recommender
    chance = 10 / 40
    assert recover(spherical, after, request.forget_set).best[1] > 2 * chance
    same = NoOp().forget(spherical, train, request).recommender
    assert recover(spherical, same, request.forget_set).precision["movement"][0] <= 2 * chance
