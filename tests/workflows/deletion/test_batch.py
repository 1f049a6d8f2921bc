"""What is kept of a batch on the way, and requests looked up anew where the store was replaced."""

import numpy as np
import pytest
from trained_workspace import IngestOptions, interactions
from workspace_contents import hashes, holding

from recsys_unlearn.errors import LostRequest
from recsys_unlearn.interactions import ingest
from recsys_unlearn.workflows.deletion.batch import FORGET_SET_FILE, Batch
from recsys_unlearn.workflows.deletion.candidate import merged
from recsys_unlearn.workflows.deletion.intake import ASKED_FILE, receive, recognise
from recsys_unlearn.workflows.deletion.planning import begun, plan, trained_on, waiting
from recsys_unlearn.workflows.deletion.terms import Terms


@pytest.fixture
def received(workspace, member, stranger):
    """Requests for an account, and for two items of another user, with their number of interactions."""
    store = workspace.store()
    items = store.history(store.user_row(stranger)).items[:2].tolist()
    account = receive(workspace, recognise(workspace, [member]), Terms())
    some = receive(workspace, recognise(workspace, [stranger], store.item_ids(items)), Terms())
    return [account, some], [len(store.history(store.user_row(member))), 2]


def test_a_plan_is_the_union_and_counts_for_each(workspace, received):
    requests, counts = received
    batch = plan(workspace, workspace.requests(), requests, Terms())
    assert [batch.counts[each.request_id][0] for each in requests] == counts
    assert len(batch.plan.pairs) == sum(counts)
    assert batch.counts[requests[1].request_id][1] == 0  # of a stranger nothing was trained on
    assert trained_on(workspace, workspace.requests(), requests) == len(batch.plan.train)
    assert (batch.name, batch.reached) == (requests[0].request_id, "planned")


def test_planning_leaves_the_data_alone(workspace, received):
    before = hashes(workspace.store_dir)
    plan(workspace, workspace.requests(), received[0], Terms())
    assert hashes(workspace.store_dir) == before


def test_what_was_planned_is_begun_and_waits_no_more(workspace, received):
    requests = workspace.requests()
    assert (begun(requests), len(waiting(requests))) == ([], 2)
    batch = plan(workspace, requests, received[0], Terms())
    assert (begun(requests), waiting(requests)) == ([batch.name], [])


def test_a_batch_is_read_back_as_it_was_written(workspace, received):
    batch = plan(workspace, workspace.requests(), received[0], Terms(keep="1"))
    found = Batch.load(workspace.requests(), workspace.requests().get(batch.name))
    for name in ("users", "items", "weights", "times"):
        for one, other in ((found.plan.pairs, batch.plan.pairs), (found.plan.train, batch.plan.train)):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert found.plan.accounts.tolist() == batch.plan.accounts.tolist()
    assert (found.ids, found.terms, found.plan.fingerprint) == (
        batch.ids,
        batch.terms,
        batch.plan.fingerprint,
    )
    assert (found.resumed, batch.resumed) == (True, False)


def test_the_working_directory_holds_rows_and_no_id(workspace, received):
    plan(workspace, workspace.requests(), received[0], Terms())
    assert holding(workspace.erasure_dir, "canary") == []


def test_a_forget_set_that_is_damaged_is_named(workspace, received):
    batch = plan(workspace, workspace.requests(), received[0], Terms())
    (batch.directory / FORGET_SET_FILE).write_bytes(b"")
    with pytest.raises(LostRequest, match=rf"the working directory of {batch.name} is damaged"):
        Batch.load(workspace.requests(), workspace.requests().get(batch.name))


@pytest.mark.parametrize("lost", [False, True])
def test_after_another_ingest_the_same_people_are_meant(workspace, received, lost, member):
    requests, counts = received
    if lost:  # an account can be told from the ledger alone
        (workspace.requests().working(requests[0].request_id) / ASKED_FILE).unlink()
    ingest(interactions(), workspace.store_dir, IngestOptions(n_buckets=2, seed=7, replace=True))
    batch = plan(workspace, workspace.requests(), requests, Terms())
    assert [batch.counts[each.request_id][0] for each in requests] == counts
    assert batch.plan.accounts.tolist() == [workspace.store().user_row(member)]


def test_lost_items_cannot_be_told_from_the_ledger(workspace, received):
    request = received[0][1]
    (workspace.requests().working(request.request_id) / ASKED_FILE).unlink()
    with pytest.raises(LostRequest, match="does not tell which items it is about: ask for them once more"):
        plan(workspace, workspace.requests(), [request], Terms())


def test_what_was_taken_apart_can_be_put_together(pristine, member):
    splits, row = pristine.store().splits(), pristine.store().user_row(member)
    train = splits.train
    again = merged(train.without_users([row]), train.of_users([row]))
    for name in ("users", "items", "weights", "times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(train, name))
