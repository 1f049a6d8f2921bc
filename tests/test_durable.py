"""Writes that are wholly there, or not at all."""

import json
import os
from pathlib import Path

import pytest

from recsys_unlearn import durable
from recsys_unlearn.durable import TEMPORARY, replacing, sync_tree, write_json


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_success_replaces_the_file_and_leaves_nothing_else(target):
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(target.parent) == ["file.txt"]


def test_the_temporary_is_a_sibling_that_a_sweep_recognises(target):
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == target.parent
        assert temporary.name.startswith(TEMPORARY)


def test_an_error_leaves_the_file_as_it_was_and_no_temporary(target):
    with pytest.raises(RuntimeError, match="half way"), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half way")
    assert target.read_text() == "old"
    assert names(target.parent) == ["file.txt"]


def test_a_failing_rename_leaves_the_file_as_it_was(target, monkeypatch):
    def refuse(*_):
        raise OSError("no space")

    monkeypatch.setattr(type(target), "replace", refuse)
    with pytest.raises(OSError, match="no space"), replacing(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "old"
    assert names(target.parent) == ["file.txt"]


def test_writing_nothing_is_an_error_not_an_empty_file(target):
    with pytest.raises(FileNotFoundError), replacing(target):
        pass
    assert target.read_text() == "old"


def test_missing_parents_are_made(tmp_path):
    with replacing(tmp_path / "a" / "b" / "file") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a" / "b" / "file").read_text() == "x"


def test_two_writers_do_not_share_a_temporary(target):
    with replacing(target) as one, replacing(target) as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")
    assert target.read_text() == "one"  # the outer one ends last


def test_contents_are_synced_before_the_name_and_the_name_before_the_return(target, monkeypatch):
    """A crash between any two of these steps leaves the old or the new file, never an empty one."""
    steps = []
    fsync, replace = os.fsync, type(target).replace

    def recorded(descriptor):
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    monkeypatch.setattr(type(target), "replace", lambda a, b: (steps.append("replace"), replace(a, b)))
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert steps == [str(temporary), "replace", str(target.parent)]


def test_sync_tree_reaches_every_file_and_directory(tmp_path, monkeypatch):
    for name in ("a/b/deep", "a/file", "top"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    synced = []
    monkeypatch.setattr(durable, "sync", synced.append)
    sync_tree(tmp_path)
    assert set(synced) == {tmp_path, *tmp_path.rglob("*")}
    assert synced[-1] == tmp_path
    assert synced.index(tmp_path / "a" / "b" / "deep") < synced.index(tmp_path / "a" / "b")


def test_json_has_a_stable_order_and_ends_with_a_line(tmp_path):
    write_json(tmp_path / "one", {"b": 1, "a": {"d": 2, "c": 3}})
    write_json(tmp_path / "two", {"a": {"c": 3, "d": 2}, "b": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_text().endswith("}\n")
    assert json.loads((tmp_path / "one").read_text()) == {"a": {"c": 3, "d": 2}, "b": 1}


def test_what_is_not_json_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "file", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "file", {"a": object()})
    assert json.loads((tmp_path / "file").read_text()) == {"a": 1}
    assert names(tmp_path) == ["file"]
