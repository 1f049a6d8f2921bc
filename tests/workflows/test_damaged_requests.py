"""The working directory of a request that is under way: damaged or lost, and what can be told without it."""

import shutil

import pytest
from trained_workspace import TINY_MODEL, IngestOptions, interactions
from workspace_contents import hashes, holding, recommender

from recsys_unlearn.errors import LostRequest, PartiallyDone, UsageError
from recsys_unlearn.interactions.manifest import Manifest
from recsys_unlearn.workflows.decide import deny
from recsys_unlearn.workflows.deletion.batch import DESCRIPTION_FILE, FORGET_SET_FILE
from recsys_unlearn.workflows.deletion.carrying import Deletion
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.ingest import ingest
from recsys_unlearn.workflows.nightly import nightly
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.resume import resume
from recsys_unlearn.workflows.status import status
from recsys_unlearn.workflows.train import train

QUEUED = Handling(queue=True)
AGAIN = IngestOptions(n_buckets=4, strangers=0.2, replace=True)


@pytest.fixture
def stopped(workspace, monkeypatch):
    """Begin a deletion that stops where it is told to; return its working directory."""

    def stopped(user, items=None, owner=Deletion, at="_erase"):
        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr(owner, at, full)
            with pytest.raises(PartiallyDone):
                forget(workspace, [user], items, verify=False)
        (request,) = workspace.requests().open()
        return workspace.requests().working(request.request_id)

    return stopped


@pytest.fixture
def some_items(workspace, member):
    store = workspace.store()
    return store.item_ids(store.history(store.user_row(member)).items[:2].tolist())


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


DAMAGES = {
    "nothing left": lambda directory: shutil.rmtree(directory),
    "a file in its place": lambda directory: (shutil.rmtree(directory), directory.write_bytes(b"x")),
    "an empty directory": lambda directory: [path.unlink() for path in directory.iterdir()],
    "description gone": lambda directory: (directory / DESCRIPTION_FILE).unlink(),
    "description truncated": lambda directory: _truncate(directory / DESCRIPTION_FILE),
    "description of something else": lambda directory: (directory / DESCRIPTION_FILE).write_text("[7]"),
    "forget set gone": lambda directory: (directory / FORGET_SET_FILE).unlink(),
    "forget set truncated": lambda directory: _truncate(directory / FORGET_SET_FILE),
    "forget set of garbage": lambda directory: (directory / FORGET_SET_FILE).write_bytes(b"\xff" * 999),
    "all of it garbage": lambda directory: [path.write_bytes(b"{}") for path in directory.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_account_that_was_planned_is_planned_once_more(workspace, member, stopped, damage):
    directory = stopped(member)
    expected = len(workspace.store().history(workspace.store().user_row(member)))
    DAMAGES[damage](directory)
    (outcome,) = resume(workspace).requests
    assert (outcome.status, outcome.version, outcome.interactions) == ("completed", 2, expected)
    assert holding(workspace.root, member) == []
    assert list((workspace.erasure_dir / "requests").iterdir()) == []


def test_it_ends_in_the_model_in_which_it_would_have_ended(workspace, member, stopped, tmp_path):
    twin = type(workspace)(shutil.copytree(workspace.root, tmp_path / "twin"))
    forget(twin, [member], verify=False)
    DAMAGES["nothing left"](stopped(member))
    resume(workspace)
    assert (recommender(workspace).item_table == recommender(twin).item_table).all()
    assert workspace.store().digest == twin.store().digest


@pytest.mark.parametrize("damage", ["nothing left", "all of it garbage"])
def test_one_whose_id_is_gone_already_is_told_from_the_data(workspace, member, stopped, damage):
    DAMAGES[damage](stopped(member, owner=Manifest, at="write"))
    (outcome,) = resume(workspace).requests
    assert (outcome.status, outcome.version) == ("completed", 2)
    assert outcome.interactions > 0
    assert holding(workspace.root, member) == []


@pytest.mark.parametrize("damage", ["description gone", "forget set of garbage"])
def test_items_are_planned_once_more_from_what_was_asked(workspace, member, stopped, some_items, damage):
    DAMAGES[damage](stopped(member, some_items))
    (outcome,) = resume(workspace).requests
    assert (outcome.status, outcome.version, outcome.interactions) == ("completed", 2, 2)
    assert ingest(workspace, interactions(), AGAIN).suppressed_pairs == 2


@pytest.mark.parametrize("write", ["train", "ingest"])
def test_writers_are_not_held_up(workspace, member, stopped, write):
    DAMAGES["nothing left"](stopped(member))
    if write == "train":
        train(workspace, TINY_MODEL)
    else:
        ingest(workspace, interactions(), AGAIN)
    assert holding(workspace.store_dir, member) == []


# --- items, and nothing tells which -----------------------------------------------------------------


def test_lost_items_are_named_by_their_request_and_hold_up_no_reader(
    workspace, member, stranger, stopped, some_items
):
    directory = stopped(member, some_items)
    DAMAGES["nothing left"](directory)
    for call in (lambda: train(workspace, TINY_MODEL), lambda: ingest(workspace, interactions(), AGAIN)):
        before = hashes(workspace.store_dir)
        with pytest.raises(
            LostRequest, match=f"{directory.name} is gone.*forget --deny {directory.name}"
        ) as lost:
            call()
        assert member not in str(lost.value)
        assert hashes(workspace.store_dir) == before
    assert len(recommend(workspace, member).items)
    assert [each["request_id"] for each in status(workspace).requests] == [directory.name]
    assert forget(workspace, [stranger], verify=False).status == "completed"
    outcome = resume(workspace)
    assert [(each.requests, each.exit_code) for each in outcome.failed] == [([directory.name], 1)]
    assert [each["requests"] for each in nightly(workspace).as_dict()["failed"]] == [[directory.name]]


@pytest.mark.parametrize("queue", [False, True])
def test_lost_items_that_are_asked_for_once_more_are_carried_out(
    workspace, member, stopped, some_items, queue
):
    if queue:
        name = forget(workspace, [member], some_items, handling=QUEUED).request_id
        shutil.rmtree(workspace.erasure_dir / "requests" / name)
    else:
        directory = stopped(member, some_items)
        name = directory.name
        DAMAGES["nothing left"](directory)
    outcome = forget(workspace, [member], some_items, verify=False)
    assert (outcome.request_id, outcome.status, outcome.interactions) == (name, "completed", 2)


def test_lost_items_can_be_denied(workspace, member, stopped, some_items):
    directory = stopped(member, some_items)
    DAMAGES["nothing left"](directory)
    deny(workspace, directory.name, "asked for once more")
    assert train(workspace, TINY_MODEL).champion
    assert resume(workspace).requests == []


def test_lost_items_in_the_queue_hold_up_nobody_else(workspace, member, stranger, some_items):
    lost = forget(workspace, [member], some_items, handling=QUEUED).request_id
    other = forget(workspace, [stranger], handling=QUEUED).request_id
    shutil.rmtree(workspace.erasure_dir / "requests" / lost)
    night = nightly(workspace)
    states = {each.request_id: each.status for each in night.requests}
    assert states == {lost: "queued", other: "completed"}
    assert [each["requests"] for each in night.as_dict()["failed"]] == [[lost]]


def test_a_request_that_goes_with_others_is_not_denied_alone(workspace, member, stranger, monkeypatch):
    names = [forget(workspace, [user], handling=QUEUED).request_id for user in (member, stranger)]
    with monkeypatch.context() as disk:
        disk.setattr(Deletion, "_erase", lambda _: 1 / 0)
        assert resume(workspace).exit_code == 4
    for name in names:
        with pytest.raises(UsageError, match=f"{name} is under way together with others"):
            deny(workspace, name, "no")
    assert {each.status for each in resume(workspace).requests} == {"completed"}


# --- after the data is gone -------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["_unlearn", "_index", "_serve"])
def test_once_the_data_is_gone_a_new_training_is_the_way_out(workspace, member, stopped, at):
    row = workspace.store().user_row(member)
    DAMAGES["nothing left"](stopped(member, at=at))
    (failure,) = resume(workspace).failed
    assert failure.exit_code == 4
    assert "was lost" in failure.error
    assert "run `recsys-unlearn train`" in failure.error
    assert "canary" not in failure.error
    assert train(workspace, TINY_MODEL).champion
    outcome = resume(workspace)
    assert (outcome.failed, [each.status for each in outcome.requests]) == ([], ["completed"])
    assert [each.number for each in workspace.registry().versions()] == [2]
    assert not recommender(workspace).user_table[row].any()


def test_what_remains_to_be_purged_is_purged(workspace, member, stopped):
    DAMAGES["nothing left"](stopped(member, at="_clear"))
    assert [each.status for each in resume(workspace).requests] == ["completed"]
    assert [each.number for each in workspace.registry().versions()] == [2]
