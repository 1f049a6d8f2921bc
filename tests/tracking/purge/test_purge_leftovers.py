"""What crashes, other programs and other people left, and what a purge does where something is in its way."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from three_versions import FILES, NOW, cells, execute, model_of, rows
from workspace_contents import hashes, tree

from recsys_unlearn.errors import PartiallyDone, StoreError
from recsys_unlearn.tracking import Registry, Tracker
from recsys_unlearn.tracking import purge as module
from recsys_unlearn.tracking.purge import purge


def test_an_unfinished_publication_is_collected(registry, tracker, unfinished):
    directory, run_id = unfinished
    told = purge(registry, versions=[], dry_run=True)
    done = purge(registry, versions=[], now=NOW)
    assert (done.versions, done.unfinished) == ((), 1)
    assert told == done
    assert done.files == FILES + 1 + 2
    assert not directory.exists()
    assert directory.name not in cells(tracker)
    assert "purged" in tracker.client.get_run(run_id).data.tags
    assert len(rows(tracker)) == 3


def test_directories_that_no_row_names_are_collected(registry, tracker, history):
    for name in (f"models/m-{'0' * 32}/artifacts/files/weights.safetensors", f"{'f' * 32}/artifacts/a.png"):
        path = tracker.artifacts / name
        path.parent.mkdir(parents=True)
        path.write_text("left")
    (tracker.root / ".tmp-mlflow.db-01234567").write_text("left")
    done = purge(registry, versions=[])
    assert (done.files, done.bytes) == (3, 12)
    assert not list(tracker.root.glob(".tmp-*"))
    assert not (tracker.artifacts / ("f" * 32)).exists()
    assert not (tracker.artifacts / f"models/m-{'0' * 32}").exists()


def test_half_an_artifact_of_a_process_that_died_is_collected(registry, tracker, history):
    stays, goes = (tracker.artifacts / history[place].run_id / "artifacts" for place in (-1, 0))
    for directory in (stays, goes):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".artifact.uploading.k1_sji93").write_bytes(b"half")
        (directory / "whole.json").write_text("{}")
    purge(registry)
    assert [path.name for path in sorted(stays.iterdir())] == ["scores.png", "whole.json"]
    assert not goes.exists()


@pytest.mark.parametrize(
    "name", ["models/notes", "models/m-1", "traces", "0", "f" * 31, "models/m-" + "G" * 32]
)
def test_what_is_not_named_like_ours_is_left_alone(registry, tracker, history, name):
    (tracker.artifacts / name).mkdir()
    purge(registry)
    assert (tracker.artifacts / name).exists()


def test_models_of_another_name_are_left_alone(registry, tracker, history):
    other = tracker.client.create_logged_model(tracker.experiment_id, "theirs")
    place = tracker.artifacts / "models" / other.model_id
    place.mkdir()
    purge(registry)
    assert place.exists()
    assert tracker.client.get_logged_model(other.model_id).name == "theirs"


def test_a_link_is_removed_and_not_followed(registry, tracker, history, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("precious", "dear"):
        (elsewhere / name).write_text("text")
    for link in (tracker.artifacts / f"models/m-{'1' * 32}", model_of(history[0]) / "link"):
        link.symlink_to(elsewhere)
    told = purge(registry, dry_run=True)
    assert purge(registry) == told
    assert [(elsewhere / name).read_text() for name in ("precious", "dear")] == ["text", "text"]
    assert not (tracker.artifacts / f"models/m-{'1' * 32}").is_symlink()
    assert told.files == 2 * (FILES + 1) + 2


def test_a_version_from_outside_loses_its_row_and_no_file(registry, tracker, history, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = tracker.client.create_model_version("recommender", elsewhere.as_uri(), None)
    tracker.client.set_registered_model_alias("recommender", "champion", "4")
    execute(tracker, "UPDATE registered_model_aliases SET version = 3")
    execute(tracker, "UPDATE model_versions SET version = 0 WHERE version = ?", (int(made.version),))
    assert purge(registry).versions == (0, 1, 2)
    assert elsewhere.exists()


def test_a_version_deleted_in_mlflow_leaves_its_number_and_no_more(registry, tracker, history):
    tracker.client.delete_model_version("recommender", "1")
    execute(tracker, "INSERT INTO model_version_tags VALUES ('a', 'b', 'recommender', 1, 'default')")
    (row,) = [row for row in rows(tracker) if row[1] == 1]
    assert any("artifacts/models/m-" in str(cell) for cell in row)  # what MLflow leaves
    purge(registry, versions=[])
    (row,) = [row for row in rows(tracker) if row[1] == 1]
    assert not any("m-" in str(cell) for cell in row)
    assert not [tag for tag in rows(tracker, "model_version_tags") if tag[3] == 1]
    assert not model_of(history[0]).exists()
    before = tree(tracker.root)
    purge(registry, versions=[])
    assert tree(tracker.root) == before


def test_a_run_that_was_removed_by_hand_is_no_obstacle(registry, tracker, history):
    for table, column in (("tags", "run_uuid"), ("runs", "run_uuid")):
        execute(tracker, f"DELETE FROM {table} WHERE {column} = ?", (history[0].run_id,))
    assert purge(registry).versions == (1, 2)
    assert not (tracker.artifacts / history[0].run_id).exists()
    assert not [tag for tag in rows(tracker, "tags") if tag[2] == history[0].run_id]


def test_a_copied_workspace_purges_its_own_files(registry, tracker, history, tmp_path):
    other = Tracker(shutil.copytree(tracker.workspace, tmp_path / "copy"))
    before = hashes(tracker.root)
    assert purge(Registry(other)).versions == (1, 2)
    assert hashes(tracker.root) == before
    assert not (other.artifacts / "models" / model_of(history[0]).name).exists()
    Registry(other).champion().open()


def test_a_write_ahead_log_is_emptied(registry, tracker, history):
    with closing(sqlite3.connect(tracker.database)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        execute(tracker, "UPDATE tags SET value = value")
        reader.execute(
            "SELECT 1 FROM runs"
        ).fetchall()  # from now on the log is not removed with its last user
        purge(registry)
        assert tracker.database.with_name("mlflow.db-wal").stat().st_size == 0
        assert model_of(history[0]).name.encode() not in tracker.database.read_bytes()


def test_a_damaged_database_is_said(registry, tracker, history):
    tracker.database.write_bytes(b"SQLite format 3\0" + bytes(4000))
    for dry_run in (True, False):
        with pytest.raises(StoreError, match=r"mlflow.db cannot be used .*; nothing was purged"):
            purge(registry, dry_run=dry_run)


def test_files_that_cannot_be_removed_are_said_and_removed_by_the_next(
    registry, tracker, history, monkeypatch
):
    def refuse(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module.shutil, "rmtree", refuse)
    with pytest.raises(
        PartiallyDone, match=r"gone from the registry.*Input/output error.*Run the same command"
    ):
        purge(registry)
    monkeypatch.undo()
    assert model_of(history[0]).exists()
    done = purge(registry)
    assert (done.versions, done.files) == ((), 2 * (FILES + 1))
    assert not model_of(history[0]).exists()
    assert model_of(history[0]).name.encode() not in tracker.database.read_bytes()


def test_a_database_that_is_being_read_is_compacted_by_the_next(registry, tracker, history, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    with closing(sqlite3.connect(tracker.database)) as reader:
        monkeypatch.setattr(module, "_remove_files", lambda _: reader.execute("SELECT 1 FROM runs"))
        with pytest.raises(PartiallyDone, match="database is locked"):
            reader.execute("BEGIN"), purge(registry)
    monkeypatch.undo()
    purge(registry)
    assert model_of(history[0]).name.encode() not in tracker.database.read_bytes()


def test_a_database_that_is_being_written_is_waited_for(registry, tracker, history, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    before = hashes(tracker.artifacts)
    with closing(sqlite3.connect(tracker.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            purge(registry)
    assert hashes(tracker.artifacts) == before
