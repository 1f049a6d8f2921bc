"""MLflow's own pages on one workspace, for this machine only."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from recsys_unlearn.errors import RecsysUnlearnError, UsageError
from recsys_unlearn.tracking.library import SETTINGS
from recsys_unlearn.tracking.runs import Tracker

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 5000
PATIENCE = 60.0  # seconds until the server must answer; 5 s is usual, 20 s on a busy machine


def serve_ui(
    tracker: Tracker,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    announce: Callable[[str], object] = print,
) -> None:
    """Serve until Ctrl-C; ``announce`` is called with the address once it answers.

    Raises
    ------
    UsageError
        If ``host`` is not this machine's loopback, the port is taken, or nothing was tracked here yet.
    RecsysUnlearnError
        If the server ends by itself.
    """
    try:
        with _interruptible(), running_ui(tracker, host, port) as server:
            announce(f"http://{host}:{port}/#/experiments/{tracker.experiment_id}/runs?compareRunsMode=CHART")
            while server.poll() is None:
                # Not `wait()`: polars, once loaded, has the system restart it rather than see Ctrl-C.
                time.sleep(0.2)
    except KeyboardInterrupt:
        return
    raise RecsysUnlearnError(
        f"the MLflow server ended by itself (status {server.returncode}); start it again"
    )


@contextmanager
def running_ui(
    tracker: Tracker, host: str = LOOPBACK, port: int = DEFAULT_PORT
) -> Iterator[subprocess.Popen[bytes]]:
    """Have the server answer on ``port`` inside the block and be gone after it; see :func:`serve_ui`."""
    _check_host(host)
    _check_port(host, port)
    if not tracker.exists:
        raise UsageError(f"nothing was tracked in {tracker.workspace} yet; run `recsys-unlearn train` first")
    _ = tracker.client  # mends the addresses of a workspace that was moved
    server = subprocess.Popen(  # noqa: S603  our interpreter, no shell
        _command(tracker, host, port),
        env=_environment(),
        stdout=sys.__stderr__,  # what it has to say is not our output
        start_new_session=True,
    )
    try:
        _await(server, f"http://{host}:{port}/health")
        yield server
    finally:
        _stop(server)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make a polite kill end the server as Ctrl-C does, also where a shell had Ctrl-C ignored."""
    signals = (signal.SIGINT, signal.SIGTERM)
    kept = [signal.signal(each, signal.default_int_handler) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, kept, strict=True):
            signal.signal(each, handler)


def _command(tracker: Tracker, host: str, port: int) -> list[str]:
    # fmt: off
    return [
        sys.executable, "-m", "mlflow", "server",
        "--backend-store-uri", tracker.uri,
        "--registry-store-uri", tracker.uri,
        "--default-artifact-root", tracker.artifacts.as_uri(),
        "--no-serve-artifacts",  # no uploads; showing a run's files does not need it
        "--host", host, "--port", str(port),
        "--workers", "1",
        "--uvicorn-opts", "--log-level warning",
        # A page elsewhere that resolves its own name to this machine must not read the answers.
        "--allowed-hosts", f"{host}:{port},localhost:{port}",
    ]
    # fmt: on


def _environment() -> dict[str, str]:
    # Without job execution: 5 s and 2 processes to start instead of 19 s and 9.
    quick = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return os.environ | SETTINGS | quick | {"PYTHONWARNINGS": "ignore"}  # of its own dependencies


def _check_host(host: str) -> None:
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise UsageError(
            f"the MLflow server has no login, so it is not opened on {host!r}; use {LOOPBACK} and, "
            "from elsewhere, an SSH tunnel"
        )


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"port {port} on {host} is not free ({error}); choose another with --port"
        ) from error


def _await(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RecsysUnlearnError(f"the MLflow server did not start, status {server.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310  our own http address
                return
        except OSError:
            time.sleep(0.1)
    raise RecsysUnlearnError(f"the MLflow server did not answer within {PATIENCE:.0f} s; try again")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker, politely first."""
    for sign, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(server.pid, sign)
            server.wait(patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
