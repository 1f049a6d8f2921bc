import json

import pytest
from workspace_contents import hashes, holding

from recsys_unlearn.errors import Locked, UsageError
from recsys_unlearn.workflows.deletion import receipts
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.resume import resume

QUEUED = Handling(queue=True)


def test_with_nothing_open_nothing_changes(workspace):
    resume(workspace)  # sweeps, and makes the lock's file
    before = hashes(workspace.root)
    outcome = resume(workspace)
    assert (outcome.requests, outcome.failed, outcome.erased_again, outcome.exit_code) == ([], [], 0, 0)
    assert hashes(workspace.root) == before


def test_a_torn_line_of_the_ledger_goes_even_if_nothing_is_open(workspace):
    ledger = workspace.erasure_dir / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"kind":"received","body":{"reques')
    assert resume(workspace).requests == []
    assert ledger.read_bytes() == whole


def test_queued_requests_on_the_same_terms_make_one_version(workspace, member, stranger):
    queued = [forget(workspace, [user], verify=False, handling=QUEUED) for user in (member, stranger)]
    outcome = resume(workspace)
    assert {each.request_id for each in outcome.requests} == {each.request_id for each in queued}
    assert {(each.status, each.version, each.users) for each in outcome.requests} == {("completed", 2, 1)}
    assert holding(workspace.root, member) == holding(workspace.root, stranger) == []
    assert len(list(workspace.erasure_dir.glob("receipts/*.json"))) == 2


def test_each_one_s_interactions_are_its_own(workspace, member, stranger):
    store = workspace.store()
    counts = {user: len(store.history(store.user_row(user))) for user in (member, stranger)}
    names = {forget(workspace, [u], verify=False, handling=QUEUED).request_id: n for u, n in counts.items()}
    outcome = resume(workspace)
    assert {each.request_id: each.interactions for each in outcome.requests} == names


def test_requests_on_other_terms_go_their_own_way(workspace, member, stranger):
    forget(workspace, [member], verify=False, handling=QUEUED)
    forget(workspace, [stranger], method="retrain", verify=False, handling=QUEUED)
    assert {each.method for each in resume(workspace).requests} == {"natural_ascent", "retrain"}


def test_the_outcome_is_json_that_names_nobody(workspace, member):
    forget(workspace, [member], verify=False, handling=QUEUED)
    told = resume(workspace).as_dict()
    assert json.loads(json.dumps(told)) == told
    assert list(told) == ["requests", "erased_again", "failed", "seconds"]
    assert "canary" not in json.dumps(told)


def test_a_method_that_there_is_not(workspace):
    with pytest.raises(UsageError, match="no method 'magic'"):
        resume(workspace, method="magic")


def test_while_somebody_else_is_at_work(workspace):
    with workspace.locked("train"), pytest.raises(Locked, match="`train`"):
        resume(workspace)


def test_what_cannot_be_done_is_told_and_the_rest_is_done(workspace, member, stranger, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    first = forget(workspace, [member], verify=False, handling=QUEUED)
    with monkeypatch.context() as disk:
        disk.setattr(receipts, "write", full)
        outcome = resume(workspace)
    (failure,) = outcome.failed
    assert (outcome.exit_code, failure.exit_code, failure.requests) == (4, 4, [first.request_id])
    assert failure.error.endswith(
        "is at purged, and not done: No space left on device. Run `recsys-unlearn resume`"
    )
    assert [each.status for each in outcome.requests] == ["unfinished"]
    assert [each.status for each in resume(workspace).requests] == ["completed"]


def test_a_bug_in_the_middle_is_told_without_its_own_words(workspace, member, monkeypatch):
    def broken(*_):
        raise ValueError(f"user {member} is odd")

    forget(workspace, [member], verify=False, handling=QUEUED)
    with monkeypatch.context() as patch:
        patch.setattr(receipts, "write", broken)
        (failure,) = resume(workspace).failed
    assert "unexpected ValueError" in failure.error
    assert "canary" not in failure.error
