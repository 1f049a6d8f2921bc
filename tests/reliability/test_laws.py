"""What must hold of deletions: replays, orders, dry runs, backups, threads, and whose id shows."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspace_contents import tree

from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.workspace import Workspace
from reliability.faults import HERE, SCRATCH
from reliability.state import holding, state
from reliability.trials import differences


@pytest.fixture(scope="module")
def members(pristine):
    """Ids of people whom training saw."""
    store = Workspace(pristine).store()
    return [store.user_id(row) for row in store.known_rows().tolist() if not store.is_stranger(row)]


@pytest.fixture
def forget(forks):
    """Forget somebody by the command line; it must succeed."""

    def forget(root, *users, method="natural_ascent"):
        named = [part for user in users for part in ("--user", user)]
        ended = forks.run(root, "forget", *named, "--method", method, "--yes", "--no-audit", "--json")
        assert ended.code == 0, ended.err
        return ended

    return forget


@pytest.mark.parametrize("items", [False, True])
def test_a_request_asked_ten_times_is_done_once(forks, fresh, members, items):
    root = fresh()
    some = ("--items", ",".join(_items(root, members[0]))) if items else ()
    command = ("forget", "--user", members[0], *some, "--yes", "--no-audit")
    assert forks.run(root, *command).code == 0
    once = state(root)
    for _ in range(9):
        again = forks.run(root, *command)
        assert (again.code, "lready erased" in again.out) == (0, True), again
    assert list(differences(once, state(root))) == []


def test_a_replay_is_answered_without_loading_a_model(forget, fresh, members):
    root = fresh()
    forget(root, members[0])
    script = (
        "import sys; from recsys_unlearn.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code, sorted({'torch', 'mlflow', 'faiss'} & {*sys.modules}))"
    )
    command = [sys.executable, "-c", script, "forget", "--users-file", "-", "--yes", "--workspace", root]
    answer = subprocess.run(command, input=members[0], capture_output=True, text=True)
    assert answer.stdout.splitlines()[-1] == "0 []", answer
    assert "lready erased" in answer.stdout


@pytest.mark.parametrize("k", [2, 4, pytest.param(6, marks=pytest.mark.soak)])
def test_the_order_of_erasures_does_not_show_in_the_data(pristine, tmp_path, members, k):
    left = set()
    for order in itertools.permutations(members[:k]):
        directory = shutil.copytree(Workspace(pristine).store_dir, tmp_path / "store")
        for user in order:
            store = InteractionStore.open(directory)
            store.erase([store.user_row(user)])
        left.add(_contents(directory))
        shutil.rmtree(directory)
    assert len(left) == 1


@pytest.mark.parametrize("k", [2, pytest.param(4, marks=[pytest.mark.soak, pytest.mark.timeout(0)])])
def test_the_order_of_exact_deletions_does_not_show_in_the_weights(forget, fresh, members, k):
    left = []
    for order in itertools.permutations(members[:k]):
        root = fresh()
        for user in order:
            forget(root, user, method="retrain")
        found = state(root)
        left.append((_contents(root / "data" / "store"), found["registry"]["versions"][k + 1]))
    assert all(each == left[0] for each in left)


@pytest.mark.parametrize("is_queued", [False, True])
def test_a_dry_run_leaves_every_byte_and_every_time(forks, fresh, members, is_queued):
    root = fresh()
    if is_queued:
        assert forks.run(root, "forget", "--user", members[1], "--queue", "--yes").code == 0
    before = tree(root)
    for command in (("forget", "--user", members[0]), ("forget", "--user", members[1]), ("purge",)):
        ended = forks.run(root, *command, "--dry-run")
        assert ended.code == 0, ended.err
        assert tree(root) == before
    for command in (("status",), ("compare",), ("recommend", "--user", members[2])):
        assert forks.run(root, *command).code == 0
        assert tree(root) == before


def test_whoever_comes_back_with_a_backup_is_erased_again(forks, forget, fresh, pristine, members):
    root = fresh()
    forget(root, *members[:2])
    for name in ("data/store", "mlruns"):  # the ledger and the suppression list are not of that day
        shutil.rmtree(root / name)
        shutil.copytree(pristine / name, root / name)
    assert Workspace(root).store().user_rows(members[:2]).min() >= 0
    ended = forks.run(root, "resume", "--json")
    assert (ended.code, ended.value["erased_again"]) == (0, 2), ended.err
    assert Workspace(root).store().user_rows(members[:2]).max() < 0
    assert [holding(root, user) for user in members[:2]] == [[], []]
    assert state(root)["temporary"] == []


def test_whoever_comes_back_with_an_ingest_is_left_out(forks, forget, fresh, source, members):
    root = fresh()
    forget(root, members[0])
    ended = forks.run(root, "ingest", source, "--replace", "--json")
    assert (ended.code, ended.value["suppressed"]) == (0, 1), ended
    assert Workspace(root).store().user_rows(members[:1]).max() < 0


def test_an_id_shows_nowhere(fresh, members):
    root = fresh()
    scratch = root.parent / SCRATCH
    command = [Path(sys.executable).with_name("recsys-unlearn"), "forget", "--users-file", "-", "--yes"]
    process = subprocess.Popen(
        [*command, "--workspace", root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    out, err = process.communicate(members[0].encode(), timeout=120)
    assert process.returncode == 0, err
    assert [members[0].encode() in each for each in (out, err, arguments, environment)] == [False] * 4
    assert (holding(root, members[0]), holding(scratch, members[0])) == ([], [])
    assert holding(root, members[1]) == ["data/store/vault.db"]  # and would be found


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_with_as_many_threads(forks, room, fresh, source, members):
    found = {}
    for attempt, count in (("one", 1), ("eight", 8), ("eight again", 8)):
        root = fresh(room / "nothing")
        for command in (
            ("ingest", source, "--n-buckets", 4, "--strangers", 0.2),
            ("train", "--dim", 8, "--epochs", 3, "--batch-size", 256, "--negatives", 32),
            ("forget", "--user", members[0], "--yes", "--no-audit"),
        ):
            ended = forks.run(root, count, *command, script=HERE / "threads.py")
            assert ended.code == 0, ended.err
        found[attempt] = _contents(root / "data" / "store"), state(root)["registry"]["versions"]
    assert found["eight"] == found["eight again"]
    assert found["one"][0] == found["eight"][0]  # the data; sums of floats depend on how they are shared out


@pytest.fixture(autouse=True)
def nothing(room):
    """An empty directory to start a workspace from."""
    (room / "nothing").mkdir(exist_ok=True)


def _items(root, user):
    store = Workspace(root).store()
    return [str(each) for each in store.item_ids(store.history(store.user_row(user)).items[:2].tolist())]


def _contents(directory):
    """Everything in a store but its generation, which is in the names of its files."""
    store = InteractionStore.open(directory)
    buckets = [(directory / "interactions" / each.file).read_bytes() for each in store.manifest.buckets]
    return (
        store.digest,
        tuple(buckets),
        (directory / "vault.db").read_bytes(),
        tuple(store.known_rows().tolist()),
    )
