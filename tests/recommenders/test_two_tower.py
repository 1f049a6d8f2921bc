"""Towers against a slow forward in float64; what they add over a factorisation, and what they serve."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn import losses
from recsys_unlearn.errors import ConfigError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.embedding_tables import DenseTables, training_tables
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.recommenders.side_features import BANDS, SideFeatures
from recsys_unlearn.recommenders.tower_tables import TowerTables
from recsys_unlearn.recommenders.two_tower import Tower, TwoTower, TwoTowerOptions

SMALL = {"dim": 8, "negatives": 24, "batch_size": 128, "epochs": 6, "learning_rate": 0.03, "seed": 5}
OPTIONS = TwoTowerOptions(hidden=12, **SMALL)


def grown(tower, draw):
    """The same tower with an outward matrix that is not zero, as after training."""
    values = draw.standard_normal(tower.outward.shape).astype(np.float32)
    with torch.no_grad():
        tower.outward.copy_(torch.from_numpy(values))
    return tower


def slow_forward(tower, embeddings, features):
    """e + max(0, e W + Σ_f b_f) V, in float64, one row and one hidden unit at a time."""
    inward, bands, outward = (
        weight.detach().double().numpy() for weight in (tower.inward, tower.bands, tower.outward)
    )
    outputs = embeddings.double().numpy().copy()
    for row, (vector, own) in enumerate(zip(embeddings.double().numpy(), features, strict=True)):
        for unit in range(inward.shape[1]):
            seen = sum(bands[feature * BANDS + band, unit] for feature, band in enumerate(own))
            outputs[row] += max(0.0, vector @ inward[:, unit] + seen) * outward[unit]
    return outputs


@pytest.fixture
def draw():
    return np.random.default_rng(3)


@pytest.fixture
def features(train):
    return SideFeatures.of(train)


@pytest.fixture
def towers(features, draw):
    return [grown(Tower(side, OPTIONS, getattr(features, side)), draw) for side in ("user", "item")]


@pytest.fixture
def initial(train, draw):
    sizes = {"user": train.n_users, "item": train.n_items}
    return {
        side: torch.from_numpy(draw.standard_normal((rows, 8)).astype(np.float32))
        for side, rows in sizes.items()
    }


@pytest.fixture
def lengths_of_history():
    """Users of 16 items like rows 0 to 39, users of 4 items like 40 to 79; the last 20 users are told apart
    by that alone, since each of their items is theirs only.
    """
    draw = np.random.default_rng(3)
    pairs, private = [], 80
    for user in range(100):
        size, first = ((16, 0), (4, 40))[user % 2]
        shared = first + draw.choice(40, size, replace=False)
        pairs += [(user, item) for item in (shared if user < 80 else range(private, private + size))]
        private += size if user >= 80 else 0
    return Interactions.from_pairs(*zip(*pairs, strict=True), n_users=100, n_items=private)


# --- the network ---------------------------------------------------------------------------------


def test_a_towers_output_is_the_slow_forward(towers, features, initial):
    for tower, side in zip(towers, ("user", "item"), strict=True):
        expected = slow_forward(tower, initial[side], getattr(features, side))
        np.testing.assert_allclose(tower(initial[side]).detach(), expected, atol=1e-5)
        assert np.abs(expected - initial[side].numpy()).max() > 0.1


def test_a_look_up_is_the_towers_output_at_the_rows(towers, initial):
    tables = TowerTables(DenseTables(initial, 0.1), *towers, 0.1)
    users, items = torch.tensor([4, 4, 0]), torch.tensor([7, 1, 39, 7])
    user, item = tables.look_up(users, items)
    whole = tables.tables()
    torch.testing.assert_close((user, item), (whole[0][users], whole[1][items]))
    torch.testing.assert_close(
        whole, tuple(t(initial[s]).detach() for t, s in zip(towers, initial, strict=True))
    )


def test_a_step_moves_the_rows_and_the_weights_of_both_towers(towers, initial):
    inner = DenseTables(initial, 0.1)
    tables = TowerTables(inner, *towers, 0.1)
    before = [weight.detach().clone() for tower in towers for weight in tower.parameters()]
    user, item = tables.look_up(torch.tensor([0]), torch.tensor([3, 5]))
    tables.step(losses.sampled_softmax((user * item[:1]).sum(1), user @ item[1:].T).sum())
    after = [weight for tower in towers for weight in tower.parameters()]
    assert all((new != old).any() for new, old in zip(after, before, strict=True))
    moved = (inner.tables()[0] != initial["user"]).any(1)
    assert moved.nonzero().flatten().tolist() == [0]


def test_a_step_descends_the_loss_in_the_towers_weights(towers, initial):
    """The first step of Adam goes the learning rate against the gradient's sign, and forgets the last one."""
    tables = TowerTables(DenseTables(initial, 0.01), *towers, 0.01)
    rows = torch.tensor([0, 9]), torch.tensor([3, 5, 7, 11])

    def loss():
        user, item = tables.look_up(*rows)
        return losses.sampled_softmax((user * item[:2]).sum(1), user @ item[2:].T).sum()

    before = towers[0].outward.detach().clone()
    gradient = torch.autograd.grad(loss(), towers[0].outward)[0]
    tables.step(loss())
    clear = gradient.abs() > 1e-4
    torch.testing.assert_close(
        (towers[0].outward.detach() - before)[clear], -0.01 * gradient.sign()[clear], atol=1e-5, rtol=1e-2
    )
    gradient = torch.autograd.grad(loss(), towers[1].outward)[0]
    tables.step(loss())
    torch.testing.assert_close(towers[1].outward.grad, gradient)


def test_a_fresh_tower_lets_the_embeddings_pass(features, initial):
    fresh = Tower("user", OPTIONS, features.user)
    assert torch.equal(fresh(initial["user"]), initial["user"])


def test_each_side_draws_its_own_weights_and_a_seed_others(features):
    user, item = (Tower(side, OPTIONS, features.user) for side in ("user", "item"))
    other = Tower("user", replace(OPTIONS, seed=6), features.user)
    for name in ("inward", "bands"):
        draws = [getattr(tower, name) for tower in (user, item, other)]
        assert not torch.equal(draws[0], draws[1])
        assert not torch.equal(draws[0], draws[2])


def test_each_tower_sees_the_features_of_its_side(train, features):
    with TwoTower(OPTIONS)._training_tables(train) as tables:
        for side in ("user", "item"):
            seen = getattr(tables, side).features.numpy()
            assert (seen // BANDS == [0, 1]).all()  # each feature has bands of its own
            assert np.array_equal(seen % BANDS, getattr(features, side))


# --- the recommender -----------------------------------------------------------------------------


def test_users_whose_only_signal_is_a_feature_are_ranked_better_with_towers(lengths_of_history):
    """How often an item that users of their length like is before one of the others: by chance, one half."""
    settings = SMALL | {"epochs": 10, "batch_size": 64}
    shares = []
    for model in (TwoTower(TwoTowerOptions(**settings)), Factorization(FactorizationOptions(**settings))):
        scores = model.fit(lengths_of_history).scores(np.arange(80, 100))
        long_first = (scores[:, :40, None] > scores[:, None, 40:80]).mean((1, 2))
        shares.append(np.where(np.arange(20) % 2 == 0, long_first, 1 - long_first).mean())
    assert shares[0] > 0.8
    assert abs(shares[1] - 0.5) < 0.1


def test_it_learns_the_tastes(train):
    """Four tastes of ten items: after training held-out items are found far more often than by chance."""
    hidden = train.where(np.random.default_rng(1).random(len(train)) < 0.25)
    rest = train.without(hidden)
    model = TwoTower(replace(OPTIONS, epochs=20)).fit(rest)
    recall = evaluate(model, hidden, exclude=rest, k=5).mean()["recall@5"]
    assert recall > 2.5 * 5 / 40


def test_towers_change_what_is_learned_and_serve_unit_items(train):
    ours = TwoTower(OPTIONS).fit(train)
    theirs = Factorization(FactorizationOptions(**SMALL)).fit(train)
    assert np.abs(ours.item_table - theirs.item_table).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(ours.item_table, axis=1), 1, rtol=1e-5)
    lengths = np.linalg.norm(ours.user_table[train.active_users], axis=1)
    np.testing.assert_allclose(lengths, 1 / OPTIONS.temperature, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "rowwise_adagrad"])
def test_a_second_fit_equals_the_first_to_the_byte(train, optimizer):
    model = TwoTower(replace(OPTIONS, optimizer=optimizer))
    tables = [model.fit(train).state() for _ in range(2)]
    for name in model.arrays:
        assert tables[0][name].tobytes() == tables[1][name].tobytes()


def test_embeddings_under_the_fused_optimiser_pass_through_towers_too(towers, initial):
    with training_tables(initial, "rowwise_adagrad", 0.1) as fused:
        user, item = TowerTables(fused, *towers, 0.1).tables()
    torch.testing.assert_close(user, towers[0](initial["user"]).detach())
    torch.testing.assert_close(item, towers[1](initial["item"]).detach())


def test_a_retrain_is_a_fit_on_data_in_which_the_user_never_was(train):
    options = replace(OPTIONS, epochs=2)
    model, retained = TwoTower(options).fit(train), train.without_users([3])
    fresh = TwoTower(replace(options, steps_per_epoch=model.retrain_options.steps_per_epoch)).fit(retained)
    left = model.retrain(retained)
    assert left.state().keys() == {"user_table", "item_table"}  # no tower to read anything from
    assert left.item_table.tobytes() == fresh.item_table.tobytes()
    assert not left.user_table[3].any()


def test_wrong_options_are_refused_under_the_models_own_name():
    with pytest.raises(ConfigError, match=r"^two_tower: hidden must be above 0$"):
        TwoTowerOptions(hidden=0)
    with pytest.raises(ConfigError, match=r"^two_tower: dim must be above 0$"):
        TwoTowerOptions(dim=0)
