"""Deletions that are not carried out: planned, impossible, or found wanting by their audit."""

import errno
import shutil
from dataclasses import fields
from types import SimpleNamespace

import pytest
import trained_workspace
from workspace_contents import hashes, holding, model_files, tree

from recsys_unlearn.audit import report
from recsys_unlearn.errors import (
    Locked,
    PartiallyDone,
    UnknownItem,
    UnknownUser,
    UsageError,
    VerificationFailed,
    VersionError,
)
from recsys_unlearn.interactions import IngestOptions, InteractionStore, ingest
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.resume import resume
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace


@pytest.mark.parametrize("some_items", [False, True])
def test_a_dry_run_says_what_would_be_done_and_touches_nothing(workspace, member, some_items):
    store = workspace.store()
    history = store.history(store.user_row(member))
    items = store.item_ids(history.items[:2].tolist()) if some_items else None
    before = tree(workspace.root)
    outcome = forget(workspace, [member], items, dry_run=True)
    assert tree(workspace.root) == before
    assert (outcome.status, outcome.version, outcome.parent_version) == ("planned", 1, 1)
    assert (outcome.users, outcome.interactions) == (1, 2 if some_items else len(history))
    assert outcome.older_versions == []
    assert set(outcome.as_dict()) == {each.name for each in fields(outcome)}


def test_a_dry_run_waits_for_nobody(workspace, member):
    with workspace.locked():
        assert forget(workspace, [member], dry_run=True).status == "planned"


@pytest.mark.parametrize("dry_run", [False, True])
def test_one_unknown_user_among_known_ones_stops_it_all(workspace, member, stranger, dry_run):
    before = _without_lock(tree(workspace.root))
    with pytest.raises(UnknownUser, match="1 of the 3 users are not in this workspace") as caught:
        forget(workspace, [member, "canary-nobody", stranger], dry_run=dry_run)
    assert "canary" not in str(caught.value)
    assert _without_lock(tree(workspace.root)) == before


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (["no-such-item"], UnknownItem, "no such item in this workspace's catalogue"),
        (None, UsageError, "no method 'row_drop'; there are natural_ascent"),
    ],
)
def test_requests_that_make_no_sense_change_nothing(workspace, member, items, error, message):
    before = _without_lock(tree(workspace.root))
    with pytest.raises(error, match=message):
        forget(workspace, [member], items, method="natural_ascent" if items else "row_drop")
    assert _without_lock(tree(workspace.root)) == before


def test_while_somebody_else_changes_the_workspace(workspace, member):
    with workspace.locked(), pytest.raises(Locked):
        forget(workspace, [member])
    assert workspace.store().user_row(member) >= 0


def test_before_the_first_training_there_is_only_data_to_erase(tmp_path):
    frame = trained_workspace.interactions()
    workspace, user = Workspace(tmp_path), frame["user"][0]
    ingest(frame, workspace.store_dir, IngestOptions(n_buckets=1))
    outcome = forget(workspace, [user])
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", None, None)
    assert outcome.interactions == (frame["user"] == user).sum()
    assert holding(tmp_path, user) == []


def test_a_champion_of_another_ingest_stops_it_after_the_data_is_erased(workspace):
    frame = trained_workspace.interactions()
    ingest(frame, workspace.store_dir, IngestOptions(seed=9, n_buckets=1, replace=True))
    with pytest.raises(PartiallyDone, match=r"is at data_erased, and not done: version 1 was trained on ano"):
        forget(workspace, [frame["user"][0]])
    assert holding(workspace.root, frame["user"][0]) == []


@pytest.fixture
def refused(workspace, member, monkeypatch):
    """A deletion whose audit finds the user remembered, whatever the figures are."""
    before = model_files(workspace)
    with monkeypatch.context() as patch, pytest.raises(VerificationFailed) as caught:
        patch.setattr(report, "FEWEST_USERS", 1)
        patch.setattr(report, "TOLERANCE", -1.0)
        forget(workspace, [member])
    return SimpleNamespace(workspace=workspace, user=member, message=str(caught.value), before=before)


def test_a_failed_audit_makes_no_version_and_leaves_the_champion(refused):
    assert model_files(refused.workspace) == refused.before
    assert [each.number for each in refused.workspace.registry().versions()] == [1]
    assert refused.workspace.registry().champion().number == 1


def test_a_failed_audit_does_not_bring_the_data_back(refused):
    assert holding(refused.workspace.root, refused.user) == []
    with pytest.raises(UnknownUser):
        recommend(refused.workspace, refused.user)


def test_a_failed_audit_says_what_was_found_and_what_to_do(refused):
    assert refused.message.startswith("the audit found the users remembered (membership AUC 0.")
    assert "no new version was made, and version 1 still serves" in refused.message
    assert refused.message.endswith("Run `recsys-unlearn resume --method retrain`")
    assert "canary" not in refused.message


def test_a_failed_audit_is_a_failed_request(refused):
    (request,) = refused.workspace.requests().open()
    assert (request.state, request.reached, request.error) == ("failed", "index_rebuilt", refused.message)


def test_a_failed_audit_is_a_failed_run_with_its_figures(refused):
    tracker = refused.workspace.tracker()
    (run,) = tracker.client.search_runs([tracker.experiment_id], "attributes.status = 'FAILED'")
    assert run.data.tags["error"] == "VerificationFailed"
    assert "audit/auc" in run.data.metrics


@pytest.mark.parametrize("by", ["resume", "forget"])
def test_after_a_failed_audit_a_retrain_may_follow(refused, by):
    if by == "resume":
        (outcome,) = resume(refused.workspace, method="retrain").requests
    else:
        outcome = forget(refused.workspace, [refused.user], method="retrain")
    assert (outcome.version, outcome.parent_version, outcome.status) == (2, 1, "completed")
    assert outcome.method == "retrain"
    assert refused.workspace.requests().open() == []
    assert [each.number for each in refused.workspace.registry().versions()] == [2]


def test_a_retrained_version_serves_whatever_its_audit_finds(refused, monkeypatch):
    monkeypatch.setattr(report, "FEWEST_USERS", 1)
    monkeypatch.setattr(report, "TOLERANCE", -1.0)
    (outcome,) = resume(refused.workspace, method="retrain").requests
    assert (outcome.status, outcome.audit["verdict"]) == ("completed", "remembered")


def test_resumed_by_the_same_method_it_fails_again_and_says_so(refused, monkeypatch):
    monkeypatch.setattr(report, "FEWEST_USERS", 1)
    monkeypatch.setattr(report, "TOLERANCE", -1.0)
    outcome = resume(refused.workspace)
    assert (outcome.exit_code, [each.error for each in outcome.failed]) == (5, [refused.message])
    assert outcome.requests[0].status == "failed"


def _without_lock(files):
    """Taking the lock makes its file, which says nothing."""
    return {name: found for name, found in files.items() if name not in ("data", "data/.lock")}


def test_a_full_disk_at_the_last_step_is_said_and_mended_by_the_same_call(workspace, member, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    row = workspace.store().user_row(member)
    with monkeypatch.context() as disk:
        disk.setattr(InteractionStore, "erase", full)
        with pytest.raises(PartiallyDone, match="is at planned, and not done: No space left on") as caught:
            forget(workspace, [member], verify=False)
    assert str(caught.value).endswith("Run `recsys-unlearn resume`")
    assert caught.value.exit_code == 4
    assert len(workspace.store().history(row))
    outcome = forget(workspace, [member], verify=False)
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", 2, 1)
    assert len(workspace.store().history(row)) == 0
    assert len(workspace.requests().all()) == 1


@pytest.mark.parametrize("gone", ["mlruns/mlflow.db", "mlruns"])
@pytest.mark.parametrize("some_items", [False, True])
def test_with_the_versions_gone_nothing_is_changed(workspace, member, gone, some_items):
    _remove(workspace.root / gone)
    store = workspace.store()
    items = store.item_ids(store.history(store.user_row(member)).items[:2].tolist()) if some_items else None
    before = hashes(workspace.root)
    for dry_run in (True, False):
        with pytest.raises(
            VersionError, match=r"are gone: .* Nothing was changed. Restore mlruns"
        ) as refused:
            forget(Workspace(workspace.root), [member], items, verify=False, dry_run=dry_run)
        assert refused.value.exit_code == 1
    assert hashes(workspace.root) == before


@pytest.mark.parametrize("way_out", ["restore", "train"])
def test_with_the_versions_gone_a_request_is_taken_in_and_waits(pristine, member, tmp_path, way_out):
    root = shutil.copytree(pristine.root, tmp_path / "w", ignore=shutil.ignore_patterns("mlruns"))
    workspace = Workspace(root)
    forget(workspace, [member], verify=False, handling=Handling(queue=True))
    before = hashes(workspace.store_dir)
    (failure,) = resume(workspace).failed
    assert (failure.exit_code, hashes(workspace.store_dir)) == (1, before)
    if way_out == "restore":
        shutil.copytree(pristine.root / "mlruns", root / "mlruns")
    else:
        train(workspace, trained_workspace.TINY_MODEL)
    assert [each.status for each in resume(workspace).requests] == ["completed"]
    assert holding(root, member) == []


def _remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()
