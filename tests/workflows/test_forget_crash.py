"""Real processes, killed with SIGKILL at every step of a deletion; then the same command again.

What must come out is what comes out of an undisturbed deletion: the same data, and the same bytes of
weights, which a user who was unlearned twice would not leave. The processes are forked from a server
that has imported everything, as the imports take longer than all the deletions.
"""

import multiprocessing
import shutil
import signal
from types import SimpleNamespace

import pytest
import trained_workspace
from trained_workspace import TINY_MODEL
from workspace_contents import hashes, holding, model_files, recommender

from recsys_unlearn.errors import UnknownUser
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace
from workflows import dying_deletion

BEFORE_THE_ALIAS = ["before publish", "in the middle of publish", "after publish"]
AFTER_THE_ALIAS = ["after promote", "before the vault is rewritten"]
WITHOUT_ID = ["after the vault is rewritten", "before the manifest counts"]
PAIRS_LEFT = [*BEFORE_THE_ALIAS, *AFTER_THE_ALIAS, *WITHOUT_ID]  # single items: no id leaves the vault


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
    """Data and weights after deletions that nobody killed."""
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
    """Of the data its content, of the champion its files."""
    store = workspace.store()
    return store.digest, store.known_rows().tolist(), model_files(workspace)


def _serving(workspace):
    return workspace.registry().champion().number


@pytest.mark.parametrize("moment", BEFORE_THE_ALIAS)
def test_until_the_alias_moves_nothing_is_lost_and_the_same_command_starts_anew(
    die, workspace, people, undisturbed, moment
):
    data, champion = hashes(workspace.store_dir), model_files(workspace)
    die(moment, workspace, [people.user])
    assert hashes(workspace.store_dir) == data
    assert (_serving(workspace), model_files(workspace)) == (1, champion)
    outcome = forget(workspace, [people.user], verify=False)
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", _serving(workspace), 1)
    assert _state(workspace) == undisturbed(([people.user],))
    assert holding(workspace.root, people.user) == []


@pytest.mark.parametrize("moment", AFTER_THE_ALIAS)
@pytest.mark.parametrize("method", ["natural_ascent", "retrain"])
def test_who_has_left_the_champion_is_erased_and_not_unlearned_again(
    die, workspace, people, undisturbed, moment, method
):
    die(moment, workspace, [people.user])
    assert workspace.store().user_row(people.user) == people.row
    assert not recommender(workspace).user_table[people.row].any()
    outcome = forget(workspace, [people.user], method=method, verify=False)
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", 2, 2)
    assert [each.number for each in workspace.registry().versions()] == [2, 1]
    assert _state(workspace) == undisturbed(([people.user],))
    assert holding(workspace.root, people.user) == []


@pytest.mark.parametrize("moment", PAIRS_LEFT)
def test_the_same_command_again_finishes_some_items(die, workspace, people, undisturbed, moment):
    die(moment, workspace, [people.user], people.items)
    outcome = forget(workspace, [people.user], people.items, verify=False)
    assert (outcome.status, outcome.interactions) == ("completed", len(people.items))
    assert _state(workspace) == undisturbed(([people.user], people.items))


@pytest.mark.parametrize("moment", WITHOUT_ID)
def test_whose_id_is_gone_goes_before_anything_else_is_done(die, workspace, people, undisturbed, moment):
    die(moment, workspace, [people.user])
    assert holding(workspace.root, people.user) == []
    assert len(workspace.store().history(people.row))
    with pytest.raises(UnknownUser):
        forget(workspace, [people.user])
    assert len(workspace.store().history(people.row)) == 0
    assert forget(workspace, [people.other], verify=False).users == 1
    assert _state(workspace) == undisturbed(([people.user],), ([people.other],))


@pytest.mark.parametrize("items", [False, True])
def test_killed_after_the_erasure_all_is_done(die, workspace, people, undisturbed, items):
    request = ([people.user], people.items) if items else ([people.user],)
    die("after erase", workspace, *request)
    assert _state(workspace) == undisturbed(request)


def test_a_retrain_for_somebody_else_does_not_bring_back_whose_id_is_gone(die, workspace, people):
    die("after the vault is rewritten", workspace, [people.user])
    forget(workspace, [people.other], method="retrain", verify=False)
    assert len(workspace.store().history(people.row)) == 0
    assert not recommender(workspace).user_table[people.row].any()


def test_a_training_does_not_bring_back_whose_id_is_gone(die, workspace, people):
    die("after the vault is rewritten", workspace, [people.user])
    train(workspace, TINY_MODEL)
    assert not recommender(workspace).user_table[people.row].any()


def test_items_are_not_unlearned_twice_because_somebody_else_came_in_between(
    die, workspace, people, undisturbed
):
    die("after promote", workspace, [people.user], people.items)
    forget(workspace, [people.other], verify=False)
    forget(workspace, [people.user], people.items, verify=False)
    assert _state(workspace) == undisturbed(([people.user], people.items), ([people.other],))
