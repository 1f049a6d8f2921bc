"""Directories of a version that somebody prepared: each is refused before anything of it runs.

The attacker can write files below ``mlruns`` after a version was published. The hashes tell.
"""

import json
import os
import pickle
import shutil
import sqlite3
import sys
import zipfile
from contextlib import closing

import pytest
from trained_workspace import make, workspace  # noqa: F401  a fixture

from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking import manifest
from recsys_unlearn.workflows.version_files import open_version
from reliability.malice import CODE, Malice, mark  # noqa: F401  a fixture


@pytest.fixture
def root(workspace):  # noqa: F811
    return workspace.registry().champion().directory.parent


def test_the_prepared_code_does_run_where_it_is_unpickled(mark):  # noqa: F811
    pickle.loads(pickle.dumps(Malice()))
    assert mark.exists()
    mark.unlink()


def pickled_weights(root):
    (root / "files" / "weights.safetensors").write_bytes(pickle.dumps(Malice()))


def additional_pickle(root):
    (root / "python_model.pkl").write_bytes(pickle.dumps(Malice(), protocol=0))


def torch_archive(root):
    with zipfile.ZipFile(root / "files" / "weights.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Malice()))


def loader_module(root):
    edit(root / "MLmodel", "mlflow.pyfunc.loaders.code_model", "malice")
    (root / "malice.py").write_text(CODE)


def loader_module_alone(root):
    edit(root / "MLmodel", "mlflow.pyfunc.loaders.code_model", "antigravity")


def code_directory(root):
    edit(root / "MLmodel", "streamable: false", "streamable: false\n    code: code")
    (root / "code").mkdir()
    (root / "code" / "sitecustomize.py").write_text(CODE)


def served_code(root):
    (root / "served_model.py").write_text(CODE)


def compiled_code(root):
    (root / "__pycache__").unlink()
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / f"served_model.cpython-3{sys.version_info.minor}.pyc").write_bytes(b"\0" * 16)


def requirements(root):
    (root / "requirements.txt").write_text("malice @ file:///tmp/malice\n")


def link_to_a_file(root):
    path = root / "files" / "weights.safetensors"
    moved = root.parents[3] / "elsewhere"
    path.rename(moved)
    path.symlink_to(moved)


def link_to_a_directory(root):
    moved = root.parents[3] / "elsewhere"
    (root / "files").rename(moved)
    (root / "files").symlink_to(moved, target_is_directory=True)


def link_in_place_of_all(root):
    moved = root.parents[3] / "elsewhere"
    shutil.move(root, moved)
    (moved / "served_model.py").write_text(CODE)
    root.symlink_to(moved, target_is_directory=True)


def pipe(root):
    (root / "files" / "model.json").unlink()
    os.mkfifo(root / "files" / "model.json")


def traversal(root):
    listed = json.loads((root / "files.json").read_text())
    (root / "files.json").write_text(json.dumps(listed | {"../../../../../etc/passwd": "0" * 64}))


def truncated(root):
    path = root / "files" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def one_bit(root):
    path = root / "files" / "readiness.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def removed(root):
    (root / "files" / "index.faiss").unlink()


def emptied(root):
    shutil.rmtree(root)
    root.mkdir()


def oversized(root):
    with (root / "files" / "weights.safetensors").open("r+b") as file:
        file.truncate(1 << 42)  # a hole, which takes no room


def oversized_manifest(root):
    with (root / "files.json").open("r+b") as file:
        file.truncate(1 << 42)


def manifest_of_another_shape(root):
    (root / "files.json").write_text("[" * 100_000)


def hashes_put_right(root):
    served_code(root)
    (root / "files.json").unlink()
    manifest.write_manifest(root)


def swapped_with_another_version(root):
    """Files and hashes of another model, whole in themselves."""
    path = root / "files" / "model.json"
    path.write_text(path.read_text() + " ")
    (root / "files.json").unlink()
    manifest.write_manifest(root)


ALTERED = [
    pickled_weights,
    additional_pickle,
    torch_archive,
    loader_module,
    loader_module_alone,
    code_directory,
    served_code,
    compiled_code,
    requirements,
    link_to_a_file,
    link_to_a_directory,
    link_in_place_of_all,
    pipe,
    traversal,
    truncated,
    one_bit,
    removed,
    emptied,
    oversized,
    oversized_manifest,
    manifest_of_another_shape,
    hashes_put_right,
    swapped_with_another_version,
]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("prepare", ALTERED, ids=lambda each: each.__name__)
def test_what_was_altered_after_publication_is_refused(workspace, root, prepare):  # noqa: F811
    prepare(root)
    registry = workspace.registry()
    for attempt in (
        lambda: open_version(registry, workspace.store()),
        lambda: registry.champion().open(),
        lambda: registry.promote(1),
    ):
        with pytest.raises(VersionError):
            attempt()


def test_another_version_s_files_under_this_number_are_refused(workspace, root):  # noqa: F811
    """The row of the registry is made to lead to a model that was published, but not as this version."""
    tracker = workspace.tracker()
    with tracker.run("other", "train") as run:
        published = workspace.registry().publish(root / "files", run)
    source = f"models:/{published.directory.parents[1].name}"
    with closing(sqlite3.connect(tracker.database)) as database, database:
        database.execute("UPDATE model_versions SET source = ? WHERE version = 1", (source,))
    shutil.copytree(root, published.directory.parent, dirs_exist_ok=True)
    (published.directory / "model.json").write_text("{}")
    with pytest.raises(VersionError):
        open_version(workspace.registry(), workspace.store(), 1)


@pytest.mark.parametrize(
    "source", ["file:///etc", "models:/m-../../../../tmp", "models:/recommender/1", "", "https://x"]
)
def test_a_version_that_leads_out_of_the_store_is_refused(workspace, source):  # noqa: F811
    with closing(sqlite3.connect(workspace.tracker().database)) as database, database:
        database.execute("UPDATE model_versions SET source = ? WHERE version = 1", (source,))
    with pytest.raises(VersionError, match="lies outside this workspace's models"):
        open_version(workspace.registry(), workspace.store())
