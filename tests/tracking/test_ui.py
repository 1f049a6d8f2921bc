import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from recsys_unlearn.errors import RecsysUnlearnError, UsageError
from recsys_unlearn.tracking import Tracker, ui

SCRIPT = """
import sys
from recsys_unlearn.tracking import Tracker
from recsys_unlearn.tracking.ui import serve_ui
serve_ui(Tracker(sys.argv[1]), port=int(sys.argv[2]), announce=lambda address: print(address, flush=True))
"""


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_only_this_machine_may_ask(tracker, host):
    with pytest.raises(UsageError, match="has no login, so it is not opened"):
        ui.serve_ui(tracker, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_has_these_names(host):
    ui._check_host(host)


def test_a_taken_port_is_said(tracker):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {taken} on 127.0.0.1 is not free .* --port"):
            ui.serve_ui(tracker, port=taken)


@pytest.mark.parametrize("number", [-1, 70000])
def test_a_number_that_is_no_port_is_said(tracker, number):
    with pytest.raises(UsageError, match="is not free"):
        ui.serve_ui(tracker, port=number)


def test_an_empty_workspace_has_nothing_to_show(tmp_path, port):
    with pytest.raises(UsageError, match=r"nothing was tracked in .* yet"):
        ui.serve_ui(Tracker(tmp_path), port=port)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_start_is_said(tracker, port, monkeypatch):
    monkeypatch.setattr(ui, "_command", lambda *_: [sys.executable, "-c", "raise SystemExit(9)"])
    with pytest.raises(RecsysUnlearnError, match="did not start, status 9"):
        ui.serve_ui(tracker, port=port)


def test_a_server_that_does_not_answer_is_ended(tracker, port, monkeypatch):
    monkeypatch.setattr(ui, "_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(ui, "PATIENCE", 0.3)
    started = []
    monkeypatch.setattr(ui, "_stop", lambda server, stop=ui._stop: (started.append(server), stop(server)))
    with pytest.raises(RecsysUnlearnError, match="did not answer within"):
        ui.serve_ui(tracker, port=port)
    assert started[0].poll() == -signal.SIGTERM


def test_the_command_is_small_and_closed(tracker):
    command = " ".join(ui._command(tracker, "127.0.0.1", 5000))
    assert "--host 127.0.0.1" in command
    assert "--workers 1" in command
    assert "--no-serve-artifacts" in command
    environment = ui._environment()
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.fixture
def process(tracker, port, tmp_path):
    _ = tracker.experiment_id
    command = [sys.executable, "-c", SCRIPT, str(tracker.workspace), str(port)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    yield process
    process.terminate()  # which ends the server too
    process.wait(30)


@pytest.mark.slow
def test_it_serves_until_interrupted_and_leaves_no_process(process, port, tmp_path):
    address = process.stdout.readline().strip()
    expected = f"http://127.0.0.1:{port}/#/experiments/1/runs?compareRunsMode=CHART"
    assert address == expected, (tmp_path / "errors").read_text()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
        assert b"MLflow" in page.read()
    foreign = urllib.request.Request(
        f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/experiments/search?max_results=1",
        headers={"Host": "evil.example"},
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(foreign, timeout=20)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
