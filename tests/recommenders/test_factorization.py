"""The factorisation: planted structure is learnt, and the bytes are a function of data and options."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn.errors import ConfigError, NothingLeft
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions

SMALL = FactorizationOptions(dim=64, negatives=16, batch_size=64, epochs=12, learning_rate=0.03)
OPTIMIZERS = {"adam": 0.03, "rowwise_adagrad": 0.3}  # each with a learning rate that suits it
N_USERS, N_ITEMS, HIDDEN = 40, 24, 2


@pytest.fixture(scope="module")
def board():
    """Checkerboard: user u likes the 12 items of its own parity, and 2 of them are held out."""
    draw, train, test = np.random.default_rng(0), [], []
    for user in range(N_USERS):
        liked = np.arange(user % 2, N_ITEMS, 2)
        hidden = set(draw.choice(liked, HIDDEN, replace=False).tolist())
        train += [(user, item) for item in liked if item not in hidden]
        test += [(user, item) for item in hidden]
    return tuple(
        Interactions.from_pairs(*zip(*pairs, strict=True), N_USERS, N_ITEMS) for pairs in (train, test)
    )


@pytest.fixture(params=OPTIMIZERS)
def options(request):
    return replace(SMALL, optimizer=request.param, learning_rate=OPTIMIZERS[request.param])


def bytes_of(model):
    return model.user_table.tobytes() + model.item_table.tobytes()


# --- it learns -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["sampled_softmax", "popularity_softmax", "full_softmax", "bpr"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_held_out_items_of_the_own_colour_are_ranked_first(board, options, similarity, loss):
    train, test = board
    model = Factorization(replace(options, similarity=similarity, loss=loss)).fit(train)
    ranked, _ = model.recommend(np.arange(N_USERS), HIDDEN, exclude=train)
    assert [sorted(row) for row in ranked.tolist()] == [test.items_of(u).tolist() for u in range(N_USERS)]


def test_the_tables_are_on_the_principal_axes_of_the_interactions(board):
    """Σ_u n_u x_u x_uᵀ is diagonal; in another basis the scores would be the same."""
    train, _ = board
    model = Factorization(SMALL).fit(train)
    of_pairs = model.user_table[train.users].astype(np.float64)
    moment = of_pairs.T @ of_pairs
    assert np.abs(moment - np.diag(np.diag(moment))).max() < 1e-4 * np.trace(moment)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0].astype(np.float32)
    other = model.with_tables(model.user_table @ turned, model.item_table @ turned)
    back = other.on_principal_axes(train.user_counts)
    np.testing.assert_allclose(
        back.user_table @ back.item_table.T, model.user_table @ model.item_table.T, atol=1e-3
    )
    np.testing.assert_allclose(np.abs(back.user_table[:, -1]), np.abs(model.user_table[:, -1]), atol=1e-3)


def test_an_untrained_table_does_not_solve_the_board(board):
    """The learning rate is what does it: at next to none the ranking is a lottery."""
    train, test = board
    model = Factorization(replace(SMALL, learning_rate=1e-9)).fit(train)
    assert evaluate(model, test, exclude=train, k=HIDDEN).mean()["recall@2"] < 0.4


# --- the same bytes ------------------------------------------------------------------------------


def test_a_second_fit_is_the_first(board, options):
    model = Factorization(options).fit(board[0])
    first = bytes_of(model)
    assert bytes_of(model.fit(board[0])) == first
    assert bytes_of(Factorization(options).fit(board[0])) == first


def test_another_seed_is_another_model(board, options):
    one, two = (Factorization(replace(options, seed=seed)).fit(board[0]) for seed in (0, 1))
    assert not np.allclose(one.item_table, two.item_table, atol=0.01)


def test_torch_and_numpy_global_seeds_play_no_part(board, options):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        results.append(bytes_of(Factorization(options).fit(board[0])))
    assert results[0] == results[1]


def test_one_and_two_threads_give_the_same_bytes(options):
    """Large enough that torch does split its sums: 4096 × 256 scores, 300,000 elements a table."""
    draw = np.random.default_rng(0)
    data = Interactions.from_pairs(draw.integers(0, 1500, 12_000), draw.integers(0, 800, 12_000), 1500, 800)
    large = replace(options, batch_size=4096, negatives=256, epochs=1)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(bytes_of(Factorization(large).fit(data)))
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


# --- without a user ------------------------------------------------------------------------------


def test_a_user_who_was_removed_is_a_user_who_never_was(board, options):
    train, _ = board
    users, items = zip(
        *[(u, i) for u, i in zip(train.users, train.items, strict=True) if u != 7], strict=True
    )
    never = Interactions.from_pairs(users, items, N_USERS, N_ITEMS)
    model = Factorization(options).fit(train)  # has seen the user
    assert bytes_of(model.fit(train.without_users([7]))) == bytes_of(Factorization(options).fit(never))


def test_a_slot_that_is_used_again_knows_nothing_of_the_first_user(board, options):
    """Row 7 belonged to someone, was emptied, and belongs to someone with other tastes."""
    train, _ = board
    newcomer = Interactions.from_pairs([7] * 9, range(0, 18, 2), N_USERS, N_ITEMS)
    reused = train.without_users([7]).union(newcomer)
    fresh = Factorization(options).fit(reused)
    model = Factorization(options).fit(train)
    assert bytes_of(model.retrain(train.without_users([7])).fit(reused)) == bytes_of(fresh)


def test_a_retrain_keeps_the_number_of_batches(board, options):
    train, _ = board
    fewer = train.without_users(range(0, N_USERS, 2))
    model = Factorization(options).fit(train)
    steps = -(-len(train) // options.batch_size)
    assert model.retrain_options.steps_per_epoch == steps > -(-len(fewer) // options.batch_size)
    expected = Factorization(replace(options, steps_per_epoch=steps)).fit(fewer)
    assert bytes_of(model.retrain(fewer)) == bytes_of(expected)


def test_a_retrain_on_the_same_data_is_the_same_model(board, options):
    train, test = board
    model = Factorization(replace(options, patience=1, evaluate_every=1)).fit(train, validation=test)
    assert bytes_of(model.retrain(train)) == bytes_of(model)


def test_users_without_training_items_have_rows_of_zeros(options, board):
    model = Factorization(options).fit(board[0].without_users([3, 4]))
    assert not model.user_table[[3, 4]].any()
    assert np.all(np.linalg.norm(np.delete(model.user_table, [3, 4], axis=0), axis=1) > 0.1)


# --- what is served ------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.15, 0.5])
def test_a_cosine_serves_unit_items_and_users_as_long_as_one_by_temperature(board, temperature):
    model = Factorization(replace(SMALL, temperature=temperature)).fit(board[0])
    np.testing.assert_allclose(np.linalg.norm(model.item_table, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(model.user_table, axis=1), 1 / temperature, rtol=1e-5)


def test_a_dot_product_serves_free_lengths_that_regularisation_shortens(board):
    weak, strong = (
        Factorization(replace(SMALL, similarity="dot", regularization=size)).fit(board[0])
        for size in (0, 0.3)
    )
    assert np.linalg.norm(strong.user_table) < 0.9 * np.linalg.norm(weak.user_table)
    assert np.linalg.norm(weak.item_table, axis=1).std() > 0.01


def test_a_cosine_does_not_see_regularisation(board):
    one, two = (Factorization(replace(SMALL, regularization=size)).fit(board[0]) for size in (0, 0.3))
    assert bytes_of(one) == bytes_of(two)


# --- precision -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["sampled_softmax", "popularity_softmax", "full_softmax", "bpr"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_bf16_ranks_as_well_as_float32_with_other_bytes(train, similarity, loss):
    hidden = train.where(np.random.default_rng(1).random(len(train)) < 0.25)
    rest = train.without(hidden)
    whole = replace(SMALL, dim=16, similarity=similarity, loss=loss)
    models = [Factorization(o).fit(rest) for o in (whole, replace(whole, precision="bf16"))]
    assert bytes_of(models[0]) != bytes_of(models[1])
    recall = [evaluate(model, hidden, exclude=rest).mean()["recall@20"] for model in models]
    assert recall[0] > 0.7
    assert recall[1] == pytest.approx(recall[0], abs=0.02)


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", math.log(2)), ("bf16", math.log(1 + math.exp(-1)))]
)
@pytest.mark.parametrize("loss", ["sampled_softmax", "bpr"])
def test_bf16_rounds_the_scores_of_negatives_and_nothing_else(loss, precision, expected):
    """(16, 1) · (16, 1) is 257, which bf16 has as 256; the loss is given to more digits than bf16 has."""
    options = FactorizationOptions(
        similarity="dot", loss=loss, precision=precision, regularization=0, batch_size=1
    )
    vector = torch.tensor([[16.0, 1.0]])
    value = Factorization(options)._loss(vector, vector.repeat(2, 1), torch.tensor([0]), None)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-4)


def test_a_retrain_in_bf16_repeats_byte_for_byte(board, options):
    model = Factorization(replace(options, precision="bf16")).fit(board[0])
    assert model.retrain_options.precision == "bf16"
    assert bytes_of(model.retrain(board[0])) == bytes_of(model)


def test_going_on_in_bf16_repeats_and_differs_from_float32(board, options):
    whole = Factorization(options).fit(board[0])
    half = Factorization(replace(options, precision="bf16")).with_state(whole.state())
    once, again, otherwise = (
        bytes_of(model.resume(board[0], steps=3, learning_rate=1e-3)) for model in (half, half, whole)
    )
    assert once == again != otherwise


def test_a_version_from_before_there_was_a_choice_is_of_float32(board, tmp_path):
    Factorization(SMALL).fit(board[0]).save(tmp_path)
    file = tmp_path / "model.json"
    description = json.loads(file.read_text())
    for options in (description["options"], description["retrain_options"]):
        del options["precision"]
    file.write_text(json.dumps(description))
    loaded = Factorization.load(tmp_path)
    assert loaded.options == SMALL
    assert loaded.retrain_options.precision == "float32"


# --- stopping, progress, options -----------------------------------------------------------------


def test_early_stopping_serves_the_best_epoch(tastes, train):
    """The kept tables are those of a training that ends at the best epoch, and no epoch judged is better."""
    draw = np.random.default_rng(1)
    hidden = train.where(draw.random(len(train)) < 0.25)
    rest = train.without(hidden)
    options = replace(SMALL, dim=16, epochs=14, patience=3, evaluate_every=2)
    stopped = Factorization(options).fit(rest, validation=hidden)
    at = {e: Factorization(replace(options, epochs=e)).fit(rest) for e in range(2, 15, 2)}
    recall = {e: evaluate(m, hidden, exclude=rest).mean()["recall@20"] for e, m in at.items()}
    epoch = stopped.retrain_options.epochs
    assert bytes_of(stopped) == bytes_of(at[epoch])
    assert recall[epoch] == max(value for e, value in recall.items() if e <= epoch + 6)
    assert epoch < 14  # otherwise nothing was stopped


def test_stopping_early_does_not_train_on(board):
    seen = []
    options = replace(SMALL, epochs=30, patience=1, evaluate_every=1)
    Factorization(options).fit(*board, progress=lambda what, done, total: seen.append((what, done, total)))
    assert seen == [("training", epoch, 30) for epoch in range(1, len(seen) + 1)]
    assert len(seen) < 30


def test_empty_validation_is_no_validation(board):
    nothing = board[1].where(np.zeros(len(board[1]), bool))
    assert bytes_of(Factorization(SMALL).fit(board[0], nothing)) == bytes_of(
        Factorization(SMALL).fit(board[0])
    )


def test_nothing_to_train_on():
    with pytest.raises(NothingLeft, match="no training interactions: check the split"):
        Factorization(SMALL).fit(Interactions.from_pairs([], [], 3, 3))


def test_every_wrong_option_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        FactorizationOptions(
            dim=0,
            similarity="euclid",
            loss="hinge",
            optimizer="sgd",
            precision="fp16",
            epochs=-1,
            regularization=-1,
        )
    expected = [
        "dim must be above 0",
        "epochs must be above 0",
        "similarity must be one of cosine, dot",
        "loss must be one of sampled_softmax, popularity_softmax, full_softmax, bpr",
        "optimizer must be one of adam, rowwise_adagrad",
        "precision must be one of float32, bf16",
        "regularization must not be negative",
    ]
    assert str(caught.value) == "factorization: " + "; ".join(expected)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "name",
    [
        "dim",
        "temperature",
        "negatives",
        "learning_rate",
        "batch_size",
        "epochs",
        "patience",
        "evaluate_every",
    ],
)
def test_what_must_be_above_zero(name):
    with pytest.raises(ConfigError, match=f"{name} must be above 0"):
        FactorizationOptions(**{name: 0})


@pytest.mark.parametrize(
    "wrong", [{"steps_per_epoch": 0}, {"steps_per_epoch": -1}, {"learning_rate": float("nan")}], ids=str
)
def test_values_that_no_training_can_use(wrong):
    with pytest.raises(ConfigError):
        FactorizationOptions(**wrong)
