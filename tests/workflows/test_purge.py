import json

import pytest
from trained_workspace import TINY_MODEL
from workspace_contents import hashes

from recsys_unlearn.errors import Locked, UsageError
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.purge import KIND, purge
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace


def _numbers(workspace):
    return [each.number for each in workspace.registry().versions()]


@pytest.fixture
def kept(workspace, member):
    """Version 1 holds somebody who was forgotten in version 2, and was kept."""
    forget(workspace, [member], verify=False, handling=Handling(keep="1"))
    assert _numbers(workspace) == [2, 1]
    return workspace


def test_what_was_kept_goes_and_the_ledger_says_so(kept):
    outcome = purge(kept)
    assert (outcome.versions, _numbers(kept)) == ([1], [2])
    assert outcome.files > 0 and outcome.bytes > 0
    assert kept.ledger().entries()[-1].kind == KIND
    assert kept.ledger().entries()[-1].body["versions"] == [1]


def test_a_dry_run_says_the_same_and_changes_nothing(kept):
    before = hashes(kept.root)
    planned = purge(kept, dry_run=True)
    assert hashes(kept.root) == before
    done = purge(kept)
    assert (planned.versions, planned.kept, planned.dry_run) == (done.versions, done.kept, True)


@pytest.mark.parametrize("keep", ["1", "30d"])
def test_the_policy_is_kept_to_and_told(kept, keep):
    outcome = purge(kept, keep=keep)
    assert outcome.versions == []
    assert dict(outcome.kept)[1].startswith("kept for 30 days" if "d" in keep else "among the newest 1")
    assert _numbers(kept) == [2, 1]


def test_a_version_that_holds_nobody_who_was_forgotten_stays_unless_asked_for(workspace):
    train(workspace, TINY_MODEL)
    assert purge(workspace).versions == []
    assert purge(workspace, all_superseded=True).versions == [1]
    assert _numbers(workspace) == [2]


def test_a_challenger_that_was_trained_before_the_deletion_goes_with_it(workspace, member, monkeypatch):
    monkeypatch.setattr("recsys_unlearn.workflows.train.GATE", 100.0)
    assert not train(workspace, TINY_MODEL).champion
    assert forget(workspace, [member], verify=False).purged_versions == [1, 2]
    assert _numbers(workspace) == [3]


def test_the_outcome_is_json(kept):
    told = purge(kept, dry_run=True).as_dict()
    assert list(told) == ["dry_run", "versions", "kept", "unfinished", "files", "bytes", "seconds"]
    json.dumps(told)


def test_an_empty_workspace_has_nothing_and_stays_empty(tmp_path):
    assert purge(Workspace(tmp_path / "none"), dry_run=True).versions == []
    assert list(tmp_path.iterdir()) == []


def test_a_policy_that_there_is_not(workspace):
    with pytest.raises(UsageError, match="--keep takes a number of versions, or of days as in 30d, not '-1'"):
        purge(workspace, keep="-1")


def test_while_somebody_else_is_at_work(workspace):
    with workspace.locked("train"), pytest.raises(Locked):
        purge(workspace)
