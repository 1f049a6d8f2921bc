"""What whoever is kept out is told, and how they can wait; that the kernel keeps them out: test_workspace."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from recsys_unlearn.errors import Locked
from recsys_unlearn.lock import Owner, locked

HOLDER = """
import sys, time
from pathlib import Path
from recsys_unlearn.lock import locked
with locked(Path(sys.argv[1]), "forget", "the workspace"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / ".lock"


@pytest.fixture
def hold(path):
    """Start a process that holds the lock for so many seconds."""
    started = []

    def hold(seconds):
        command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_owner_is_named_to_whoever_is_kept_out(path, hold):
    owner = hold(600)
    with pytest.raises(Locked) as refused, locked(path, "train", "the workspace here"):
        pytest.fail("two owners")
    assert str(refused.value).startswith("another process is changing the workspace here: `forget` (process ")
    assert f"(process {owner.pid} on {os.uname().nodename}, since 20" in str(refused.value)
    assert str(refused.value).endswith("wait for it and try again, or use --wait")


def test_being_refused_does_not_wipe_out_who_the_owner_is(path, hold):
    hold(600)
    before = path.read_text()
    with pytest.raises(Locked), locked(path, "train", "it"):
        pytest.fail("two owners")
    assert path.read_text() == before


def test_a_dead_owner_s_lock_is_taken_over_with_its_file(path, hold):
    dead = hold(600)
    dead.kill()
    dead.wait()
    assert json.loads(path.read_text())["pid"] == dead.pid
    with locked(path, "train", "it"):
        found = json.loads(path.read_text())
    assert (found["pid"], found["command"]) == (os.getpid(), "train")


def test_afterwards_nobody_is_named(path):
    with locked(path, "train", "it"):
        assert json.loads(path.read_text())["command"] == "train"
    assert path.read_text() == ""


def test_an_owner_who_has_only_just_begun_is_no_one_by_name(path):
    with locked(path, "train", "it"):
        path.write_text("")
        with pytest.raises(Locked, match="it has only just begun"), locked(path, "forget", "it"):
            pytest.fail("two owners")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "more": 2}'])
def test_a_file_that_does_not_say_who_is_read_as_nobody(tmp_path, text):
    (tmp_path / "lock").write_text(text)
    with (tmp_path / "lock").open() as file:
        assert Owner.read(file) is None


def test_waiting_ends_when_the_owner_does(path, hold):
    hold(0.4)
    started = time.monotonic()
    with locked(path, "train", "it", wait=60):
        assert time.monotonic() - started < 50


def test_waiting_ends_when_the_time_is_up(path, hold):
    hold(600)
    started = time.monotonic()
    with (
        pytest.raises(Locked, match=r"and has not finished in 0\.2 s"),
        locked(path, "train", "it", wait=0.2),
    ):
        pytest.fail("two owners")
    assert time.monotonic() - started >= 0.2


def test_many_who_wait_get_it_one_after_the_other(path):
    inside, most = [], []

    def work():
        with locked(path, "train", "it", wait=float("inf")):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
