"""A real process, killed with SIGKILL at a random moment of an ingest or an erasure.

To hit every step, the victim kills itself at the n-th operation that another process could see:
an fsync, a rename, an unlink, or the writing of a bucket.
"""

import os
import subprocess
import sys
import time

import polars as pl
import pytest

from recsys_unlearn.interactions import IngestOptions, InteractionStore, ingest

VICTIM = """
import os, pathlib, signal, sys
import polars
countdown = int(sys.argv[1])
def mortal(function):
    def call(*args, **kwargs):
        global countdown
        countdown -= 1
        if countdown < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
os.fsync = mortal(os.fsync)
for name in ("rename", "replace", "unlink", "write_bytes", "write_text"):
    setattr(pathlib.Path, name, mortal(getattr(pathlib.Path, name)))
polars.DataFrame.write_parquet = mortal(polars.DataFrame.write_parquet)
from recsys_unlearn.interactions import *
"""
INGEST = "ingest(sys.argv[3], sys.argv[2], IngestOptions(n_buckets=2, strangers=0, replace=True))"
ENVIRONMENT = os.environ | {"POLARS_MAX_THREADS": "1"}
ERASE = "InteractionStore.open(sys.argv[2]).erase([0, 59])"  # rows in both buckets


@pytest.fixture
def sources(tmp_path, frame):
    frame.write_parquet(tmp_path / "new.parquet")
    frame.head(50).write_parquet(tmp_path / "old.parquet")
    return tmp_path


@pytest.mark.slow
def test_a_killed_ingest_leaves_the_old_store_or_the_new(sources, content):
    sizes = set()
    for countdown in (0, 5, 10, 13, 16, 19, 22, 40):
        directory = _old_store(sources, "old.parquet")
        died = _run(INGEST, countdown, directory, sources / "new.parquet")
        store = InteractionStore.open(directory)
        sizes.add(len(content(store)))
        _ingest(directory, sources / "new.parquet")
        assert _temporary(sources) == []
    assert sizes == {50, pl.read_parquet(sources / "new.parquet").height}
    assert not died


@pytest.mark.slow
def test_a_killed_erasure_leaves_the_old_store_or_the_new_and_can_be_repeated(sources, content):
    contents = set()
    for countdown in range(40):
        directory = _old_store(sources, "new.parquet")
        whole = content(InteractionStore.open(directory))
        died = _run(ERASE, countdown, directory)
        store = InteractionStore.open(directory)
        contents.add(sum(store.sizes.values()))
        assert len(store.splits().train) == store.sizes["train"]
        store.erase([0, 59])
        assert store.known_rows().tolist() == list(range(1, 59))
        assert len(list((directory / "interactions").iterdir())) == 2
        assert _temporary(sources) == []
        if not died:
            break
    assert not died and countdown > 8
    assert contents == {len(whole), sum(store.sizes.values())}


@pytest.mark.slow
def test_a_killed_first_ingest_leaves_nothing_that_lasts(sources):
    process = subprocess.Popen(_command(INGEST, 10**9, sources / "store", sources / "new.parquet"))
    while process.poll() is None and not _temporary(sources):
        time.sleep(0.001)
    process.kill()
    process.wait()
    _ingest(sources / "store", sources / "new.parquet")
    assert _temporary(sources) == []


def test_a_crash_between_the_two_renames_is_mended(sources):
    directory = _old_store(sources, "old.parquet")
    directory.rename(sources / ".tmp-retired-store")
    assert sum(InteractionStore.open(directory).sizes.values()) == 50


def _old_store(sources, name):
    _ingest(sources / "store", sources / name)
    return sources / "store"


def _ingest(directory, source):
    ingest(source, directory, IngestOptions(n_buckets=2, strangers=0, replace=True))


def _run(script, countdown, *arguments):
    process = subprocess.run(_command(script, countdown, *arguments), env=ENVIRONMENT, check=False)
    assert process.returncode in (0, -9)
    return process.returncode == -9


def _command(script, countdown, *arguments):
    return [sys.executable, "-c", VICTIM + script, str(countdown), *map(str, arguments)]


def _temporary(directory):
    return [path for path in directory.rglob("*") if path.name.startswith(".tmp-")]
