"""A small store with a known content, and ways to look at a store from outside."""

from pathlib import Path

import polars as pl
import pytest

from recsys_unlearn.interactions import IngestOptions, InteractionStore, ingest

CANARY = "canary-7c1e5a-" + "x" * 40


@pytest.fixture
def frame():
    """60 users with 6 to 15 of 40 items; the user at 17 is the canary."""
    rows = [
        (
            CANARY if u == 17 else f"user-{u:03d}",
            f"item-{(u * 7 + n * 3) % 40:02d}",
            n % 5 + 1.0,
            1000 + 13 * n,
        )
        for u in range(60)
        for n in range(6 + u % 10)
    ]
    return pl.DataFrame(rows, schema=["user", "item", "rating", "time"], orient="row")


@pytest.fixture
def make_store(tmp_path):
    """Ingest a source into a store of four buckets and open it."""

    def make(source, name="store", **options):
        ingest(source, tmp_path / name, IngestOptions(**({"n_buckets": 4, "strangers": 0} | options)))
        return InteractionStore.open(tmp_path / name)

    return make


@pytest.fixture
def content():
    """Return a store's content as a set of (user id, item id, split name), all as text."""

    def read(store):
        return set(store.to_frame().select("user", "item", "split").rows())

    return read


@pytest.fixture
def files_with():
    """Return the files under a directory whose bytes, or whose name, hold a text."""

    def search(directory, text):
        paths = [path for path in Path(directory).rglob("*") if path.is_file()]
        return [path for path in paths if text.encode() in path.read_bytes() or text in path.name]

    return search


@pytest.fixture
def tree():
    """Return every file under a directory with its bytes."""

    def snapshot(directory):
        return {path: path.read_bytes() for path in sorted(Path(directory).rglob("*")) if path.is_file()}

    return snapshot


@pytest.fixture
def canary():
    return CANARY
