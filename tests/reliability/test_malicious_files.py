"""Files published with right hashes, by somebody who can publish: each reader refuses them itself."""

import hashlib
import json
import pickle
import shutil
import struct

import faiss
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from trained_workspace import make, workspace  # noqa: F401  a fixture

from recsys_unlearn.errors import VersionError
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.workflows.version_files import Files, open_version
from reliability.malice import Malice, mark  # noqa: F401  a fixture


@pytest.fixture
def files(tmp_path, tmp_path_factory):
    """The files of a version, as its publisher had them before they were hashed."""
    from recsys_unlearn.workspace import Workspace

    champion = Workspace(make(tmp_path_factory)).registry().champion()
    return Files(shutil.copytree(champion.directory, tmp_path / "files"))


def tensors(name, change):
    def prepare(directory):
        path = directory / f"{name}.safetensors"
        values = change(load_file(path))
        save_file({key: np.ascontiguousarray(value) for key, value in values.items()}, path)

    return prepare


def raw(name, content):
    def prepare(directory):
        path = directory / name
        path.write_bytes(content(path.read_bytes()))

    return prepare


def described(change):
    def prepare(directory):
        path = directory / "model.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return prepare


def nan(values, name):
    values[name] = values[name].copy()
    values[name].flat[-1] = np.nan
    return values


def header(data, change):
    size = int.from_bytes(data[:8], "little")
    text = json.dumps(change(json.loads(data[8 : 8 + size]))).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def overlapping(described):
    for name in described:
        if name != "__metadata__":
            described[name]["data_offsets"] = [0, 4]
    return described


WEIGHTS = {
    "pickle": raw("weights.safetensors", lambda _: pickle.dumps(Malice())),
    "oversized header": raw("weights.safetensors", lambda data: struct.pack("<Q", 1 << 40) + data[8:]),
    "header of 200 MB": raw(
        "weights.safetensors", lambda _: struct.pack("<Q", 200_000_000) + b"{" + b" " * 1000
    ),
    "negative offsets": raw(
        "weights.safetensors",
        lambda data: header(data, lambda d: json.loads(json.dumps(d).replace("[0, ", "[-8, "))),
    ),
    "overlapping tensors": raw("weights.safetensors", lambda data: header(data, overlapping)),
    "truncated": raw("weights.safetensors", lambda data: data[:-100]),
    "empty": raw("weights.safetensors", lambda _: b""),
    "extra key": tensors("weights", lambda t: t | {"malice": np.ones(3, np.float32)}),
    "missing key": tensors("weights", lambda t: {"item_table": t["item_table"]}),
    "key of a method": tensors("weights", lambda t: t | {"recommend": np.ones((3, 8), np.float32)}),
    "one axis": tensors("weights", lambda t: t | {"item_table": t["item_table"].ravel()}),
    "other width": tensors("weights", lambda t: t | {"item_table": t["item_table"][:, :4]}),
    "double precision": tensors("weights", lambda t: t | {"user_table": t["user_table"].astype(np.float64)}),
    "integers": tensors("weights", lambda t: t | {"user_table": t["user_table"].astype(np.int32)}),
    "NaN": tensors("weights", lambda t: nan(t, "user_table")),
    "infinity": tensors("weights", lambda t: t | {"item_table": t["item_table"] * np.float32(np.inf)}),
    "another kind": described(lambda d: d | {"recommender": "os.system"}),
    "no kind": described(lambda d: {}),
    "a list": described(lambda d: [d]),
    "unknown option": described(lambda d: d | {"options": {"__class__": "os"}}),
    "options as text": described(lambda d: d | {"options": "dim=8"}),
    "no json": raw("model.json", lambda _: b"\x80\x04."),
    "deep json": raw("model.json", lambda _: b'{"a":' * 100_000),
    "no file": lambda directory: (directory / "model.json").unlink(),
}
READINESS = {
    "pickle": raw("readiness.safetensors", lambda _: pickle.dumps(Malice())),
    "oversized header": raw("readiness.safetensors", lambda data: struct.pack("<Q", 1 << 62) + data[8:]),
    "extra key": tensors("readiness", lambda t: t | {"malice": np.ones(3)}),
    "missing key": tensors("readiness", lambda t: {key: t[key] for key in t if key != "users"}),
    "NaN": tensors("readiness", lambda t: nan(t, "gradient")),
    "infinity": tensors("readiness", lambda t: t | {"radial": t["radial"] + np.inf}),
    "other length": tensors("readiness", lambda t: t | {"positive": t["positive"][:-1]}),
    "other moment": tensors("readiness", lambda t: t | {"moment": t["moment"][:3, :3]}),
    "a matrix of items": tensors("readiness", lambda t: t | {"radial": t["radial"][:, None]}),
    "integers": tensors("readiness", lambda t: t | {"pressure": t["pressure"].astype(np.int64)}),
    "one axis": tensors("readiness", lambda t: t | {"gradient": t["gradient"].ravel()}),
}


def index(change):
    def prepare(directory):
        path = directory / "index.faiss"
        made = change(faiss.read_index(str(path)))
        faiss.write_index(made, str(path))
        sign(path)

    return prepare


def sign(path):
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())


def rewritten(change):
    def prepare(directory):
        path = directory / "index.faiss"
        path.write_bytes(change(path.read_bytes()[:-32]))
        sign(path)

    return prepare


def of_nan(made):
    table = np.full((made.ntotal, made.d), np.nan, np.float32)
    other = faiss.IndexIDMap2(faiss.IndexFlatIP(made.d))
    other.add_with_ids(table, np.arange(made.ntotal))
    return other


def of_other_ids(made):
    other = faiss.IndexIDMap2(faiss.IndexFlatIP(made.d))
    other.add_with_ids(np.ones((3, made.d), np.float32), np.array([0, 1, 7]))
    return other


INDEX = {
    "pickle": rewritten(lambda _: pickle.dumps(Malice())),
    "not signed": raw("index.faiss", lambda data: data[:-1]),
    "empty": raw("index.faiss", lambda _: b""),
    "another type": index(lambda made: faiss.IndexFlatL2(made.d)),
    "other ids": index(of_other_ids),
    "NaN": index(of_nan),
    "a size of petabytes": rewritten(lambda data: data[:8] + struct.pack("<q", 1 << 50) + data[16:]),
    "truncated": rewritten(lambda data: data[:-500]),
}


def refused(directory, prepare, load):
    prepare(directory)
    with pytest.raises(VersionError) as error:
        load()
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("prepare", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_are_none_are_refused(files, prepare):
    refused(files.directory, prepare, files.recommender)


@pytest.mark.parametrize("prepare", READINESS.values(), ids=READINESS)
def test_readiness_that_is_none_is_refused(files, prepare):
    refused(files.directory, prepare, lambda: NaturalReadiness.load(files.directory))


@pytest.mark.parametrize("prepare", INDEX.values(), ids=INDEX)
def test_an_index_that_is_none_is_refused(files, prepare):
    refused(files.directory, prepare, lambda: ItemIndex.load(files.directory / "index.faiss"))


def test_what_nobody_touched_is_read(files, workspace):  # noqa: F811
    files.recommender(), files.readiness(), files.index()
    open_version(workspace.registry(), workspace.store()).recommender()
