"""What implicit's engines must be kept from, and that their tables are theirs."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.recommenders.implicit_engines import Als, Bpr, Lmf
from recsys_unlearn.recommenders.implicit_options import AlsOptions, BprOptions, LmfOptions
from recsys_unlearn.recommenders.incidence import incidence

QUICK_ALS = AlsOptions(dim=6, epochs=3, regularization=1.0)
ENGINES = [
    pytest.param(Als, QUICK_ALS, 6, id="als"),
    pytest.param(Bpr, BprOptions(dim=6, epochs=3), 7, id="bpr"),
    pytest.param(Lmf, LmfOptions(dim=6, epochs=3), 8, id="lmf"),
]
EVERY = pytest.mark.parametrize(("kind", "options", "width"), ENGINES)


@EVERY
def test_bias_columns_are_columns(kind, options, width, train):
    model = kind(options).fit(train)
    assert model.user_table.shape == (72, width)
    assert model.item_table.shape == (40, width)


@EVERY
def test_another_seed_is_another_model(kind, options, width, train):
    one, two = (kind(replace(options, seed=seed)).fit(train).item_table for seed in (0, 1))
    assert not np.array_equal(one, two)


@EVERY
def test_nothing_is_warned_of(kind, options, width, train):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(options).fit(train)


@pytest.fixture
def halves(train):
    """Nine tenths of the members' interactions, and the rest."""
    held = np.arange(len(train)) % 10 == 3
    return train.where(~held), train.where(held)


STOPPING = [
    pytest.param(Bpr, BprOptions(dim=6, epochs=60, learning_rate=0.2, regularization=0.0), id="bpr"),
    pytest.param(Lmf, LmfOptions(dim=6, epochs=60), id="lmf"),
]


@pytest.mark.parametrize(("kind", "options"), STOPPING)
def test_validation_says_when_to_stop_and_a_retrain_trains_as_long(kind, options, halves):
    """The tables kept are the best of those looked at, and no others: a retrain gives the same bytes."""
    given, held = halves
    reported = []
    stopped = kind(options).fit(given, held, progress=lambda _, done, of: reported.append(done))
    epochs = stopped.retrain_options.epochs
    assert epochs % options.evaluate_every == 0
    assert len(reported) == epochs + options.patience * options.evaluate_every < options.epochs
    again = kind(stopped.retrain_options).fit(given)
    np.testing.assert_array_equal(again.item_table, stopped.item_table)
    np.testing.assert_array_equal(again.user_table, stopped.user_table)


def test_als_does_not_look_at_validation(halves):
    given, held = halves
    one, two = Als(QUICK_ALS).fit(given, held), Als(QUICK_ALS).fit(given)
    np.testing.assert_array_equal(one.item_table, two.item_table)
    assert one.retrain_options == QUICK_ALS


def test_als_is_the_engine_s_own(train):
    from implicit.cpu.als import AlternatingLeastSquares

    engine = AlternatingLeastSquares(
        factors=6, regularization=1.0, alpha=10.0, iterations=3, num_threads=1, random_state=0
    )
    engine.fit(incidence(train, dtype=np.float32), show_progress=False)
    np.testing.assert_allclose(Als(QUICK_ALS).fit(train).item_table, engine.item_factors, rtol=1e-5)


def test_a_sweep_solves_the_items_for_these_users_and_then_the_users(train):
    """Against the normal equations: three conjugate-gradient steps are enough in 3 dimensions."""
    model = Als(AlsOptions(dim=3, epochs=8, regularization=1.0)).fit(train)
    matrix = incidence(train).toarray()
    swept = model.swept(incidence(train, dtype=np.float32).T.tocsr())
    np.testing.assert_allclose(
        swept.item_table, least_squares(matrix.T, model.user_table), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(
        swept.user_table, least_squares(matrix, swept.item_table), rtol=1e-3, atol=1e-4
    )
    assert not swept.user_table[60:].any()


def least_squares(matrix, other, confidence=10.0, penalty=1.0):
    other = other.astype(np.float64)
    rows = []
    for row in matrix:
        weight = 1 + (confidence - 1) * row
        gram = (other * weight[:, None]).T @ other + penalty * np.eye(other.shape[1])
        rows.append(np.linalg.solve(gram, other.T @ (weight * row)))
    return np.array(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (lambda: AlsOptions(dim=0, confidence=0), "als: dim must be above 0; confidence must be above 0"),
        (
            lambda: BprOptions(learning_rate=0, regularization=-1),
            "bpr: learning_rate .*; regularization",
        ),
        (lambda: LmfOptions(negatives=0, threads=0), "lmf: negatives must be above 0; threads must"),
    ],
)
def test_options_are_refused_all_at_once(options, message):
    with pytest.raises(ConfigError, match=message):
        options()
