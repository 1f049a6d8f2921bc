"""The lock is the kernel's, so it is tested against a real process that holds it and is killed."""

import signal
import subprocess
import sys

import pytest

from recsys_unlearn.errors import Locked, StoreError
from recsys_unlearn.workspace import Workspace

HOLDER = """
import sys, time
from recsys_unlearn.workspace import Workspace
with Workspace(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of ``tmp_path``."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_where_everything_lies(tmp_path):
    workspace = Workspace(str(tmp_path))
    assert workspace.root == tmp_path
    assert workspace.store_dir == tmp_path / "data" / "store"
    assert workspace.tracker().root == tmp_path / "mlruns"


def test_the_constructor_touches_nothing(tmp_path):
    Workspace(tmp_path / "new").tracker()
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_without_data_has_no_store(tmp_path):
    with pytest.raises(StoreError, match="ingest"):
        Workspace(tmp_path).store()


def test_while_another_process_changes_it_nobody_else_may(tmp_path, holder):
    with (
        pytest.raises(Locked, match=r"another process is changing the workspace .*wait for it and try again"),
        Workspace(tmp_path).locked(),
    ):
        pytest.fail("two writers at once")


def test_a_process_that_is_killed_gives_the_lock_back(tmp_path, holder):
    holder.kill()
    assert holder.wait() == -signal.SIGKILL
    with Workspace(tmp_path).locked():
        pass


def test_two_workspaces_do_not_lock_each_other(tmp_path, holder):
    with Workspace(tmp_path / "other").locked():
        pass


def test_in_one_process_too_only_one_holds_it(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.locked(), pytest.raises(Locked), workspace.locked():
        pytest.fail("two writers at once")
    with workspace.locked():
        pass


def test_an_error_inside_gives_the_lock_back(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(ZeroDivisionError), workspace.locked():
        _ = 1 / 0
    with workspace.locked():
        pass
