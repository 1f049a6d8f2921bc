"""A purge killed at every step."""

import os
import shutil
import signal
import sqlite3

import pytest
from three_versions import NOW, cells, files_below, model_of
from workspace_contents import hashes

from recsys_unlearn.tracking import Registry, Tracker
from recsys_unlearn.tracking import purge as module
from recsys_unlearn.tracking.purge import purge


class Dying:
    """Counts what another process could see of a purge, and kills this one at the n-th."""

    def __init__(self, countdown):
        self.countdown = countdown

    def step(self):
        self.countdown -= 1
        if self.countdown < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def mortal(self, function):
        def call(*arguments, **options):
            self.step()
            return function(*arguments, **options)

        return call

    def arm(self):
        class Connection(sqlite3.Connection):
            execute = self.mortal(sqlite3.Connection.execute)
            executemany = self.mortal(sqlite3.Connection.executemany)

        connect = sqlite3.connect
        module.sqlite3.connect = lambda *a, **k: connect(*a, factory=Connection, **k)
        for name in ("unlink", "rmdir", "fsync"):
            setattr(os, name, self.mortal(getattr(os, name)))


def purged_in_a_process_that_dies(workspace, countdown):
    """Purge in a fork that is killed at step ``countdown``; return whether it lived to the end."""
    child = os.fork()
    if child == 0:
        Dying(countdown).arm()
        purge(Registry(Tracker(workspace)), now=NOW)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def state(tracker):
    return files_below(tracker), cells(tracker), tracker.database.stat().st_size


@pytest.mark.slow
def test_a_purge_killed_at_any_step_is_finished_by_the_next(registry, tracker, unfinished, history, tmp_path):
    undisturbed = Tracker(shutil.copytree(tracker.workspace, tmp_path / "undisturbed"))
    purge(Registry(undisturbed), now=NOW)
    champion, countdown, lived = hashes(model_of(history[2])), 0, False
    while not lived:
        copy = Tracker(shutil.copytree(tracker.workspace, tmp_path / "copy"))
        lived = purged_in_a_process_that_dies(copy.workspace, countdown)
        assert hashes(copy.artifacts / "models" / model_of(history[2]).name) == champion
        purge(Registry(copy), now=NOW)
        assert state(copy) == state(undisturbed), f"killed at step {countdown}"
        shutil.rmtree(copy.workspace)
        countdown += 1
    assert countdown > 60
