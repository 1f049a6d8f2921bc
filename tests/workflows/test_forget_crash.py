"""Real processes, killed with SIGKILL at every step of a deletion; then ``resume``, or the same command.

What must come out is what comes out of an undisturbed deletion: the same data, the same bytes of weights,
which a user who was unlearned twice would not leave, and the same story in the ledger. The processes are
forked from a server that has imported everything, as the imports take longer than all the deletions.
"""

import multiprocessing
import shutil
import signal
from types import SimpleNamespace

import pytest
import trained_workspace
from trained_workspace import TINY_MODEL
from workspace_contents import hashes, holding, model_files, recommender

from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.ingest import ingest
from recsys_unlearn.workflows.nightly import nightly
from recsys_unlearn.workflows.resume import resume
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace
from workflows import dying_deletion
from workflows.dying_deletion import MOMENTS

BEFORE = "before it is received"
AFTERWARDS = [moment for moment in MOMENTS if moment != BEFORE]
ITEMS_KILLED = ["planned", "before the manifest counts", "unlearned and not recorded", "after promote"]


@pytest.fixture(scope="module")
def die():
    """Run a deletion in a process that dies at the moment named, and see that it did."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["workflows.dying_deletion", "recsys_unlearn.workflows.train", "mlflow.tracking"]
    )

    def die(moment, workspace, *arguments, **options):
        call = (moment, str(workspace.root), *arguments)
        process = context.Process(target=dying_deletion.die, args=call, kwargs={"verify": False, **options})
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL

    return die


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A user to forget, items of that user, and another user who is forgotten later."""
    store = Workspace(trained_workspace.make(tmp_path_factory)).store()
    row, other = store.splits().train.active_users[:2].tolist()
    items = store.item_ids(store.splits().train.items_of(row)[:3].tolist())
    return SimpleNamespace(user=store.user_id(row), row=row, items=items, other=store.user_id(other))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What deletions leave that nobody killed."""
    known = {}

    def undisturbed(*requests):
        key = repr(requests)
        if key not in known:
            root = tmp_path_factory.mktemp("undisturbed") / "workspace"
            workspace = Workspace(shutil.copytree(trained_workspace.make(tmp_path_factory), root))
            for request in requests:
                forget(workspace, *request, verify=False)
            known[key] = _state(workspace)
        return known[key]

    return undisturbed


def _state(workspace):
    """Of the data its content, of the champion its files, of the ledger its story."""
    store, requests = workspace.store(), workspace.requests()
    assert list((workspace.erasure_dir / "requests").iterdir()) == []
    return {
        "data": (store.digest, store.known_rows().tolist()),
        "champion": model_files(workspace),
        "versions": [each.number for each in workspace.registry().versions()],
        "models": len(list(workspace.tracker().artifacts.glob("models/*"))),
        "ledger": [each.kind for each in workspace.ledger().entries()],
        "receipts": sum(1 for _ in workspace.erasure_dir.glob("receipts/*.json")),
        "requests": [(each.kind, str(each.state)) for each in requests.all()],
    }


def test_killed_before_the_request_is_written_down_nothing_happened(die, workspace, people, undisturbed):
    before = hashes(workspace.store_dir), model_files(workspace)
    die(BEFORE, workspace, [people.user])
    assert (hashes(workspace.store_dir), model_files(workspace)) == before
    assert resume(workspace).requests == []
    forget(workspace, [people.user], verify=False)
    assert _state(workspace) == undisturbed(([people.user],))


@pytest.mark.parametrize("moment", AFTERWARDS)
def test_from_then_on_resume_ends_where_the_deletion_would_have(die, workspace, people, undisturbed, moment):
    die(moment, workspace, [people.user])
    outcome = resume(workspace)
    assert [each.status for each in outcome.requests] == ["completed"]
    assert _state(workspace) == undisturbed(([people.user],))
    assert holding(workspace.root, people.user) == []
    assert resume(workspace).requests == []


@pytest.mark.parametrize("moment", ["received", "erased and not recorded", "after promote"])
def test_the_same_command_again_carries_on_too(die, workspace, people, undisturbed, moment):
    die(moment, workspace, [people.user])
    outcome = forget(workspace, [people.user], verify=False)
    assert (outcome.status, outcome.version) == ("completed", 2)
    assert _state(workspace) == undisturbed(([people.user],))


@pytest.mark.parametrize("moment", ITEMS_KILLED)
def test_some_items_are_not_unlearned_twice(die, workspace, people, undisturbed, moment):
    die(moment, workspace, [people.user], people.items)
    outcome = forget(workspace, [people.user], people.items, verify=False)
    assert (outcome.status, outcome.interactions) == ("completed", len(people.items))
    assert _state(workspace) == undisturbed(([people.user], people.items))


@pytest.mark.parametrize("moment", ["planned", "before the manifest counts", "data erased"])
def test_a_training_in_between_does_not_bring_anybody_back(die, workspace, people, moment):
    die(moment, workspace, [people.user])
    assert train(workspace, TINY_MODEL).champion
    assert not recommender(workspace).user_table[people.row].any()
    assert len(workspace.store().history(people.row)) == 0
    trained = model_files(workspace)
    (outcome,) = resume(workspace).requests
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", 2, 2)
    assert model_files(workspace) == trained
    assert [each.number for each in workspace.registry().versions()] == [2]


def test_somebody_else_in_between_is_forgotten_and_so_is_the_first(die, workspace, people):
    die("unlearned and not recorded", workspace, [people.user])
    assert forget(workspace, [people.other], verify=False).version == 2
    assert recommender(workspace).user_table[people.row].any()
    (outcome,) = resume(workspace).requests
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", 3, 2)
    assert not recommender(workspace).user_table[people.row].any()
    assert [each.number for each in workspace.registry().versions()] == [3]


def test_items_are_not_unlearned_twice_because_somebody_else_came_in_between(
    die, workspace, people, undisturbed
):
    die("after promote", workspace, [people.user], people.items)
    forget(workspace, [people.other], verify=False)
    resume(workspace)
    expected = undisturbed(([people.user], people.items), ([people.other],))
    found = _state(workspace)
    assert (found["data"], found["champion"]) == (expected["data"], expected["champion"])


def test_an_ingest_in_between_finds_the_deletion_done_and_keeps_the_user_out(die, workspace, people):
    die("planned", workspace, [people.user])
    options = trained_workspace.IngestOptions(n_buckets=4, strangers=0.2, replace=True)
    report = ingest(workspace, trained_workspace.interactions(), options)
    assert (report.suppressed, report.users) == (1, 149)
    assert holding(workspace.root, people.user) == []


def test_a_night_carries_on_what_was_killed(die, workspace, people, undisturbed):
    die("data erased", workspace, [people.user])
    night = nightly(workspace)
    assert (night.resumed, [each.status for each in night.requests]) == (1, ["completed"])
    assert _state(workspace)["champion"] == undisturbed(([people.user],))["champion"]
