import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from workspace_contents import hashes, tree

from recsys_unlearn.errors import PartiallyDone, StoreError, VersionError
from recsys_unlearn.tracking import Registry, Tracker, compare
from recsys_unlearn.tracking import purge as module
from recsys_unlearn.tracking.library import SETTINGS
from recsys_unlearn.tracking.purge import Purged, purge
from recsys_unlearn.tracking.retention import AfterDays, KeepNewest
from recsys_unlearn.tracking.ui import running_ui

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILES = 8  # of a version with one file of weights: code, environment, hashes
DIGESTS = {number: f"{number}a1b2c3d4e5f60718293a4b5c6d7e8f9" for number in (1, 2, 3)}


@pytest.fixture(scope="session")
def made(migrated, tmp_path_factory):
    """Three versions, each with a picture and data of its own; the third serves."""
    tracker = Tracker(shutil.copytree(migrated, tmp_path_factory.mktemp("made") / "workspace"))
    registry, files = Registry(tracker), tmp_path_factory.mktemp("files")
    for number in (1, 2, 3):
        (files / "weights.safetensors").write_text(f"weights {number}")
        kind, parent = ("train", None) if number == 1 else ("forget", number - 1)
        tags = {"deletion_fingerprint": f"fingerprint-{number}", "method": "ascent"}
        with tracker.run(f"run {number}", kind, tags, {"learning_rate": number}) as run:
            run.dataset(DIGESTS[number], 4, 5, 6)
            run.figure(Figure(), "scores.png")
            registry.publish(files, run, parent=parent, tags=tags, metrics={"recall@20": number / 10})
    registry.promote(3)
    return tracker, [registry.version(number) for number in (1, 2, 3)]


@pytest.fixture
def tracker(made, tmp_path) -> Tracker:
    return Tracker(shutil.copytree(made[0].workspace, tmp_path / "workspace"))


@pytest.fixture
def history(made, tracker):
    """The three versions in this test's own copy."""
    root = made[0].root
    return [
        replace(version, directory=tracker.root / version.directory.relative_to(root)) for version in made[1]
    ]


def rows(tracker, table="model_versions"):
    with closing(sqlite3.connect(tracker.database)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()


def cells(tracker):
    """Everything in the database as one text."""
    with closing(sqlite3.connect(tracker.database)) as database:
        return "\n".join(database.iterdump())


def execute(tracker, statement, values=()):
    with closing(sqlite3.connect(tracker.database)) as database, database:
        database.execute(statement, values)


def model_of(version):
    return version.directory.parents[1]


def files_below(tracker):
    return {str(path.relative_to(tracker.root)) for path in tracker.root.rglob("*") if path.is_file()}


def test_superseded_versions_go_and_the_champion_stays_whole(registry, tracker, history):
    done = purge(registry, now=NOW)
    assert done.versions == (1, 2)
    assert (done.unfinished, done.kept) == (0, ((3, "it serves"),))
    assert [version.number for version in registry.versions()] == [3]
    assert registry.champion().number == 3
    registry.champion().open()
    assert not model_of(history[0]).exists()
    assert not model_of(history[1]).exists()
    for number in (1, 2):
        with pytest.raises(VersionError, match=f"there is no version {number}"):
            registry.version(number)


def test_files_and_bytes_are_counted(registry, tracker, history):
    before = {path: (tracker.root / path).stat().st_size for path in files_below(tracker)}
    done = purge(registry)
    gone = before.keys() - files_below(tracker)
    assert (done.files, done.bytes) == (len(gone), sum(before[path] for path in gone))
    assert done.files == 2 * (FILES + 1)  # and a picture


def test_nothing_in_the_database_names_them(registry, tracker, history):
    names = [*(model_of(version).name for version in history[:2]), DIGESTS[1], DIGESTS[2]]
    names += ["fingerprint-1", "fingerprint-2", *(v.tags["files_sha256"] for v in history[:2])]
    kept = history[2].tags["files_sha256"]
    assert all(name in cells(tracker) for name in names)
    purge(registry)
    raw = tracker.database.read_bytes()
    for name in names:
        assert name == kept or (name not in cells(tracker) and name.encode() not in raw)
    assert model_of(history[2]).name in cells(tracker)
    assert DIGESTS[3] in cells(tracker)
    assert len(rows(tracker, "datasets")) == len(rows(tracker, "input_tags")) == 1
    assert len(rows(tracker, "inputs")) == 2


def test_the_free_pages_are_given_back(registry, tracker, history):
    purge(registry)
    with closing(sqlite3.connect(tracker.database)) as database:
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert database.execute("PRAGMA user_version").fetchone() == (0,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_figures_and_lineage_stay_as_history(registry, tracker, history):
    purge(registry, reason="request-1 erased its users", now=NOW)
    run = tracker.client.get_run(history[1].run_id)
    assert run.info.lifecycle_stage == "active"
    assert run.data.metrics["recall_at_20"] == 0.2
    assert run.data.params["learning_rate"] == "2"
    assert (run.data.tags["version"], run.data.tags["parent_version"]) == ("2", "1")
    assert run.data.tags["method"] == "ascent"
    assert run.data.tags["purged"] == "2026-11-21T12:00:00+00:00"
    assert run.data.tags["purged_reason"] == "request-1 erased its users"
    assert run.data.tags["mlflow.note.content"] == (
        "Purged on 2026-11-21: request-1 erased its users. Metrics and settings are kept; weights, index "
        "and pictures are gone."
    )
    assert run.outputs.model_outputs == []
    assert run.inputs.dataset_inputs == []
    assert tracker.client.list_artifacts(run.info.run_id) == []
    assert "purged" not in tracker.client.get_run(history[2].run_id).data.tags
    assert "scores.png" in {each.path for each in tracker.client.list_artifacts(history[2].run_id)}


def test_what_mlflow_and_compare_show_afterwards_still_works(registry, tracker, history):
    import mlflow

    purge(registry)
    assert len(tracker.client.search_runs([tracker.experiment_id])) == 3
    assert len(tracker.client.search_logged_models([tracker.experiment_id])) == 1
    assert [v.version for v in tracker.client.search_model_versions("name = 'recommender'")] == [3]
    (described,) = compare(registry.versions())
    assert (described["version"], described["parent_version"], described["change"]) == (3, 2, {})
    with pytest.raises(mlflow.MlflowException):
        mlflow.pyfunc.load_model(f"models:/{model_of(history[0]).name}")


def test_the_next_version_has_a_number_of_its_own(registry, history, publish):
    purge(registry)
    assert publish("forget", parent=3).number == 4


def test_a_second_purge_changes_nothing(registry, tracker, history):
    purge(registry)
    before = tree(tracker.root)
    assert purge(registry) == Purged(kept=((3, "it serves"),))
    assert tree(tracker.root) == before


@pytest.mark.parametrize("policy", [None, KeepNewest(1)])
def test_a_dry_run_tells_the_same_and_changes_nothing(registry, tracker, history, policy):
    _ = tracker.client
    before = tree(tracker.root)
    told = purge(registry, policy, dry_run=True)
    assert tree(tracker.root) == before
    assert told.versions
    assert purge(registry, policy) == told


def test_it_answers_in_json(registry, history):
    answer = json.loads(json.dumps(purge(registry, dry_run=True).as_dict()))
    assert sorted(answer) == ["bytes", "files", "kept", "unfinished", "versions"]
    assert answer["kept"] == [[3, "it serves"]]


def test_an_empty_workspace_has_nothing_to_purge(tmp_path):
    for dry_run in (False, True):
        assert purge(Registry(Tracker(tmp_path)), dry_run=dry_run) == Purged()
    assert list(tmp_path.iterdir()) == []


def test_it_needs_no_mlflow(registry, tracker, history):
    script = (
        "import sys; from recsys_unlearn.tracking import Registry, Tracker; "
        "from recsys_unlearn.tracking.purge import purge; "
        "print(purge(Registry(Tracker(sys.argv[1]))).versions, 'mlflow' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tracker.workspace)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "(1, 2) False", done.stderr


# --- what stays ------------------------------------------------------------------------------------


def test_what_serves_and_what_is_newer_is_never_purged(registry, history):
    registry.promote(2)
    assert purge(registry, versions=[1, 2, 3]).kept == (
        (3, "newer than the version that serves"),
        (2, "it serves"),
    )
    assert [version.number for version in registry.versions()] == [3, 2]


def test_without_a_champion_nothing_is_superseded(registry, tracker, history):
    tracker.client.delete_registered_model_alias("recommender", "champion")
    done = purge(registry)
    assert (done.versions, done.files) == ((), 0)
    assert done.kept == tuple((number, "no version serves yet") for number in (3, 2, 1))


def test_only_the_versions_asked_for_go(registry, history):
    done = purge(registry, versions=[1])
    assert done.versions == (1,)
    assert done.kept == ((3, "it serves"), (2, "not asked for"))


def test_a_version_that_was_purged_may_be_asked_for_again(registry, history):
    purge(registry, versions=[1])
    assert purge(registry, versions=[1, 2]).versions == (2,)


def test_a_number_that_never_was_is_refused_and_nothing_changed(registry, tracker, history):
    before = tree(tracker.root)
    for dry_run in (True, False):
        with pytest.raises(VersionError, match=r"there is no version 7; `recsys-unlearn compare` lists"):
            purge(registry, versions=[1, 7], dry_run=dry_run)
    assert tree(tracker.root) == before


def test_the_newest_superseded_can_be_kept(registry, history):
    done = purge(registry, KeepNewest(1))
    assert done.versions == (1,)
    assert done.kept == ((3, "it serves"), (2, "among the newest 1 superseded"))


def test_days_count_from_when_the_next_version_was_made(registry, tracker, history):
    for number, age in ((1, 9), (2, 6), (3, 2)):  # so that 1 was superseded 6 days ago, and 2 2 days ago
        made = int((NOW - timedelta(days=age)).timestamp() * 1000)
        statement = "UPDATE model_versions SET creation_time = ? WHERE version = ?"
        execute(tracker, statement, (made, number))
    done = purge(registry, AfterDays(5), now=NOW)
    assert done.versions == (1,)
    assert done.kept[1] == (2, "kept for 5 days, until 2026-11-24")


def test_other_aliases_of_a_purged_version_go_too(registry, tracker, history):
    tracker.client.set_registered_model_alias("recommender", "shadow", "1")
    purge(registry)
    assert tracker.client.get_registered_model("recommender").aliases == {"champion": 3}


def test_a_model_that_a_kept_version_names_too_stays(registry, tracker, history):
    client, shared = tracker.client, model_of(history[0])
    client.create_model_version("recommender", f"models:/{shared.name}", history[0].run_id)
    purge(registry)
    assert {version.number for version in registry.versions()} == {3, 4}
    assert shared.exists()
    assert client.get_logged_model(shared.name).status == "READY"
    assert "purged" not in client.get_run(history[0].run_id).data.tags
    assert client.list_artifacts(history[0].run_id)


# --- what a crash or somebody else left ------------------------------------------------------------


@pytest.fixture
def unfinished(registry, tracker, history, model_directory):
    """A publication killed before its version was registered."""
    with tracker.run("killed", "train") as run:
        run.figure(Figure(), "scores.png")
        logged, _ = registry._log_model(model_directory, run, {})
    execute(tracker, "UPDATE logged_models SET status = 1 WHERE model_id = ?", (logged.model_id,))
    return tracker.artifacts / "models" / logged.model_id, run.run_id


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
    (elsewhere / "precious").write_text("text")
    for link in (tracker.artifacts / f"models/m-{'1' * 32}", model_of(history[0]) / "link"):
        link.symlink_to(elsewhere)
    told = purge(registry, dry_run=True)
    assert purge(registry) == told
    assert (elsewhere / "precious").read_text() == "text"
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
        purge(registry)
        log = tracker.database.with_name("mlflow.db-wal")
        assert not log.exists() or log.stat().st_size == 0
        assert model_of(history[0]).name.encode() not in tracker.database.read_bytes()


# --- errors ----------------------------------------------------------------------------------------


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


# --- killed anywhere -------------------------------------------------------------------------------


class Dying:
    """Counts what another process could see of a purge, and kills this one at the n-th."""

    def __init__(self, countdown):
        self.countdown = countdown

    def step(self):
        self.countdown -= 1
        if self.countdown < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def mortal(self, function):
        def call(*arguments, **options):
            self.step()
            return function(*arguments, **options)

        return call

    def arm(self):
        class Connection(sqlite3.Connection):
            execute = self.mortal(sqlite3.Connection.execute)
            executemany = self.mortal(sqlite3.Connection.executemany)

        connect = sqlite3.connect
        module.sqlite3.connect = lambda *a, **k: connect(*a, factory=Connection, **k)
        for name in ("unlink", "rmdir", "fsync"):
            setattr(os, name, self.mortal(getattr(os, name)))


def purged_in_a_process_that_dies(workspace, countdown):
    """Purge in a fork that is killed at step ``countdown``; return whether it lived to the end."""
    child = os.fork()
    if child == 0:
        Dying(countdown).arm()
        purge(Registry(Tracker(workspace)), now=NOW)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def state(tracker):
    return files_below(tracker), cells(tracker), tracker.database.stat().st_size


@pytest.mark.slow
def test_a_purge_killed_at_any_step_is_finished_by_the_next(registry, tracker, unfinished, history, tmp_path):
    undisturbed = Tracker(shutil.copytree(tracker.workspace, tmp_path / "undisturbed"))
    purge(Registry(undisturbed), now=NOW)
    champion, countdown, lived = hashes(model_of(history[2])), 0, False
    while not lived:
        copy = Tracker(shutil.copytree(tracker.workspace, tmp_path / "copy"))
        lived = purged_in_a_process_that_dies(copy.workspace, countdown)
        assert hashes(copy.artifacts / "models" / model_of(history[2]).name) == champion
        purge(Registry(copy), now=NOW)
        assert state(copy) == state(undisturbed), f"killed at step {countdown}"
        shutil.rmtree(copy.workspace)
        countdown += 1
    assert countdown > 60


# --- beside MLflow's own garbage collection, and in its UI -------------------------------------------


@pytest.mark.slow
def test_it_removes_what_mlflow_gc_removes_and_what_it_leaves(registry, tracker, history, tmp_path):
    other = Tracker(shutil.copytree(tracker.workspace, tmp_path / "other"))
    old = history[0]
    client, model_id = other.client, model_of(old).name
    client.delete_model_version("recommender", "1")
    client.delete_logged_model(model_id)
    client.delete_run(old.run_id)
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "gc",
        "--backend-store-uri",
        other.uri,
        "--tracking-uri",
        other.uri,
    ]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | SETTINGS)
    purge(registry, versions=[1])
    for table in ("logged_models", "logged_model_metrics", "logged_model_tags", "logged_model_params"):
        assert {row[0] for row in rows(tracker, table)} == {row[0] for row in rows(other, table)}
    gone_by_gc = files_below(registry.tracker) ^ files_below(other)
    assert gone_by_gc == set()
    left_by_gc = [
        table
        for table in ("inputs", "model_versions", "datasets")
        if len(rows(other, table)) > len(rows(tracker, table))
    ]
    assert left_by_gc == ["inputs", "model_versions", "datasets"]
    assert model_id in cells(other)
    assert model_id not in cells(tracker)


@pytest.mark.slow
def test_the_ui_answers_about_what_is_left(registry, tracker, history):
    purge(registry)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running_ui(tracker, port=port):
        api = f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow"

        def ask(path, body=None):
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{api}/{path}", data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)

        experiment = {"experiment_ids": [tracker.experiment_id]}
        assert len(ask("runs/search", experiment)["runs"]) == 3
        assert len(ask("logged-models/search", experiment)["models"]) == 1
        old = ask(f"runs/get?run_id={history[0].run_id}")["run"]["data"]
        assert {each["key"]: each["value"] for each in old["metrics"]}["recall_at_20"] == 0.1
        assert "files" not in ask(f"artifacts/list?run_id={history[0].run_id}")
        assert [
            v["version"] for v in ask("model-versions/search?filter=name%3D'recommender'")["model_versions"]
        ] == ["3"]
