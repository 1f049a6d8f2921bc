"""One tiny workspace with a trained version, made once per session and copied for every test."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.interactions.synthetic import SyntheticOptions, generate
from recsys_unlearn.recommenders.factorization import FactorizationOptions
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace

TINY_DATA = SyntheticOptions(
    n_users=150, n_items=80, mean_history=15, n_clusters=4, households=2, outliers=1, seed=3
)
TINY_MODEL = FactorizationOptions(dim=8, epochs=3, batch_size=256, negatives=32)
_made: list[Path] = []


def interactions() -> pl.DataFrame:
    """Synthetic interactions whose user ids can be searched for in any file."""
    frame = generate(TINY_DATA).frame
    return frame.with_columns(pl.format("canary-{}-7f3a", "user").alias("user"))


def make(factory: pytest.TempPathFactory) -> Path:
    """Return the workspace that no test may change."""
    if not _made:
        workspace = Workspace(factory.mktemp("trained"))
        ingest(interactions(), workspace.store_dir, IngestOptions(n_buckets=4, strangers=0.2))
        train(workspace, TINY_MODEL)
        _made.append(workspace.root)
    return _made[0]


@pytest.fixture
def workspace(tmp_path_factory, tmp_path) -> Workspace:
    """A copy of the trained workspace, opened once so that it has found its new place."""
    copied = Workspace(shutil.copytree(make(tmp_path_factory), tmp_path / "workspace"))
    _ = copied.tracker().client
    return copied


@pytest.fixture
def pristine(tmp_path_factory) -> Workspace:
    """The trained workspace itself, for tests that only read."""
    return Workspace(make(tmp_path_factory))


@pytest.fixture
def member(pristine) -> str:
    """Id of a user whom training saw."""
    return _first(pristine, lambda store, row: not store.is_stranger(row))


@pytest.fixture
def stranger(pristine) -> str:
    """Id of a user who is held out from all training."""
    return _first(pristine, lambda store, row: store.is_stranger(row))


def _first(workspace: Workspace, wanted: Callable) -> str:
    store = workspace.store()
    return store.user_id(next(row for row in store.known_rows().tolist() if wanted(store, row)))
