"""The instrument before what it measures: nothing writes past it, and each of its faults is what it says."""

import pytest
from workspace_contents import tree

from reliability import writers
from reliability.faults import HERE, Fault

SCRIPT = HERE / "writers.py"
NAMES = [writer.__name__ for writer in writers.WRITERS]


@pytest.fixture
def root(room):
    root = room / "written"
    root.mkdir()
    (root / "there").write_text("before")
    yield root
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()


@pytest.fixture
def write(forks, root):
    """Let one of the writers write below the root."""
    return lambda name, fault: forks.run(root, name, script=SCRIPT, fault=fault)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_before_the_first_write_that_is_seen(write, root, name):
    before = tree(root)
    assert write(name, Fault.kill(1)).code == -9
    assert tree(root) == before


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_when_each_write_fails(write, root, name):
    before = tree(root)
    assert write(name, Fault.fail(1, "EIO", for_good=True)).fired
    assert tree(root) == before


@pytest.mark.parametrize("name", NAMES)
def test_what_only_counts_changes_nothing(write, root, name):
    counted = write(name, Fault())
    assert (counted.code, counted.around, counted.err) == (0, 0, "")
    assert counted.count == len(counted.operations) > 0
    assert len(tree(root)) > 1


STEPS = [[], ["made"], ["made", "made/deeper"], ["made", "moved"], ["made"]]


@pytest.mark.parametrize("at", range(1, 6))
def test_killed_at_the_nth_all_before_it_is_done(write, root, at):
    assert write("directories", Fault.kill(at)).code == (-9 if at < 5 else 0)
    assert sorted({*tree(root)} - {"there"}) == STEPS[at - 1]


def test_a_write_of_half_its_bytes(write, root):
    assert write("python", Fault.tear(2)).code == -9
    assert (root / "file").read_text() == "some"


@pytest.mark.parametrize(
    ("error", "words"), [("ENOSPC", "No space left"), ("EIO", "Input/output error"), ("EACCES", "Permission")]
)
def test_a_write_that_fails_once(write, root, error, words):
    ended = write("python", Fault.fail(1, error))
    assert ended.code == 70
    assert words in ended.err
    assert write("python", Fault.fail(3, error)).code == 0


def test_other_directories_are_not_looked_at(forks, root, room):
    ended = forks.run(room, "python", script=SCRIPT, fault=Fault())
    (room / "file").unlink()
    assert ended.count > 0
    assert forks.run(root, "python", script=SCRIPT, fault=Fault()).operations == [
        "openat /file",
        "write /file",
    ]


def test_a_shared_mapping_would_be_noticed(write):
    assert write("memory_map", Fault()).around == 1


def test_a_process_that_hangs_is_killed_and_reported(forks, root, room):
    endless = room / "endless.py"
    endless.write_text("import time; time.sleep(60)")
    with pytest.raises(AssertionError, match=r"hung for 0\.2 s"):
        forks.run(root, script=endless, seconds=0.2)
