"""Requests that make no sense, from ``requests/*.json``: the exit code, the message, and nothing changed.

A vector is a call of the command line: its arguments, standard input, the files that it names, damage
done to the workspace beforehand, the exit code and a piece of the message. The files are kept apart by
the threat that they stand for. ``{workspace}`` and ``{files}`` stand for directories; bytes are base64.
"""

import base64
import json
import shutil
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from workspace_contents import tree

from recsys_unlearn.cli import main
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.interactions.synthetic import generate
from recsys_unlearn.recommenders.factorization import FactorizationOptions
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace
from reliability.conftest import PEOPLE
from reliability.faults import HERE

LOCK = "data/.lock"
SLOWEST = 60  # seconds; a bomb that goes off takes minutes
ODD = json.loads((HERE / "requests" / "odd_ids.json").read_text())["known"]
VECTORS = {
    f"{path.stem}: {vector['name']}": vector
    for path in sorted((HERE / "requests").glob("*.json"))
    for vector in json.loads(path.read_text())["vectors"]
}
CASES = [
    pytest.param(name, marks=pytest.mark.soak if vector.get("slow") else ())
    for name, vector in VECTORS.items()
]


def _people(kind):
    numbers = pl.col("user", "item").str.extract(r"(\d+)$").cast(pl.Int64) - 1
    frame = generate(PEOPLE).frame.with_columns(numbers)
    if kind == "whole":
        return frame
    names = [f"canary-{user}-7f3a" for user in range(60 - len(ODD))] + ODD
    return frame.with_columns(pl.col("user").replace_strict(dict(enumerate(names))))


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory):
    """One whose ids are text, odd ones among them, and one whose ids are whole numbers."""
    made = {}
    for kind in ("text", "whole"):
        workspace = Workspace(tmp_path_factory.mktemp(kind) / "workspace")
        ingest(_people(kind), workspace.store_dir, IngestOptions(n_buckets=4, strangers=0.2))
        train(workspace, FactorizationOptions(dim=8, epochs=2, batch_size=256, negatives=32))
        made[kind] = workspace.root
    return made


@pytest.fixture
def call(workspaces, tmp_path):
    """Make the vector's files, call, and return the result with the trees before and after."""

    def call(vector):
        root = workspaces[vector.get("workspace", "text")]
        if "damage" in vector:
            root = shutil.copytree(root, tmp_path / "damaged")
            _ = Workspace(root).tracker().client
            _damage(root, vector["damage"])
        files = tmp_path / "files"
        files.mkdir()
        for name, content in vector.get("files", {}).items():
            _make(files / name, content)
        places = {"{workspace}": str(root), "{files}": str(files)}
        arguments = [_filled(each, places) for each in vector["arguments"]]
        if "--workspace" not in arguments and not vector.get("elsewhere"):
            arguments += ["--workspace", str(root)]
        shutil.copytree(root, tmp_path / "kept")
        before = tree(root), _laid_out(files)
        given = {"input": _content(vector.get("input", "")), "env": vector.get("environment")}
        result = CliRunner().invoke(main, arguments, **given)
        after = tree(root), _laid_out(files)
        if after[0] != before[0]:  # the next vector is to find what this one found
            shutil.rmtree(root)
            shutil.move(tmp_path / "kept", root)
        return result, before, after

    return call


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_nothing_changes(call, name):
    vector, started = VECTORS[name], time.monotonic()
    result, before, after = call(vector)
    assert (result.exit_code, vector["says"] in result.output) == (vector["exit"], True), result.output
    assert "Traceback" not in result.output and "unexpected " not in result.stderr, result.output
    assert [secret for secret in vector.get("secret", []) if secret in result.output] == []
    recorded = vector.get("recorded", False)  # a request that is in order is kept, whatever the disk is like
    assert _comparable(after[0], recorded) == _comparable(before[0], recorded)
    assert after[1] == before[1]
    assert time.monotonic() - started < SLOWEST


def test_there_are_at_least_three_hundred_and_no_two_are_alike():
    assert len(VECTORS) >= 300
    told = [json.dumps({**vector, "name": ""}, sort_keys=True) for vector in VECTORS.values()]
    assert len(set(told)) == len(told)


def _laid_out(files):
    return {
        path.name: str(path.readlink()) if path.is_symlink() else path.stat().st_mtime_ns
        for path in files.rglob("*")
    }


def _comparable(found, recorded):
    kept = {name: entry for name, entry in found.items() if name not in (LOCK, "data")}
    return {name: entry for name, entry in kept.items() if not (recorded and name.startswith("data/erasure"))}


def _filled(told, places):
    text = told if isinstance(told, str) else _content(told).decode()
    for name, path in places.items():
        text = text.replace(name, path)
    return text


def _content(told):
    """Text, or {"base64": ...}, or {"lines": prefix, "count": n}, or {"repeat": text, "times": n}."""
    if isinstance(told, str):
        return told.encode(errors="surrogateescape")
    if "base64" in told:
        return base64.b64decode(told["base64"])
    if "lines" in told:
        return "".join(f"{told['lines']}{number}\n" for number in range(told["count"])).encode()
    ends = (told.get(end, "").encode() for end in ("before", "after"))
    return (told["repeat"].encode() * told["times"]).join(ends)


def _make(path, told):
    path.parent.mkdir(parents=True, exist_ok=True)
    if told == {"directory": True}:
        path.mkdir()
    elif isinstance(told, dict) and "link" in told:
        path.symlink_to(told["link"])
    else:
        path.write_bytes(_content(told))


def _damage(root, steps):
    for step in steps:
        place = Path(step["file"])
        paths = sorted(root.glob(step["file"])) or [
            each / place.name for each in root.glob(str(place.parent))
        ]
        assert paths
        for path in paths:
            _injure(path, step)


def _injure(path: Path, step) -> None:
    if step.get("remove"):
        path.unlink()
    elif "link" in step:
        path.unlink(missing_ok=True)
        path.symlink_to(step["link"])
    elif "mode" in step:
        path.chmod(step["mode"])
    elif "keep" in step:
        path.write_bytes(path.read_bytes()[: step["keep"]])
    elif "flip" in step:
        content = bytearray(path.read_bytes())
        content[step["flip"]] ^= 1
        path.write_bytes(content)
    elif "replace" in step:
        path.write_bytes(path.read_bytes().replace(*(part.encode() for part in step["replace"])))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(step["write"]))
