import json
import shutil

import polars as pl
import pytest
from trained_workspace import TINY_MODEL, interactions
from workspace_contents import holding, model_files

from recsys_unlearn.errors import PartiallyDone
from recsys_unlearn.interactions import IngestOptions
from recsys_unlearn.workflows.deletion import clearing
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.ingest import ingest
from recsys_unlearn.workflows.resume import resume
from recsys_unlearn.workflows.status import SHOWN, status
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace


def test_counts_are_the_store_s(pristine):
    found, store = status(pristine).store, pristine.store()
    assert found["users"] == store.n_users == 150
    assert found["forgotten_users"] == 0
    assert found["interactions"] == sum(store.sizes.values())
    assert {name: found[name] for name in store.sizes} == store.sizes


def test_a_deletion_shows_in_numbers_only(workspace, member):
    outcome = forget(workspace, [member], verify=False)
    found = status(workspace)
    assert found.champion == 2
    assert [(each["version"], each["aliases"]) for each in found.versions] == [(2, ["champion"])]
    (deletion,) = found.deletions
    assert (deletion["version"], deletion["method"]) == (2, "natural_ascent")
    assert (deletion["users"], deletion["interactions"]) == (1, outcome.interactions)
    assert (found.store["users"], found.store["forgotten_users"]) == (149, 1)
    assert member not in json.dumps(found.as_dict())


def test_only_the_last_deletions_are_listed_newest_first(monkeypatch, workspace):
    monkeypatch.setattr("recsys_unlearn.workflows.status.SHOWN", 1)
    store = workspace.store()
    members = [row for row in store.known_rows().tolist() if not store.is_stranger(row)]
    for row in members[:2]:
        forget(workspace, [store.user_id(row)], verify=False)
    assert [each["version"] for each in status(workspace).deletions] == [3]
    assert SHOWN == 10


def test_a_workspace_that_is_not_there_has_nothing_and_is_not_made(tmp_path):
    found = status(Workspace(tmp_path / "none"))
    empty = {"store": None, "champion": None, "versions": [], "requests": [], "deletions": []}
    assert found.as_dict() == empty | {"erased_again": 0, "to_erase_again": 0}
    assert list(tmp_path.iterdir()) == []


def test_open_requests_are_told_with_the_days_that_are_left(workspace, member):
    outcome = forget(workspace, [member], handling=Handling(queue=True, reason="asked by letter"))
    (request,) = status(workspace).requests
    assert (request["request_id"], request["state"]) == (outcome.request_id, "received")
    assert (request["kind"], request["users"], request["items"]) == ("account", 1, 0)
    assert 27 <= request["days_left"] <= 30
    assert (request["due_at"], request["reason"]) == (outcome.due_at, "asked by letter")
    assert member not in json.dumps(status(workspace).as_dict())


@pytest.fixture
def restored(workspace, member):
    """A workspace whose store was put back, from a backup, to before somebody was erased."""
    backup = shutil.copytree(workspace.store_dir, workspace.root.parent / "backup")
    forget(workspace, [member], verify=False)
    shutil.rmtree(workspace.store_dir)
    shutil.copytree(backup, workspace.store_dir)
    assert workspace.store().user_row(member) >= 0
    return workspace


@pytest.fixture
def other(restored, member):
    """Somebody else in that store."""
    return next(user for user in restored.store().user_ids().values() if str(user) != str(member))


def test_who_came_back_with_a_backup_is_erased_again_and_reported(restored, member):
    found = status(restored)
    assert (found.erased_again, found.to_erase_again, found.store["forgotten_users"]) == (1, 0, 1)
    assert [each["state"] for each in found.requests] == ["data_erased"]
    assert holding(restored.root, member) == []
    assert status(restored).erased_again == 0


def test_while_somebody_else_is_at_work_it_only_reports(restored, member):
    with restored.locked():
        found = status(restored)
    assert (found.erased_again, found.to_erase_again) == (0, 1)
    assert restored.store().user_row(member) >= 0


def test_a_resumed_request_of_who_came_back_leaves_the_model_as_it_is(restored):
    before = model_files(restored)
    outcome = resume(restored)
    assert (outcome.erased_again, [each.status for each in outcome.requests]) == (1, ["completed"])
    assert model_files(restored) == before
    assert status(restored).requests == []


def test_a_deletion_on_a_restored_store_takes_who_came_back_with_it(restored, member, other):
    outcome = forget(restored, [other], verify=False)
    assert (outcome.status, outcome.users) == ("completed", 1)
    assert holding(restored.root, member) == holding(restored.root, other) == []
    assert status(restored).requests == []


def test_who_came_back_and_is_asked_for_again_is_erased_once_more(restored, member):
    outcome = forget(restored, [member], verify=False)
    assert outcome.status == "completed"
    assert holding(restored.root, member) == []
    assert status(restored).requests == []
    assert forget(restored, [member]).status == "already erased"


def test_a_deletion_that_waits_for_the_night_takes_the_data_of_who_came_back(restored, member, other):
    forget(restored, [other], handling=Handling(queue=True))
    assert holding(restored.root, member) == []
    assert sorted(each["state"] for each in status(restored).requests) == ["data_erased", "received"]


def test_a_smaller_store_that_comes_before_the_search_has_other_rows(workspace, monkeypatch):
    """The request's row may be beyond the end of every table by then."""
    last = workspace.store().user_id(int(workspace.store().known_rows()[-1]))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(clearing, "search", full)
        with pytest.raises(PartiallyDone, match="is at verified"):
            forget(workspace, [last], verify=False)
    frame = interactions()
    others = frame.filter(pl.col("user") != last)["user"].unique().sort().head(40)
    few = frame.filter(pl.col("user").is_in(others.implode()))
    ingest(workspace, few, IngestOptions(n_buckets=2, strangers=0.2, replace=True))
    train(workspace, TINY_MODEL)
    assert [each.status for each in resume(workspace).requests] == ["completed"]
    assert holding(workspace.root, last) == []


def test_a_training_on_a_restored_store_does_not_see_who_was_erased(restored, member):
    outcome = train(restored, TINY_MODEL)
    assert outcome.erased_again == 1
    assert holding(restored.root, member) == []


def test_items_that_came_back_with_a_backup_are_erased_again(workspace, member):
    store = workspace.store()
    row = store.user_row(member)
    items = store.history(row).items[:2].tolist()
    backup = shutil.copytree(workspace.store_dir, workspace.root.parent / "backup")
    forget(workspace, [member], store.item_ids(items), verify=False)
    shutil.rmtree(workspace.store_dir)
    shutil.copytree(backup, workspace.store_dir)
    assert status(workspace).erased_again == 1
    assert not set(items) & set(workspace.store().history(row).items.tolist())
    assert [each.status for each in resume(workspace).requests] == ["completed"]
    assert (status(workspace).erased_again, status(workspace).requests) == (0, [])
