import json

import pytest
from workspace_contents import hashes, holding, recommender

from recsys_unlearn.audit import report
from recsys_unlearn.errors import ConfigError, Locked, UsageError
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.nightly import NightlyOptions, nightly

QUEUED = Handling(queue=True)
UNLIMITED = NightlyOptions(deletion_budget=1.0)


@pytest.fixture
def members(pristine):
    store = pristine.store()
    return [store.user_id(int(row)) for row in store.splits().train.active_users]


@pytest.fixture
def queue(workspace, members):
    """Queue the deletion of so many members, each as a request of its own."""

    def queue(count, start=0):
        for user in members[start : start + count]:
            forget(workspace, [user], handling=QUEUED)

    return queue


def test_all_queued_users_make_one_audited_version_and_a_receipt_each(workspace, queue, members):
    queue(22)
    night = nightly(workspace, UNLIMITED)
    assert [each.status for each in night.requests] == ["completed"] * 22
    assert (night.version, night.open, night.failed, night.exit_code) == (2, 0, [], 0)
    assert night.requests[0].audit["users"] == 22
    assert night.purged_versions == [1]
    assert len(list(workspace.erasure_dir.glob("receipts/*.json"))) == 22
    assert [user for user in members[:22] if holding(workspace.root, user)] == []
    rows = [each for each in range(workspace.store().n_users) if each not in workspace.store().known_rows()]
    assert not recommender(workspace).user_table[rows].any()


def test_accounts_and_single_items_go_together(workspace, queue, members):
    store = workspace.store()
    row = store.user_row(members[5])
    items = store.item_ids(store.splits().train.items_of(row)[:2].tolist())
    forget(workspace, [members[5]], items, handling=QUEUED)
    queue(1)
    night = nightly(workspace, UNLIMITED)
    assert {(each.users, each.version) for each in night.requests} == {(1, 2)}
    left = workspace.store().history(row)
    assert not {*workspace.store().item_ids(left.items.tolist())} & {*items}
    assert workspace.store().user_row(members[5]) == row


def test_a_second_night_finds_nothing_to_do_and_changes_nothing(workspace, queue):
    queue(1)
    nightly(workspace)
    before = hashes(workspace.root)
    again = nightly(workspace)
    assert (again.requests, again.version, again.purged_versions) == ([], 2, [])
    assert hashes(workspace.root) == before


def test_two_nights_at_the_same_time(workspace):
    with workspace.locked("nightly"), pytest.raises(Locked, match="`nightly`"):
        nightly(workspace)


def test_the_budget_adds_up_and_when_it_is_spent_a_full_training_starts_it_anew(workspace, queue):
    queue(1)
    first = nightly(workspace, NightlyOptions(deletion_budget=0.5))
    spent = first.budget["spent"]
    assert (first.requests[0].method, first.budget["retrained"]) == ("natural_ascent", False)
    assert spent == pytest.approx(_share(workspace, first), rel=0.05)
    queue(1, start=1)
    second = nightly(workspace, NightlyOptions(deletion_budget=spent))
    assert (second.requests[0].method, second.requests[0].guarantee) == ("retrain", "exact")
    assert second.budget == {"limit": spent, "spent": 0.0, "retrained": True}


def _share(workspace, night):
    (first,) = [each for each in workspace.ledger().entries() if each.kind == "planned"]
    trained = next(each for each in workspace.ledger().entries() if each.kind == "version")
    return first.body["details"]["train_interactions"] / trained.body["interactions"]


def test_where_the_audit_fails_it_is_trained_again(workspace, queue, monkeypatch):
    monkeypatch.setattr(report, "FEWEST_USERS", 1)
    monkeypatch.setattr(report, "TOLERANCE", -1.0)
    queue(1)
    night = nightly(workspace, UNLIMITED)
    assert [(each.status, each.method) for each in night.requests] == [("completed", "retrain")]
    assert (night.version, night.exit_code) == (2, 0)
    assert "remembered" in night.as_text() and "it was trained without them" in night.as_text()


def test_or_left_for_somebody_to_decide(workspace, queue, monkeypatch):
    monkeypatch.setattr(report, "FEWEST_USERS", 1)
    monkeypatch.setattr(report, "TOLERANCE", -1.0)
    queue(1)
    night = nightly(workspace, NightlyOptions(deletion_budget=1.0, fall_back=False))
    assert (night.version, night.open, night.exit_code) == (1, 1, 5)
    assert [each.status for each in night.requests] == ["failed"]
    assert "resume --method retrain" in night.failed[0].error
    assert "FAILED, 1 requests: the audit found the users" in night.as_text()


def test_what_was_kept_is_purged_when_its_time_is_over(workspace, members):
    forget(workspace, members[:1], verify=False, handling=Handling(keep="30d"))
    assert nightly(workspace, NightlyOptions(keep="30d")).purged_versions == []
    assert [number for number, _ in nightly(workspace, NightlyOptions(keep="30d")).kept_versions] == [1]
    assert nightly(workspace).purged_versions == [1]


def test_the_report_is_json_and_text_and_names_nobody(workspace, queue):
    queue(1)
    night = nightly(workspace)
    told = night.as_dict()
    assert json.loads(json.dumps(told)) == json.loads(json.dumps(told, sort_keys=True))
    assert "canary" not in json.dumps(told) + night.as_text()
    for part in ("1 requests, 1 users", "version that serves        2", "versions purged            1"):
        assert part in night.as_text()
    assert "it was trained without them" not in night.as_text()


@pytest.mark.parametrize("budget", [-0.1, 1.1, float("nan")])
def test_a_budget_that_is_no_share(budget):
    with pytest.raises(ConfigError, match="deletion_budget is a share between 0 and 1, not"):
        NightlyOptions(deletion_budget=budget)


@pytest.mark.parametrize("wrong", [{"keep": "some"}, {"method": "magic"}])
def test_a_policy_or_a_method_that_there_is_not(wrong):
    with pytest.raises(UsageError):
        NightlyOptions(**wrong)
