"""What a purge asks of SQLite and of the disk, whatever SQLite's own defaults are."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from three_versions import model_of

from recsys_unlearn import durable
from recsys_unlearn.errors import StoreError
from recsys_unlearn.tracking import Tracker
from recsys_unlearn.tracking import purge as module
from recsys_unlearn.tracking.purge import PATIENCE, purge


class BuiltOtherwise(sqlite3.Connection):
    """As others build SQLite: a removed cell stays in the file, and an address is a name unless said."""

    def __init__(self, database, *arguments, uri=False, **options):
        if not uri and str(database).startswith("file:"):
            raise sqlite3.OperationalError("unable to open database file")
        super().__init__(database, *arguments, uri=uri, **options)
        self.execute("PRAGMA secure_delete = OFF")


@pytest.fixture
def connecting(monkeypatch):
    """Have every connection be of a class."""

    def use(kind):
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=kind, **k))

    return use


def files_of_the_database(tracker):
    return b"".join(path.read_bytes() for path in tracker.root.glob("mlflow.db*"))


def describe(tracker, version, cells):
    """Give a version's model parameters with these values, in this order."""
    columns = "model_id, experiment_id, param_key, param_value"
    with closing(sqlite3.connect(tracker.database)) as database, database:
        database.executemany(
            f"INSERT INTO logged_model_params ({columns}) VALUES (?, ?, ?, ?)",
            [(model_of(version).name, tracker.experiment_id, f"of {cell}", cell) for cell in cells],
        )


def test_a_removed_cell_is_zeroed_before_the_file_is_compacted(
    registry, tracker, history, connecting, monkeypatch
):
    describe(tracker, history[0], ["a removed cell"])
    assert b"a removed cell" in files_of_the_database(tracker)
    connecting(BuiltOtherwise)
    monkeypatch.setattr(module, "_vacuum", lambda _: None)  # as if killed before
    assert purge(registry).versions == (1, 2)
    assert b"a removed cell" not in files_of_the_database(tracker)


def test_removed_cells_leave_neither_text_nor_empty_pages(registry, tracker, history):
    before = tracker.database.stat().st_size
    describe(tracker, history[0], [f"a removed cell {number}" for number in range(1000)])
    assert tracker.database.stat().st_size > before
    purge(registry)
    assert b"a removed cell" not in files_of_the_database(tracker)
    assert tracker.database.stat().st_size <= before


def test_every_connection_waits_and_the_file_is_compacted_in_memory(registry, history, connecting):
    told, memory = [], 2

    class Telling(sqlite3.Connection):
        def close(self):
            names = ("busy_timeout", "temp_store")
            told.append([self.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
            super().close()

    connecting(Telling)
    purge(registry)
    assert [waits for waits, _ in told] == [1000 * PATIENCE] * 3  # to remove, to look, to compact
    assert told[-1][1] == memory


def test_a_database_that_vanished_is_not_made_anew_to_be_read(registry, tracker, history, monkeypatch):
    tracker.database.unlink()
    monkeypatch.setattr(Tracker, "exists", True)
    with pytest.raises(StoreError, match="unable to open database file"):
        purge(registry, dry_run=True)
    assert not tracker.database.exists()


def test_what_is_gone_is_flushed_before_the_file_is_compacted_and_that_after(
    registry, tracker, history, monkeypatch
):
    (tracker.root / ".tmp-mlflow.db-01234567").touch()
    flushed, flush = [], durable.sync

    def sync(path):
        flush(path)
        if path == tracker.database:
            with sqlite3.connect(path) as database:
                flushed.append((path, database.execute("PRAGMA user_version").fetchone()[0]))
        else:
            flushed.append((path, {each.name for each in path.iterdir()}))

    monkeypatch.setattr(durable, "sync", sync)
    purge(registry)
    models = tracker.artifacts / "models"
    assert flushed == [
        (tracker.root, {"artifacts", "mlflow.db"}),
        (tracker.artifacts, {"models", history[2].run_id}),
        (models, {model_of(history[2]).name}),
        (tracker.database, 0),
    ]


def test_a_dry_run_reads_what_a_killed_writer_left(registry, tracker, history, tmp_path):
    """A journal that is yet to be rolled back: the next to open the database has to do it."""
    expected, kept = purge(registry, dry_run=True), tmp_path / "kept"
    with closing(sqlite3.connect(tracker.database, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 2")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE tags SET value = zeroblob(9000)")  # more than the cache: into the file
        kept.mkdir()
        left = sorted(tracker.root.glob("mlflow.db*"))
        for path in left:
            shutil.copy(path, kept)
        writer.execute("ROLLBACK")
    for path in left:
        shutil.copy(kept / path.name, path)
    assert [path.name for path in left] == ["mlflow.db", "mlflow.db-journal"]
    assert purge(registry, dry_run=True) == expected
    assert not left[1].exists()


def test_a_journal_that_was_begun_and_not_needed_goes(registry, tracker, history):
    """What a writer leaves that is killed before it changes a page: it lies there until the next write."""
    purge(registry)
    before = tracker.database.read_bytes()
    journal = tracker.root / "mlflow.db-journal"
    journal.write_bytes(bytes(512))
    purge(registry)
    assert not journal.exists()
    assert len(tracker.database.read_bytes()) == len(before)
