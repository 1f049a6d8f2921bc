"""The pipelines are run as they stand, in this process: their imports are shared with other tests."""

import json
import runpy
import sys
from io import StringIO
from pathlib import Path

import pytest
from trained_workspace import interactions, member, pristine, workspace  # noqa: F401  fixtures

from recsys_unlearn.errors import StoreError, UnknownUser
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workspace import Workspace

PIPELINES = Path(__file__).parents[1] / "pipelines"


@pytest.fixture
def pipeline(monkeypatch, capsys):
    def pipeline(name, *arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", StringIO(stdin))
        runpy.run_path(str(PIPELINES / name), run_name="__main__")
        return capsys.readouterr()

    return pipeline


@pytest.fixture
def csv(tmp_path):
    interactions().write_csv(tmp_path / "interactions.csv")
    return tmp_path / "interactions.csv"


def test_train_makes_a_champion_that_recommends(pipeline, csv, tmp_path):
    printed = json.loads(pipeline("train.py", csv, "--workspace", tmp_path / "w", "--epochs", 1).out)
    assert printed["version"] == 1
    assert set(printed["metrics"]) == {"recall@20", "ndcg@20", "mrr@20", "hit_rate@20", "coverage@20"}
    answer = recommend(Workspace(tmp_path / "w"), interactions()["user"][0], 3)
    assert (answer.version, len(answer.items)) == (1, 3)


def test_train_does_not_replace_a_store(pipeline, csv, workspace):  # noqa: F811
    with pytest.raises(StoreError):
        pipeline("train.py", csv, "--workspace", workspace.root)


def test_forget_user_makes_a_champion_without_the_user(pipeline, workspace, member):  # noqa: F811
    printed = pipeline("forget_user.py", "--workspace", workspace.root, stdin=f"{member}\n").out
    assert json.loads(printed)["served"] is True
    assert member not in printed
    assert workspace.registry().champion().number == json.loads(printed)["version"] == 2
    with pytest.raises(UnknownUser):
        recommend(workspace, member)


def test_forget_user_leaves_a_receipt_and_no_older_version(pipeline, workspace, member):  # noqa: F811
    pipeline("forget_user.py", "--workspace", workspace.root, stdin=f"{member}\n")
    (request,) = workspace.requests().all()
    assert request.state == "receipted"
    assert (workspace.erasure_dir / "receipts" / f"{request.request_id}.json").exists()
    assert [each.number for each in workspace.registry().versions()] == [2]


def test_nightly_drains_the_queue_and_reports(pipeline, workspace, member, tmp_path):  # noqa: F811
    forget(workspace, [member], handling=Handling(queue=True))
    reports, config = tmp_path / "reports", tmp_path / "nightly.yaml"
    config.write_text("deletion_budget: 1.0\nkeep: 1\n")
    arguments = ("--workspace", workspace.root, "--report", reports, "--config", config)
    with pytest.raises(SystemExit) as ended:
        pipeline("nightly.py", *arguments)
    assert ended.value.code == 0
    suffixes = {path.suffix: path.read_text() for path in reports.iterdir()}
    told = json.loads(suffixes[".json"])
    assert (told["version"], [each["status"] for each in told["requests"]]) == (2, ["completed"])
    assert [number for number, _ in told["kept_versions"]] == [1]
    assert suffixes[".txt"].startswith("Night of ")
    assert member not in "".join(suffixes.values())


def test_nightly_ends_with_the_codes_of_the_command_line(pipeline, workspace, capsys):  # noqa: F811
    with workspace.locked("train"), pytest.raises(SystemExit) as ended:
        pipeline("nightly.py", "--workspace", workspace.root)
    assert ended.value.code == 6
    assert "`train`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train.py", "forget_user.py", "nightly.py"])
def test_help_ends_in_an_example(pipeline, capsys, name):
    with pytest.raises(SystemExit) as ended:
        pipeline(name, "--help")
    assert ended.value.code == 0
    assert f"python pipelines/{name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["train.py", "forget_user.py", "nightly.py"])
def test_a_pipeline_is_short_enough_to_read_at_once(name):
    assert len((PIPELINES / name).read_text().splitlines()) <= 60


def test_the_package_knows_no_pipeline():
    for path in (PIPELINES.parent / "recsys_unlearn").rglob("*.py"):
        assert "import pipelines" not in path.read_text()
        assert "from pipelines" not in path.read_text()
