import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.tracking import Registry, Tracker


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Path:
    """A workspace with an empty MLflow database; making it takes a second, copying it does not."""
    workspace = tmp_path_factory.mktemp("migrated")
    _ = Tracker(workspace).client
    return workspace


@pytest.fixture
def tracker(migrated, tmp_path) -> Tracker:
    workspace = tmp_path / "workspace"
    shutil.copytree(migrated, workspace)
    return Tracker(workspace)


@pytest.fixture
def registry(tracker) -> Registry:
    return Registry(tracker)


@pytest.fixture
def tables() -> dict[str, np.ndarray]:
    """Four users, of whom user 2 is forgotten, and five items."""
    users = [[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 2, 3]]
    items = [[5, 0, 0], [4, 1, 0], [3, 2, 9], [0, 7, 1], [0, 0, 2]]
    return {"user_table": np.array(users, np.float32), "item_table": np.array(items, np.float32)}


@pytest.fixture
def model_directory(tmp_path, tables) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    save_file(tables, directory / "weights.safetensors")
    (directory / "model.json").write_text(json.dumps({"recommender": "tables"}))
    ItemIndex.build(tables["item_table"]).save(directory / "index.faiss")
    return directory


@pytest.fixture
def publish(tracker, registry, model_directory):
    """Publish ``model_directory`` in a run of its own."""

    def publish(kind="train", **arguments):
        with tracker.run(f"a {kind}", kind) as run:
            return registry.publish(model_directory, run, **arguments)

    return publish
