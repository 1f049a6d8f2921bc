"""The search: of whom, of which files, and what it says of them."""

import csv
import gzip
import io
import json
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erasure.planting import NAME, NUMBER, SHORT, kinds
from recsys_unlearn.erasure.residue import Hit, Residue, Target, scan


def test_many_people_are_searched_for_at_once(workspace):
    (workspace / "a.txt").write_text("user canary-13-7f3a and user 7")
    people = [Target(f"canary-{number}-7f3a") for number in range(300, 400)]
    found = scan(workspace, [*people, Target("canary-13-7f3a"), NAME, SHORT])
    assert {(hit.kind, hit.target) for hit in found.hits} == {("id", 100), ("id", 102)}
    assert scan(workspace, []).hits == []


def test_the_same_finding_is_told_once(workspace):
    (workspace / "a.txt").write_text("canary-12-7f3a canary-12-7f3a user canary-12-7f3a")
    assert scan(workspace, NAME).hits == [Hit("a.txt", "id", "byte 0 of the text", 0)]


def test_other_directories_are_searched_and_some_left_out(workspace, tmp_path):
    for name in ("elsewhere/a.log", "workspace/data/erasure/requests/1/target.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("user canary-12-7f3a")
    requests = workspace / "data" / "erasure" / "requests"
    assert kinds(workspace, NAME, skip=[requests]) == []
    assert kinds(workspace, NAME, extra_dirs=[tmp_path / "elsewhere"], skip=[requests]) == [
        (str(tmp_path / "elsewhere" / "a.log"), "id")
    ]
    assert kinds(workspace, NAME) == [("data/erasure/requests/1/target.json", "id")]


def test_a_link_to_a_directory_is_not_followed(tmp_path):
    """Its target is somebody else's to search, and a link to a directory above would never end."""
    (tmp_path / "searched").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.log").write_text("canary-12-7f3a")
    (tmp_path / "searched" / "loop").symlink_to("..")
    found = scan(tmp_path / "searched", NAME)
    assert (found.hits, found.files) == ([], 0)
    assert kinds(tmp_path, NAME) == [("elsewhere/a.log", "id")]


def test_what_is_named_twice_is_searched_once(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.log").write_text("nobody")
    found = scan(tmp_path, NAME, extra_dirs=[tmp_path / "inner", tmp_path])
    assert (found.files, found.bytes) == (1, 6)


def test_a_single_file_is_left_out_however_its_path_is_written(tmp_path, monkeypatch):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("canary-12-7f3a")
    (tmp_path / "link").symlink_to("a.log")
    monkeypatch.chdir(tmp_path)
    for skip in (tmp_path / "a.log", Path("a.log"), tmp_path / "link"):
        assert kinds(tmp_path, NAME, skip=[skip]) == [("b.log", "id")]


def test_a_name_that_is_found_is_shown_nowhere(tmp_path):
    """Neither for the name, nor for what is in the file, nor for what could not be read of it."""
    directory = tmp_path / "of canary-12-7f3a"
    directory.mkdir()
    (directory / "a.gz").write_bytes(gzip.compress(b"") + b"canary-12-7f3a")
    found = scan(tmp_path, NAME)
    assert [(hit.path, hit.kind, hit.where) for hit in found.hits] == [
        ("*", "id", "the name"),
        ("*/a.gz", "id", "byte 20"),
    ]
    assert found.unread == ["*/a.gz: compressed"]


def test_it_tells_how_far_it_is_and_changes_nothing(workspace):
    from workspace_contents import tree

    before, steps = tree(workspace), []
    found = scan(workspace, NAME, progress=lambda *step: steps.append(step))
    assert steps[-1] == ("searching", found.files, found.files)
    assert len(steps) == found.files
    assert tree(workspace) == before


def test_an_empty_directory_is_searched_in_no_time(tmp_path):
    found = scan(tmp_path, NAME)
    assert (found.hits, found.files, found.bytes) == ([], 0, 0)


def test_it_says_how_long_it_took(tmp_path):
    started = time.perf_counter()
    seconds = scan(tmp_path, NAME).seconds
    assert 0 < seconds <= time.perf_counter() - started


def test_of_a_link_it_says_that_it_leads_there(tmp_path):
    (tmp_path / "link").symlink_to(f"/srv/{NAME.text}/data")
    assert scan(tmp_path, NAME).hits == [Hit("link", "id", "where it leads", 0)]


def test_it_answers_in_json(workspace):
    (workspace / "a.txt").write_text("canary-12-7f3a")
    answer = json.loads(json.dumps(scan(workspace, NAME).as_dict()))
    assert sorted(answer) == ["bytes", "files", "hits", "seconds", "unread"]
    assert answer["hits"] == [{"path": "a.txt", "kind": "id", "where": "byte 0 of the text", "target": 0}]


UNREAD = {
    "compressed": (lambda: gzip.compress(b"user 7" * 9), "a.x: compressed"),
    "damaged parquet": (lambda: b"PAR1" + bytes(range(200)), "a.x: damaged parquet"),
    "damaged database": (lambda: b"SQLite format 3\0" + bytes(range(200)), "a.x: damaged database"),
    "pickled npy": (lambda: npy_of_objects(), "a.x: npy: an array of Python objects"),
    "cut npy": (lambda: b"\x93NUMPY\x01\x00v\x00{'descr'", "a.x: npy: "),
    "cut safetensors": (
        lambda: b"\x20" + bytes(7) + b'{"a": {"dtype": "F32"}}         ',
        "a.x: damaged safetensors",
    ),
}


def npy_of_objects():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return file.getvalue() + b"cos\nsystem\n"


@pytest.mark.parametrize(("content", "reason"), UNREAD.values(), ids=UNREAD)
def test_what_cannot_be_read_is_searched_as_bytes_and_said(workspace, content, reason):
    (workspace / "a.x").write_bytes(content() + b"\0canary-12-7f3a\0")
    found = scan(workspace, NAME)
    assert [hit.path for hit in found.hits] == ["a.x"]
    assert len(found.unread) == 1
    assert found.unread[0].startswith(reason)


@pytest.mark.parametrize("name", [name for name in UNREAD if name != "compressed"])
def test_in_damaged_files_numbers_are_searched_for_too(workspace, name):
    (workspace / "a.x").write_bytes(UNREAD[name][0]() + struct.pack("<q", 20481))
    assert kinds(workspace, NUMBER) == [("a.x", "id")]


def test_of_nobody_there_is_nothing():
    assert Residue().as_dict() == {"hits": [], "files": 0, "bytes": 0, "seconds": 0.0, "unread": []}


def test_a_file_that_may_not_be_read_is_said(workspace, monkeypatch):
    real = Path.open

    def refuse(self, *arguments, **options):
        if self.name == "train.log":
            raise PermissionError(13, "Permission denied")
        if self.name == "model.json":
            raise FileNotFoundError
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert scan(workspace, NAME).unread == ["train.log: Permission denied"]


def test_a_socket_or_a_pipe_is_passed_over(workspace):
    os.mkfifo(workspace / "pipe")
    assert scan(workspace, NAME).unread == []


def test_a_big_file_is_mapped(workspace, monkeypatch):
    from recsys_unlearn.erasure import residue

    monkeypatch.setattr(residue, "MAPPED_FROM", 10)
    (workspace / "a.bin").write_bytes(b"\xff" * 5000 + b"canary-12-7f3a")
    assert kinds(workspace, NAME) == [("a.bin", "id")]


BEGINNINGS = [
    b"",
    b"PAR1",
    b"SQLite format 3\0\x10\0\2\2",
    b"\x93NUMPY\1\0",
    b"\x30\0\0\0\0\0\0\0{",
    b'{"',
    b"IxFI",
    b"1,2\n",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=300), end=st.binary(max_size=30))
def test_no_file_whatever_stops_the_search(tmp_path, start, rest, end):
    (tmp_path / "a.faiss").write_bytes(start + rest + b"\0canary-12-7f3a\0" + end)
    assert "id" in {hit.kind for hit in scan(tmp_path, NAME).hits}


def test_nothing_of_a_person_is_in_what_is_printed_of_a_target():
    shown = "Target(store_id='7594b7b8bb8295b3fb5f4459632fe36f', n_users=60, n_items=300, "
    assert repr(NAME) == shown + "foreign_models=frozenset())"


def test_csv_module_writes_what_is_found(workspace):
    """Quotes are doubled in csv, and a comma stands inside."""
    awkward = Target('say "hi", 12')
    with (workspace / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["user", "n"], ["x", 1], [awkward.text, 2]])
    assert kinds(workspace, awkward) == [("a.csv", "id")]
