"""What every recommender is as files: two of them, of which nothing is run, and damage is said."""

import json
import shutil

import numpy as np
import pytest

from recommenders.kinds import WITH_TABLES, state_of
from recsys_unlearn.errors import VersionError
from recsys_unlearn.recommenders.contract import DESCRIPTION_FILE, WEIGHTS_FILE
from recsys_unlearn.recommenders.registry import load_recommender


def test_round_trip(fitted, kind, saved, train):
    loaded = kind.load(saved)
    assert state_of(loaded) == state_of(fitted)
    assert (loaded.options, loaded.retrain_options) == (fitted.options, fitted.retrain_options)
    pair = (model.recommend(3, histories=train)[0] for model in (loaded, fitted))
    assert np.array_equal(*pair)
    assert state_of(loaded.retrain(train)) == state_of(fitted)


def test_two_saves_write_the_same_bytes(fitted, saved, tmp_path):
    fitted.save(tmp_path / "again")
    for name in (WEIGHTS_FILE, DESCRIPTION_FILE):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_whatever_was_saved_is_loaded_through_the_registry(fitted, kind, saved):
    loaded = load_recommender(saved)
    assert type(loaded) is kind
    assert state_of(loaded) == state_of(fitted)


def test_a_kind_that_this_release_does_not_have_cannot_be_loaded(saved):
    edit(saved, lambda text: text.update(recommender="os.system"))
    with pytest.raises(VersionError, match=r"'os.system'.* Train a new version\."):
        load_recommender(saved)


@WITH_TABLES
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
    "another kind": lambda d: edit(d, lambda text: text.update(recommender="magic")),
    "an array missing": lambda d: rewrite_tables(d, lambda t: t.pop(min(t))),
    "an array too many": lambda d: rewrite_tables(d, lambda t: t.update(third=t[min(t)])),
    "an array of another type": lambda d: rewrite_tables(
        d, lambda t: t.update({min(t): t[min(t)].astype(np.complex64)})
    ),
}
OF_TABLES = {
    "tables of two widths": lambda d: rewrite_tables(
        d, lambda t: t.update(user_table=t["user_table"][:, 1:].copy())
    ),
    "a table of one dimension": lambda d: rewrite_tables(
        d, lambda t: t.update(user_table=t["user_table"][0].copy())
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_directory_is_a_version_error_that_says_what_to_do(kind, saved, damage):
    check_refused(kind, saved, damage)


@WITH_TABLES
@pytest.mark.parametrize("damage", OF_TABLES.values(), ids=OF_TABLES)
def test_tables_that_do_not_fit_together_are_refused(kind, saved, damage):
    check_refused(kind, saved, damage)


def check_refused(kind, saved, damage):
    damage(saved)
    with pytest.raises(VersionError) as caught:
        kind.load(saved)
    message = str(caught.value)
    assert str(saved) in message
    assert message.endswith("Train a new version.") or "holds a 'magic', not a" in message
