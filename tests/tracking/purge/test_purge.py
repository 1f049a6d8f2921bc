"""What a purge removes, what it keeps, and what it says."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from three_versions import DIGESTS, FILES, NOW, cells, execute, files_below, model_of, rows
from workspace_contents import tree

from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking import Registry, Tracker, compare
from recsys_unlearn.tracking.purge import Purged, purge
from recsys_unlearn.tracking.retention import AfterDays, KeepNewest


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


def test_a_version_goes_because_it_was_superseded_unless_told(registry, tracker, history):
    purge(registry)
    assert tracker.client.get_run(history[0].run_id).data.tags["purged_reason"] == "superseded"


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


def test_before_the_first_version_there_is_nothing_to_purge(migrated, tmp_path):
    tracker = Tracker(shutil.copytree(migrated, tmp_path / "workspace"))
    assert tracker.exists
    assert not (tracker.artifacts / "models").exists()
    assert purge(Registry(tracker)) == Purged()


def test_it_needs_no_mlflow(registry, tracker, history):
    script = (
        "import sys; from recsys_unlearn.tracking import Registry, Tracker; "
        "from recsys_unlearn.tracking.purge import purge; "
        "print(purge(Registry(Tracker(sys.argv[1]))).versions, 'mlflow' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tracker.workspace)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "(1, 2) False", done.stderr


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
