import json

import pytest
from trained_workspace import TINY_DATA, TINY_MODEL

from recsys_unlearn.cli.demo import _as_typed
from recsys_unlearn.workflows import demo as workflow


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """The same story with fewer people."""
    whole = workflow.demo
    monkeypatch.setattr(
        workflow, "demo", lambda root, progress: whole(root, TINY_DATA, TINY_MODEL, progress=progress)
    )


def test_the_story_fits_a_screen_and_ends_with_the_way_to_the_ui(run, tmp_path):
    result = run("demo", "--workspace", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.replace(str(tmp_path / "demo"), "demo-workspace").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert lines[-1].strip() == "recsys-unlearn ui --workspace demo-workspace"
    for part in (
        "1. Ingested",
        "2. Trained version 1",
        "3. Recommended",
        "4. Forgot",
        "exit code 3",
        "version 2",
    ):
        assert part in result.stdout


def test_a_foreign_directory_is_code_2(run, tmp_path):
    (tmp_path / "precious").write_text("mine")
    result = run("demo", "--workspace", tmp_path, "--json")
    assert result.exit_code == 2
    assert "was not made by the demo" in json.loads(result.stdout)["error"]["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("started", "found", "typed"),
    [
        (".venv/bin/recsys-unlearn", None, ".venv/bin/recsys-unlearn"),
        (".venv/bin/recsys-unlearn", "/usr/bin/recsys-unlearn", "recsys-unlearn"),
        ("/usr/bin/pytest", None, "recsys-unlearn"),
    ],
)
def test_the_command_is_shown_as_it_can_be_typed(monkeypatch, started, found, typed):
    monkeypatch.setattr("sys.argv", [started])
    monkeypatch.setattr("shutil.which", lambda _: found)
    assert _as_typed() == typed
