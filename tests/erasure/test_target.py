"""Whom a search looks for: what they can be known by, and the file that keeps it while a request is open."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from erasure.planting import ITEMS, KNOWN, NAME
from recsys_unlearn.erasure.residue import Hit, Residue, Target
from recsys_unlearn.errors import InvalidValue


@pytest.mark.parametrize(
    ("target", "searched"),
    [
        (Target(), []),
        (Target(0), ["id"]),
        (Target(None, row=0), ["row"]),
        (Target(None, items=ITEMS[:4]), []),
        (Target(None, items=ITEMS[:5]), ["items"]),
        (Target(None, vectors=(np.zeros(2),)), ["vector"]),
        (NAME, ["id", "row", "vector", "items"]),
    ],
)
def test_a_target_is_known_by_what_it_holds(target, searched):
    assert target.searched == searched


def test_an_id_is_searched_for_as_text():
    assert [Target(each).text for each in (7, "007", 0, None)] == ["7", "007", "0", None]


def test_what_is_saved_comes_back(tmp_path):
    whole = Target(7, **KNOWN, foreign_models=frozenset({"m-2", "m-1"}))
    for target in (whole, Target(None), Target("é")):
        target.save(tmp_path / "target.json")
        loaded = Target.load(tmp_path / "target.json")
        assert loaded == target
        assert [each.tolist() for each in loaded.vectors] == [each.tolist() for each in target.vectors]
        assert all(each.dtype == np.float32 for each in loaded.vectors)


def test_a_saved_target_is_readable_by_its_owner_alone(tmp_path):
    NAME.save(tmp_path / "target.json")
    assert (tmp_path / "target.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "alter",
    [
        lambda values: values.pop("items"),
        lambda values: values.pop("foreign_models"),
        lambda values: values.update(items=7),
        lambda values: values.update(vectors=[["x"]]),
        lambda values: values.update(another=1),
    ],
)
def test_a_saved_target_that_was_altered_is_refused(tmp_path, alter):
    NAME.save(tmp_path / "target.json")
    values = json.loads((tmp_path / "target.json").read_text())
    alter(values)
    (tmp_path / "target.json").write_text(json.dumps(values))
    with pytest.raises(InvalidValue, match=r"target.json is not a saved target .*; save one before"):
        Target.load(tmp_path / "target.json")


def test_a_target_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match=r"none\.json is not a saved target"):
        Target.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    "value", [NAME, Residue(), Hit("a", "id", "byte 0")], ids=["target", "residue", "hit"]
)
def test_neither_who_is_searched_for_nor_what_was_found_can_be_altered(value):
    for name in vars(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


def test_a_hit_of_whom_nothing_is_said_is_of_the_first():
    assert Hit("a", "id", "byte 0").target == 0
