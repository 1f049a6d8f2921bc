import json

from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.status import SHOWN, status
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
    assert [each["version"] for each in found.versions] == [2, 1]
    assert [each["aliases"] for each in found.versions] == [["champion"], []]
    (deletion,) = found.deletions
    assert (deletion["version"], deletion["method"]) == (2, "natural_ascent")
    assert (deletion["users"], deletion["interactions"]) == (1, outcome.interactions)
    assert (found.store["users"], found.store["forgotten_users"]) == (149, 1)
    assert member not in json.dumps(found.as_dict())


def test_only_the_last_deletions_are_listed_newest_first(monkeypatch, workspace):
    monkeypatch.setattr("recsys_unlearn.workflows.status.SHOWN", 1)
    store = workspace.store()
    for row in store.known_rows().tolist()[:20]:
        if not store.is_stranger(row) and len(workspace.registry().versions()) < 3:
            forget(workspace, [store.user_id(row)], verify=False)
    assert [each["version"] for each in status(workspace).deletions] == [3]
    assert SHOWN == 10


def test_a_workspace_that_is_not_there_has_nothing_and_is_not_made(tmp_path):
    found = status(Workspace(tmp_path / "none"))
    assert found.as_dict() == {"store": None, "champion": None, "versions": [], "deletions": []}
    assert list(tmp_path.iterdir()) == []
