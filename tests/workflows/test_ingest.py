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


def _items_of(workspace, user, n):
    store = workspace.store()
    return store.item_ids(store.history(store.user_row(user)).items[:n].tolist())


def test_single_items_that_were_erased_are_left_out_as_if_the_source_did_not_have_them(
    workspace, member, stranger, tmp_path
):
    frame, items = interactions(), _items_of(workspace, member, 3)
    forget(workspace, [member], items, verify=False)
    forget(workspace, [stranger], verify=False)
    report = ingest(workspace, frame, OPTIONS)
    is_pair = (pl.col("user") == member) & pl.col("item").is_in(items)
    clean = frame.filter(~is_pair & (pl.col("user") != stranger))
    assert (report.suppressed, report.suppressed_pairs) == (1, 3)
    assert report.suppressed_rows == len(frame) - len(clean)
    assert report.digest == read_in(clean, tmp_path / "clean", OPTIONS).digest
    assert not set(items) & set(_items_of(workspace, member, None))
    assert forget(workspace, [member], items).status == "already erased"


def test_a_pair_stays_out_when_the_columns_have_become_text(tmp_path):
    workspace = Workspace(tmp_path)
    frame = pl.DataFrame({"user": [7, 7, 8, 8], "item": [1, 2, 1, 2]})
    options = IngestOptions(n_buckets=1, strangers=0, test_fraction=0, validation_fraction=0, replace=True)
    ingest(workspace, frame, options)
    forget(workspace, [7], [1])
    text = frame.with_columns(pl.all().cast(pl.String))
    assert ingest(workspace, text, options).suppressed_pairs == 1
    kept = workspace.store().to_frame().sort("user", "item").select("user", "item").rows()
    assert kept == [("7", "2"), ("8", "1"), ("8", "2")]


def test_the_ledger_keeps_no_digest_that_an_old_copy_of_the_data_could_be_tried_against(workspace, member):
    digests = {workspace.store().digest}
    forget(workspace, [member], verify=False)
    digests.add(workspace.store().digest)
    digests.add(ingest(workspace, interactions(), OPTIONS).digest)
    text = (workspace.erasure_dir / "ledger.jsonl").read_text()
    receipts = "".join(path.read_text() for path in workspace.erasure_dir.glob("receipts/*.json"))
    assert not [digest for digest in digests if digest in text + receipts]
    assert workspace.key().data(workspace.store().digest) in text
