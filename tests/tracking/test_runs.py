import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from recsys_unlearn.errors import UsageError
from recsys_unlearn.tracking import Tracker, names
from recsys_unlearn.tracking.runs import KINDS, LONGEST_VALUE

CANARY = "kanarienvogel-4711@example.org"


def stored(tracker, run):
    return tracker.client.get_run(run.run_id)


def test_importing_and_making_a_tracker_loads_neither_mlflow_nor_matplotlib(tmp_path):
    code = (
        "import sys; from pathlib import Path; import recsys_unlearn.tracking as t;"
        f"from recsys_unlearn.tracking import figures, ui; k = t.Tracker(Path({str(tmp_path)!r}));"
        "assert not k.exists and t.Registry(k).versions() == [] and t.Registry(k).champion() is None;"
        "sys.exit(' '.join({'mlflow', 'matplotlib', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_has_the_same_metric_names(tracker, kind):
    with tracker.run("one", kind) as run:
        run.metrics({"recall@20": 0.25})
    found = stored(tracker, run)
    assert set(found.data.metrics) == {names.to_mlflow(name) for name in names.COMMON}
    assert found.data.metrics["recall_at_20"] == 0.25
    assert found.data.metrics["before/recall_at_20"] == 0.25
    assert math.isnan(found.data.metrics["audit/auc"])
    assert found.data.tags["kind"] == kind
    assert found.info.status == "FINISHED"


def test_everything_is_written_in_one_batch(tracker, monkeypatch):
    batches = []
    keep = tracker.client.log_batch
    monkeypatch.setattr(tracker.client, "log_batch", lambda *a, **k: (batches.append(a), keep(*a, **k)))
    for single in ("log_metric", "log_param", "set_tag"):
        monkeypatch.setattr(tracker.client, single, lambda *_: pytest.fail("written singly"))
    with tracker.run("one", "train", params={"dim": 64}) as run:
        for epoch in range(3):
            run.metrics({"validation/recall@20": epoch / 10}, step=epoch)
        run.metrics({"recall@20": 0.2})
        run.tags({"method": "x"})
        assert batches == []
    assert len(batches) == 1
    found = stored(tracker, run)
    assert found.data.params == {"dim": "64"}
    assert found.data.tags["method"] == "x"
    history = tracker.client.get_metric_history(run.run_id, "validation/recall_at_20")
    assert [(m.step, m.value) for m in history] == [(0, 0.0), (1, 0.1), (2, 0.2)]


def test_a_later_value_replaces_an_earlier_one(tracker):
    with tracker.run("one", "train") as run:
        run.metrics({"recall@20": 0.1})
        run.metrics({"recall@20": 0.2})
    assert [m.value for m in tracker.client.get_metric_history(run.run_id, "recall_at_20")] == [0.2]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_raises_says_so_and_invents_nothing(tracker, error, status):
    with pytest.raises(error), tracker.run("one", "forget") as run:
        run.metrics({"recall@20": 0.1})
        raise error(f"user {CANARY}")
    found = stored(tracker, run)
    assert found.info.status == status
    assert found.data.metrics == {"recall_at_20": 0.1}
    assert found.data.tags["error"] == error.__name__


def test_a_run_inside_a_run_is_nested(tracker):
    with tracker.run("all", "benchmark") as outer, tracker.run("one", "forget", parent=outer) as inner:
        pass
    assert stored(tracker, inner).data.tags["mlflow.parentRunId"] == outer.run_id
    assert "mlflow.parentRunId" not in stored(tracker, outer).data.tags


def test_the_data_is_a_digest_and_counts(tracker):
    with tracker.run("one", "train") as run:
        run.dataset("0123456789abcdef" * 4, 6040, 3706, 575281, name="ml-1m")
    (kept,) = stored(tracker, run).inputs.dataset_inputs
    assert (kept.dataset.name, kept.dataset.digest) == ("ml-1m", ("0123456789abcdef" * 4)[:36])
    assert json.loads(kept.dataset.profile) == {"n_users": 6040, "n_items": 3706, "num_rows": 575281}
    assert kept.dataset.source == "{}"
    assert stored(tracker, run).data.tags["dataset_digest"] == "0123456789abcdef" * 4


def test_artifacts_lie_below_the_workspace(tracker):
    figure = Figure(figsize=(1, 1))
    with tracker.run("one", "audit") as run:
        run.figure(figure, "recall.png")
        run.dict({"auc": 0.5}, "audit.json")
        run.table({"metric": ["auc", "gap"], "value": np.array([0.5, 0.1])}, "table.json")
    directory = tracker.artifacts / run.run_id / "artifacts"
    assert (directory / "recall.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((directory / "audit.json").read_text()) == {"auc": 0.5}
    assert json.loads((directory / "table.json").read_text())["columns"] == ["metric", "value"]


@pytest.mark.parametrize("name", ["../out.png", "/tmp/out.png", "a/b.png", "out.svg", ".png", "", "a\\b.png"])
def test_an_artifact_name_cannot_leave_the_run(tracker, name):
    with tracker.run("one", "audit") as run, pytest.raises(UsageError, match="cannot name an artifact"):
        run.figure(Figure(), name)


def test_an_unknown_kind_is_refused_before_anything_is_written(tmp_path):
    with (
        pytest.raises(UsageError, match="no kind of run is called 'trian'"),
        Tracker(tmp_path).run("a", "trian"),
    ):
        pass
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("value", [Path("/data/users.csv"), ["u1"], {"a": 1}, "x" * (LONGEST_VALUE + 1)])
def test_only_short_scalars_become_tags_and_parameters(tracker, value):
    with tracker.run("one", "train") as run:
        for collect in (run.tags, run.params):
            with pytest.raises(UsageError, match="'source' is not a scalar"):
                collect({"source": value})
        run.params({"lr": np.float32(0.5), "dim": np.int64(64), "early": True, "none": None})
    assert stored(tracker, run).data.params == {"lr": "0.5", "dim": "64", "early": "True", "none": "None"}


def test_nothing_of_the_operator_or_the_failure_is_stored(tmp_path):
    """In a process whose user, directory, arguments and error all hold the canary."""
    script = tmp_path / f"{CANARY}.py"
    script.write_text(
        "import sys; from recsys_unlearn.tracking import Tracker\n"
        "t = Tracker(sys.argv[1])\n"
        "with t.run('one', 'forget') as run:\n"
        "    run.dataset('abc', 1, 2, 3)\n"
        f"    raise ValueError('no user {CANARY}')\n"
    )
    (tmp_path / CANARY).mkdir()
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "workspace")],
        cwd=tmp_path / CANARY,
        env=os.environ | {"USER": CANARY, "LOGNAME": CANARY, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert f"ValueError: no user {CANARY}" in done.stderr
    files = [path for path in (tmp_path / "workspace").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert CANARY.encode() not in path.read_bytes()


def test_a_deleted_experiment_is_an_error_with_the_remedy(tracker):
    tracker.client.delete_experiment(tracker.experiment_id)
    with pytest.raises(UsageError, match="mlflow experiments restore -x"):
        _ = Tracker(tracker.workspace).experiment_id


@pytest.mark.parametrize("name", ["what?", "50%20"])
def test_a_path_that_mlflow_would_misread_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="holds a '\\?' or '%'"):
        _ = Tracker(tmp_path / name).client
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_odd_letters_works(migrated, tmp_path, model_directory):
    from recsys_unlearn.tracking import Registry

    workspace = tmp_path / "a b#c+é:&"
    shutil.copytree(migrated, workspace)
    tracker = Tracker(workspace)
    with tracker.run("one", "train") as run:
        run.dict({"a": 1}, "a.json")
        made = Registry(tracker).publish(model_directory, run)
    made.verify()
    assert (tracker.artifacts / run.run_id / "artifacts" / "a.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {model_directory.name, workspace.name}
    import mlflow

    assert mlflow.pyfunc.load_model("models:/recommender/1").metadata.model_id


def test_the_database_keeps_sqlite_safe_defaults(tracker):
    with sqlite3.connect(tracker.database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    _ = tracker.experiment_id
    assert not [path for path in tracker.root.iterdir() if path.name.startswith(".tmp-")]
