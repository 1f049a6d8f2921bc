import polars as pl
import pytest
from trained_workspace import interactions
from workspace_contents import hashes, holding

from recsys_unlearn.errors import Locked, NothingLeft
from recsys_unlearn.interactions import IngestOptions, InteractionStore
from recsys_unlearn.interactions import ingest as read_in
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.ingest import KIND, ingest
from recsys_unlearn.workspace import Workspace

OPTIONS = IngestOptions(n_buckets=2, replace=True)


def test_without_anybody_erased_it_is_the_library_s(tmp_path):
    report = ingest(Workspace(tmp_path / "one"), interactions(), OPTIONS)
    plain = read_in(interactions(), tmp_path / "two", OPTIONS)
    assert (report.digest, report.suppressed, report.suppressed_rows) == (plain.digest, 0, 0)


def test_who_was_erased_is_left_out_as_if_the_source_did_not_have_them(workspace, member, tmp_path):
    forget(workspace, [member], verify=False)
    frame = interactions()
    report = ingest(workspace, frame, OPTIONS)
    clean = read_in(frame.filter(pl.col("user") != member), tmp_path / "clean", OPTIONS)
    assert report.suppressed_rows == (frame["user"] == member).sum() > 0
    assert (report.suppressed, report.rows_read, report.below_threshold) == (1, len(frame), 0)
    assert report.digest == clean.digest
    assert InteractionStore.open(tmp_path / "clean").user_ids() == workspace.store().user_ids()
    assert holding(workspace.root, member) == []
    assert workspace.ledger().entries()[-1].body["suppressed"] == 1
    assert workspace.ledger().entries()[-1].kind == KIND


def test_a_number_stays_out_when_the_column_has_become_text(tmp_path):
    workspace = Workspace(tmp_path)
    frame = pl.DataFrame({"user": [7, 7, 8, 8, 9, 9, 10, 10], "item": [1, 2] * 4})
    options = IngestOptions(n_buckets=1, strangers=0, test_fraction=0, validation_fraction=0, replace=True)
    ingest(workspace, frame, options)
    forget(workspace, [7])
    text = frame.with_columns(pl.col("user").cast(pl.String), pl.col("item").cast(pl.String))
    more = pl.concat([text, pl.DataFrame({"user": ["007", "x"], "item": ["1", "2"]})])
    assert ingest(workspace, more, options).suppressed == 1
    assert sorted(workspace.store().user_ids().values()) == ["007", "10", "8", "9", "x"]


def test_nobody_left(tmp_path):
    workspace, frame = Workspace(tmp_path), pl.DataFrame({"user": ["a", "a", "b", "b"], "item": [1, 2, 1, 2]})
    options = IngestOptions(n_buckets=1, strangers=0, test_fraction=0, validation_fraction=0, replace=True)
    ingest(workspace, frame, options)
    forget(workspace, ["a"])
    before = hashes(workspace.store_dir)
    with pytest.raises(NothingLeft, match="was erased from this workspace before"):
        ingest(workspace, frame.filter(pl.col("user") == "a"), options)
    assert hashes(workspace.store_dir) == before


def test_while_somebody_else_is_at_work(workspace):
    with workspace.locked("train"), pytest.raises(Locked, match="`train`"):
        ingest(workspace, interactions(), OPTIONS)
