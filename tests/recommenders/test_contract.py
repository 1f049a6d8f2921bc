"""Laws of every recommender that the package defines; a new one cannot escape them."""

import importlib
import json
import pkgutil
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from recsys_unlearn import recommenders
from recsys_unlearn.errors import ConfigError, NothingLeft, RecsysUnlearnError, VersionError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.contract import DESCRIPTION_FILE, WEIGHTS_FILE, Recommender
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood

for module in pkgutil.iter_modules(recommenders.__path__):
    importlib.import_module(f"{recommenders.__name__}.{module.name}")


def concrete(kind):
    """Every class below ``kind`` that can be made."""
    below = {kind, *(deeper for child in kind.__subclasses__() for deeper in concrete(child))}
    return {
        each
        for each in below
        if not each.__abstractmethods__ and each.__module__.startswith("recsys_unlearn")
    }


KINDS = sorted(concrete(Recommender), key=lambda kind: kind.name)
QUICK = {"dim": 8, "epochs": 2, "batch_size": 128, "negatives": 16}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def options(kind):
    known = {field.name for field in fields(kind.options_type)}
    return kind.options_type(**{name: value for name, value in QUICK.items() if name in known})


@pytest.fixture
def fitted(kind, options, train):
    return kind(options).fit(train)


@pytest.fixture
def saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


def tables_of(model):
    return model.user_table.tobytes(), model.item_table.tobytes()


def test_the_package_has_recommenders():
    assert "factorization" in {kind.name for kind in KINDS}


def test_names_are_unique():
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_class_and_options_are_documented(kind):
    assert kind.__dict__["__doc__"]
    assert kind.options_type.__dict__["__doc__"]
    assert not kind.options_type.__doc__.startswith(f"{kind.options_type.__name__}(")  # dataclass's own text


# --- construction and fit ------------------------------------------------------------------------


def test_the_constructor_stores_options_and_nothing_else(kind, options):
    assert vars(kind(options)) == {"options": options, "retrain_options": options}
    assert kind().options == kind.options_type()


def test_fit_returns_the_object_and_fills_both_tables(kind, options, train):
    model = kind(options)
    assert model.fit(train) is model
    assert model.user_table.shape[0] == train.n_users
    assert model.item_table.shape[0] == train.n_items
    assert model.user_table.shape[1] == model.item_table.shape[1]
    assert model.user_table.dtype == model.item_table.dtype == np.float32
    assert np.isfinite(model.user_table).all()
    assert np.isfinite(model.item_table).all()


def test_a_second_fit_starts_from_scratch(fitted, kind, options, train):
    first = tables_of(fitted)
    fitted.fit(train.without_users([0, 1, 2]))
    assert tables_of(fitted) != first
    assert tables_of(fitted.fit(train)) == first == tables_of(kind(options).fit(train))


def test_fit_leaves_options_and_data_alone(kind, options, train):
    before = train.users.tobytes(), train.items.tobytes()
    model = kind(options).fit(train)
    assert model.options == options
    assert (train.users.tobytes(), train.items.tobytes()) == before


def test_rows_that_were_not_trained_are_zeros(fitted, train):
    used = train.user_counts > 0
    assert np.array_equal(np.any(fitted.user_table != 0, axis=1), used)


def test_a_fitted_recommender_holds_no_interactions(fitted):
    kept = [name for name, value in vars(fitted).items() if isinstance(value, Interactions)]
    assert not kept
    assert set(vars(fitted)) == {"options", "retrain_options", "user_table", "item_table"}


def test_retrain_makes_another_object(fitted, train):
    before = tables_of(fitted)
    other = fitted.retrain(train.without_users([4]))
    assert tables_of(fitted) == before
    assert type(other) is type(fitted)
    assert not other.user_table[4].any()


def test_with_tables_keeps_kind_options_and_retrain_options(fitted):
    fitted.retrain_options = replace(fitted.options, seed=77)
    other = fitted.with_tables(fitted.user_table[:2], fitted.item_table)
    assert (other.options, other.retrain_options) == (fitted.options, fitted.retrain_options)
    assert len(other.user_table) == 2
    assert len(fitted.user_table) > 2


# --- resume --------------------------------------------------------------------------------------


def test_resuming_makes_another_object_and_is_deterministic(fitted, train):
    before = tables_of(fitted)
    one, two = (fitted.resume(train, 7, 0.01) for _ in range(2))
    assert tables_of(fitted) == before
    assert tables_of(one) == tables_of(two) != before
    assert (one.options, one.retrain_options) == (fitted.options, fitted.retrain_options)


def test_resuming_for_no_steps_changes_nothing(fitted, train):
    same = fitted.resume(train, 0, 0.01)
    np.testing.assert_allclose(same.user_table, fitted.user_table, atol=1e-5)
    np.testing.assert_allclose(same.item_table, fitted.item_table, atol=1e-5)


def test_resuming_goes_on_where_training_stopped(fitted, train):
    """The model gets better at its training items; a fresh one has not come so far in as many steps."""
    users = train.active_users
    levels = [
        mean_log_likelihood(model, train, users).mean() for model in (fitted, fitted.resume(train, 20, 0.01))
    ]
    assert levels[1] > levels[0] + 0.05


def test_resuming_without_a_user_leaves_a_row_of_zeros(fitted, train):
    resumed = fitted.resume(train.without_users([4]), 3, 0.01)
    assert not resumed.user_table[4].any()
    assert resumed.user_table[5].any()


def test_resuming_at_a_smaller_learning_rate_moves_less(fitted, train):
    small, large = (
        np.abs(fitted.resume(train, 3, rate).item_table - fitted.item_table).max() for rate in (1e-4, 1e-2)
    )
    assert small < 0.1 * large


def test_resuming_on_nothing_is_refused(fitted, train):
    with pytest.raises(NothingLeft):
        fitted.resume(train.without_users(range(60)), 5, 0.01)


# --- recommend -----------------------------------------------------------------------------------


def test_scores_are_inner_products(fitted):
    users = np.array([5, 0, 5])
    expected = fitted.user_table[users].astype(np.float64) @ fitted.item_table.T.astype(np.float64)
    np.testing.assert_allclose(fitted.scores(users), expected, rtol=1e-4, atol=1e-5)


def test_a_scalar_user_gives_a_list_and_an_array_a_matrix(fitted):
    items, scores = fitted.recommend(np.array([3, 8]), k=5)
    assert items.shape == scores.shape == (2, 5)
    for place, user in enumerate((3, 8)):
        alone, alone_scores = fitted.recommend(user, k=5)
        assert np.array_equal(alone, items[place])
        np.testing.assert_allclose(alone_scores, scores[place], rtol=1e-5)


def test_the_best_come_first_and_none_better_is_left_out(fitted):
    items, scores = fitted.recommend(2, k=7)
    everything = np.sort(fitted.scores(np.array([2]))[0])[::-1]
    np.testing.assert_allclose(scores, everything[:7], rtol=1e-6)
    assert len(set(items.tolist())) == 7


def test_excluded_items_do_not_appear_and_places_stay_empty(fitted, train):
    mine = train.items_of(2)
    items, scores = fitted.recommend(np.array([2]), k=train.n_items, exclude=train)
    n_left = train.n_items - len(mine)
    assert sorted(items[0, :n_left]) == sorted(set(range(train.n_items)) - set(mine.tolist()))
    assert (items[0, n_left:] == -1).all()
    assert np.isneginf(scores[0, n_left:]).all()


def test_excluding_for_one_user_does_not_touch_another(fitted, train):
    own = train.of_users([2])
    assert np.array_equal(fitted.recommend(3, exclude=own)[0], fitted.recommend(3)[0])


def test_equal_scores_are_in_the_order_of_the_catalogue(fitted):
    """Three hundred items of two scores: an unstable sort would mix them."""
    table = np.zeros((300, fitted.item_table.shape[1]), np.float32)
    table[::3] = fitted.user_table[0]
    even = fitted.with_tables(fitted.user_table, table)
    high = np.arange(0, 300, 3)
    expected = [*high, *np.setdiff1d(np.arange(300), high)]
    assert even.recommend(0, k=300)[0].tolist() == expected


def test_recommending_changes_nothing(fitted, train):
    before = tables_of(fitted)
    fitted.recommend(np.array([1, 2]), exclude=train)
    assert tables_of(fitted) == before


def test_more_places_than_items_are_filled_up(fitted, train):
    items, scores = fitted.recommend(np.array([1]), k=train.n_items + 3)
    assert items.shape == scores.shape == (1, train.n_items + 3)
    assert (items[0, -3:] == -1).all()


# --- save and load -------------------------------------------------------------------------------


def test_round_trip(fitted, kind, saved, train):
    loaded = kind.load(saved)
    assert tables_of(loaded) == tables_of(fitted)
    assert (loaded.options, loaded.retrain_options) == (fitted.options, fitted.retrain_options)
    assert np.array_equal(loaded.recommend(3)[0], fitted.recommend(3)[0])
    assert tables_of(loaded.retrain(train)) == tables_of(fitted)


def test_two_saves_write_the_same_bytes(fitted, saved, tmp_path):
    fitted.save(tmp_path / "again")
    for name in (WEIGHTS_FILE, DESCRIPTION_FILE):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_tables_that_are_not_contiguous_are_saved_as_they_read(fitted, kind, tmp_path):
    turned = fitted.with_tables(np.asfortranarray(fitted.user_table), fitted.item_table)
    turned.save(tmp_path)
    assert np.array_equal(kind.load(tmp_path).user_table, fitted.user_table)


def test_nothing_is_pickled(saved):
    assert sorted(path.name for path in saved.iterdir()) == [DESCRIPTION_FILE, WEIGHTS_FILE]
    for path in saved.iterdir():
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK\x03\x04"))  # pickle protocol 2+, torch.save's zip
        assert content[:1] == b"{" or content[8:9] == b"{"  # JSON, or safetensors' header after its length


def edit(directory, change):
    path = directory / DESCRIPTION_FILE
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def truncate(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def rewrite_tables(directory, change):
    from safetensors.numpy import load_file, save_file

    tables = load_file(directory / WEIGHTS_FILE)
    change(tables)
    save_file(tables, directory / WEIGHTS_FILE)


DAMAGES = {
    "no directory": shutil.rmtree,
    "no description": lambda d: (d / DESCRIPTION_FILE).unlink(),
    "no weights": lambda d: (d / WEIGHTS_FILE).unlink(),
    "half a description": lambda d: truncate(d / DESCRIPTION_FILE),
    "half the weights": lambda d: truncate(d / WEIGHTS_FILE),
    "empty weights": lambda d: truncate(d / WEIGHTS_FILE, 0),
    "weights that are text": lambda d: (d / WEIGHTS_FILE).write_text("not safetensors"),
    "description that is a list": lambda d: (d / DESCRIPTION_FILE).write_text("[]"),
    "description that is not text": lambda d: (d / DESCRIPTION_FILE).write_bytes(b"\xff\xfe\x00"),
    "unknown option": lambda d: edit(d, lambda text: text["options"].update(wings=2)),
    "impossible option": lambda d: edit(d, lambda text: text["options"].update(seed=0, dim=-1)),
    "no options": lambda d: edit(d, lambda text: text.pop("options")),
    "no retrain options": lambda d: edit(d, lambda text: text.pop("retrain_options")),
    "no kind": lambda d: edit(d, lambda text: text.pop("recommender")),
    "another kind": lambda d: edit(d, lambda text: text.update(recommender="ease")),
    "a table missing": lambda d: rewrite_tables(d, lambda t: t.pop("user_table")),
    "a table too many": lambda d: rewrite_tables(d, lambda t: t.update(third=t["user_table"])),
}
UNSEEN = {
    "tables of two widths": lambda d: rewrite_tables(
        d, lambda t: t.update(user_table=t["user_table"][:, 1:].copy())
    ),
    "a table of one dimension": lambda d: rewrite_tables(
        d, lambda t: t.update(user_table=t["user_table"][0].copy())
    ),
    "a table of another type": lambda d: rewrite_tables(
        d, lambda t: t.update(user_table=t["user_table"].astype(int))
    ),
}


@pytest.mark.parametrize(
    "damage",
    [
        *(pytest.param(damage, id=name) for name, damage in DAMAGES.items()),
        *(pytest.param(damage, id=name) for name, damage in UNSEEN.items()),
    ],
)
def test_a_damaged_directory_is_a_version_error_that_says_what_to_do(kind, saved, damage):
    damage(saved)
    with pytest.raises(VersionError) as caught:
        kind.load(saved)
    message = str(caught.value)
    assert str(saved) in message
    assert message.endswith("Train a new version.") or "holds a 'ease', not a" in message


def test_errors_are_the_packages_own():
    assert issubclass(VersionError, RecsysUnlearnError)
    assert issubclass(ConfigError, RecsysUnlearnError)
    assert VersionError.exit_code == 1
