import json

import pytest
import trained_workspace
from workspace_contents import recommender, tree

from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.report import audit as measure
from recsys_unlearn.errors import StoreError, UsageError, VersionError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.workflows import audit as workflow
from recsys_unlearn.workflows.audit import audit
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.train import train, utility
from recsys_unlearn.workspace import Workspace


def test_members_of_the_champion_against_strangers(pristine):
    splits, outcome = pristine.store().splits(), audit(pristine)
    assert outcome.version == 1
    everybody = splits.train.union(splits.strangers)
    difficulty = Difficulty.of(everybody, splits.train, cross_fitted=False)
    expected = measure(recommender(pristine), splits.train, splits.strangers, difficulty=difficulty)
    assert outcome.audit == expected.as_dict()
    assert outcome.audit["users"] == len(splits.train.active_users)
    assert outcome.audit["strangers"] == len(splits.strangers.active_users)


def test_utility_is_that_of_the_training_run(pristine):
    logged = pristine.registry().champion().metrics
    outcome = audit(pristine)
    assert outcome.utility == {name: logged[name] for name in outcome.utility}
    assert outcome.utility == utility(recommender(pristine), pristine.store().splits())


def test_as_dict_has_stable_keys_and_is_json(pristine):
    outcome = audit(pristine).as_dict()
    assert list(outcome) == ["version", "audit", "utility", "seconds"]
    assert set(outcome["seconds"]) == {"audit", "utility", "total"}
    assert json.loads(json.dumps(outcome)) == outcome
    assert "canary" not in json.dumps(outcome)


def test_an_audit_changes_nothing(pristine):
    before = tree(pristine.root)
    audit(pristine)
    assert tree(pristine.root) == before


def test_the_same_version_gives_the_same_figures(pristine):
    assert audit(pristine).audit == audit(pristine, 1).audit


def test_an_older_version_can_be_audited_on_who_is_left(workspace, member):
    forget(workspace, [member], verify=False, handling=Handling(keep="1"))
    old, new = audit(workspace, 1), audit(workspace)
    assert (old.version, new.version) == (1, 2)
    assert old.audit["users"] == new.audit["users"] == audit(workspace).audit["users"]
    assert old.audit["auc"] != new.audit["auc"]


def test_large_workspaces_are_sampled(pristine, monkeypatch):
    monkeypatch.setattr(workflow, "MOST_USERS", 25)
    found = audit(pristine).audit
    assert (found["users"], found["strangers"]) == (25, 25)
    assert audit(pristine).audit == found


def test_progress_ends_at_the_end(pristine):
    told = []
    audit(pristine, progress=lambda *step: told.append(step))
    assert [done for _, done, _ in told] == [0, 1, 2]
    assert {of for *_, of in told} == {2}


def test_without_strangers_there_is_nobody_to_compare_with(tmp_path):
    workspace = Workspace(tmp_path)
    ingest(trained_workspace.interactions(), workspace.store_dir, IngestOptions(strangers=0, n_buckets=1))
    train(workspace, trained_workspace.TINY_MODEL)
    with pytest.raises(UsageError, match="no strangers to compare with: ingest with --strangers above 0"):
        audit(workspace)


def test_a_version_that_there_is_not(pristine):
    with pytest.raises(VersionError, match="there is no version 9"):
        audit(pristine, 9)


def test_an_empty_workspace(tmp_path):
    with pytest.raises(StoreError, match="ingest"):
        audit(Workspace(tmp_path))


def test_a_version_of_another_ingest(workspace):
    frame = trained_workspace.interactions()
    ingest(frame, workspace.store_dir, IngestOptions(seed=9, n_buckets=1, replace=True))
    with pytest.raises(StoreError, match="version 1 was trained on another ingest"):
        audit(workspace)
