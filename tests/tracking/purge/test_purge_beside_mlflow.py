"""Beside MLflow's own garbage collection, and in its UI."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request

import pytest
from three_versions import cells, files_below, model_of, rows

from recsys_unlearn.tracking import Tracker
from recsys_unlearn.tracking.library import SETTINGS
from recsys_unlearn.tracking.purge import purge
from recsys_unlearn.tracking.ui import running_ui


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
