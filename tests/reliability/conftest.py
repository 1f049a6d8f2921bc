import shutil

import polars as pl
import pytest

from recsys_unlearn.interactions.synthetic import SyntheticOptions, generate
from recsys_unlearn.workspace import Workspace
from reliability import faults
from reliability.trials import Trials

PEOPLE = SyntheticOptions(
    n_users=60, n_items=40, mean_history=8, n_clusters=3, households=1, outliers=1, seed=3
)
INGEST = ("--n-buckets", 4, "--strangers", 0.2)
TRAIN = ("--dim", 8, "--epochs", 3, "--batch-size", 256, "--negatives", 32)


@pytest.fixture(scope="session")
def room():
    """Directory for everything these tests make."""
    directory = faults.room()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def forks(room):
    """Calls of the command line in forked processes."""
    try:
        library = faults.compiled(room)
    except OSError as reason:
        pytest.skip(str(reason))
    server = faults.Forks(library, room)
    yield server
    server.close()


@pytest.fixture(scope="session")
def source(room):
    """Interactions of sixty people, whose ids can be searched for in any file."""
    frame = generate(PEOPLE).frame.with_columns(pl.format("canary-{}-7f3a", "user").alias("user"))
    path = room / "people.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="session")
def pristine(forks, room, source):
    """A trained workspace that no test may change; made where its copies will be, a place MLflow knows."""
    root = room / "trial" / "workspace"
    (root.parent / faults.SCRATCH).mkdir(parents=True)
    root.mkdir()
    for command in (("ingest", source, *INGEST), ("train", *TRAIN)):
        ended = forks.run(root, *command)
        assert ended.code == 0, ended.err
    return shutil.copytree(root, room / "pristine")


@pytest.fixture(scope="session")
def fresh(pristine, room):
    """Return the one place where workspaces are tried out, with a new copy of ``pristine`` there."""

    def fresh(of=pristine):
        root = room / "trial" / "workspace"
        shutil.rmtree(root.parent, ignore_errors=True)
        (root.parent / faults.SCRATCH).mkdir(parents=True)
        return shutil.copytree(of, root)

    return fresh


@pytest.fixture(scope="session")
def people(pristine):
    """Ids of a member, and of a stranger to all training."""
    store = Workspace(pristine).store()
    rows = store.known_rows().tolist()
    return [
        store.user_id(next(row for row in rows if store.is_stranger(row) is kind)) for kind in (False, True)
    ]


@pytest.fixture(scope="session")
def trials(forks, fresh, people):
    """The deletion of a member with everything that belongs to it, and other requests, by name."""
    member, stranger = people
    commands = {
        "account": ("forget", "--user", member, "--yes"),
        "without audit": ("forget", "--user", member, "--yes", "--no-audit"),
        "stranger": ("forget", "--user", stranger, "--yes"),
        "retrain": ("forget", "--user", member, "--method", "retrain", "--yes", "--no-audit"),
        "two": ("forget", "--user", member, "--user", stranger, "--yes", "--no-audit"),
    }
    return {name: Trials(forks, fresh, command) for name, command in commands.items()}
