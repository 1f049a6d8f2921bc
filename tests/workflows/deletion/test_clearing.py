"""The search for the forgotten vectors, by a process that begins after their table was purged."""

import numpy as np
import pytest
from workspace_contents import recommender

from recsys_unlearn.errors import PartiallyDone
from recsys_unlearn.workflows.deletion import clearing
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.resume import resume


@pytest.fixture
def crashed(workspace, member, monkeypatch):
    """A deletion that stopped after the purge and before the search; row and vector of who is forgotten."""

    def full(*_):
        raise OSError(28, "No space left on device")

    row = workspace.store().user_row(member)
    vector = recommender(workspace).user_table[row].copy()
    with monkeypatch.context() as disk:
        disk.setattr(clearing, "search", full)
        with pytest.raises(PartiallyDone, match="is at verified"):
            forget(workspace, [member], verify=False)
    assert [each.number for each in workspace.registry().versions()] == [2]  # the table is purged
    assert vector.any()
    return row, vector


def test_a_reopened_deletion_knows_the_rows_of_the_purged_table(workspace, crashed):
    row, vector = crashed
    requests = workspace.requests()
    batch = Batch.load(requests, requests.open()[0])
    (target,) = clearing.targets(batch, workspace.store(), workspace.registry())
    assert target.row == row
    np.testing.assert_array_equal(np.stack(target.vectors), vector[None])


@pytest.mark.parametrize("planted", [False, True])
def test_a_copy_of_the_vector_is_found_after_the_crash(workspace, crashed, planted):
    copy = workspace.root / "mlruns" / "artifacts" / "copy.npy"
    if planted:
        np.save(copy, crashed[1])
    (outcome,) = resume(workspace).requests
    assert outcome.status == "completed"
    places = ["mlruns/artifacts/copy.npy: vector"] if planted else []
    assert (outcome.residue["places"], bool(outcome.residue["hits"])) == (places, planted)
    assert list(workspace.root.rglob(clearing.VECTORS_FILE)) == []
    assert list((workspace.erasure_dir / "requests").iterdir()) == []


def test_who_has_no_vector_any_more_is_searched_by_the_rest(workspace, crashed):
    requests = workspace.requests()
    batch = Batch.load(requests, requests.open()[0])
    (batch.directory / clearing.VECTORS_FILE).unlink()
    (target,) = clearing.targets(batch, workspace.store(), workspace.registry())
    assert (target.vectors, target.row) == ((), crashed[0])
