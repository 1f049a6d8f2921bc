import json
import socket

import pytest


@pytest.fixture
def served(monkeypatch):
    """Stand in for the server, which tests/tracking starts for real; note what it was asked for."""
    import recsys_unlearn.tracking.ui as ui

    asked = {}

    def serve(tracker, port, announce):
        asked.update(workspace=tracker.workspace, port=port)
        announce(f"http://127.0.0.1:{port}/")

    monkeypatch.setattr(ui, "serve_ui", serve)
    return asked


def test_the_address_is_printed_once_it_answers(run, served, tmp_path):
    result = run("ui", "--port", 5050, "--workspace", tmp_path)
    assert result.stdout == "MLflow UI: http://127.0.0.1:5050/\n"
    assert "Ctrl-C" in result.stderr
    assert served == {"workspace": tmp_path, "port": 5050}


def test_the_address_in_json(run, served, tmp_path):
    result = run("ui", "--json", "--workspace", tmp_path)
    assert json.loads(result.stdout) == {"url": "http://127.0.0.1:5000/"}


def test_it_cannot_be_opened_to_other_machines(run):
    assert run("ui", "--host", "0.0.0.0").exit_code == 2


def test_a_workspace_without_runs_is_code_2(run, tmp_path):
    result = run("ui", "--port", _free_port(), "--workspace", tmp_path)
    assert result.exit_code == 2
    assert "run `recsys-unlearn train` first" in result.stderr


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
