import json
import os
import time

import numpy as np
import polars as pl
import pytest

from recsys_unlearn.errors import StoreError, UnknownItem, UnknownUser, UsageError
from recsys_unlearn.interactions import Erased, Interactions, InteractionStore

EVERYTHING = ("train", "validation", "test", "strangers", "strangers_held_out")


@pytest.fixture
def store(make_store, frame):
    return make_store(frame, strangers=0.2)


def test_splits_are_sorted_disjoint_and_complete(store, frame):
    parts = [getattr(store.splits(), name) for name in EVERYTHING]
    codes = np.concatenate([part.pair_codes for part in parts])
    assert len(np.unique(codes)) == len(codes) == len(frame)
    assert all((np.diff(part.pair_codes) > 0).all() and len(part) > 0 for part in parts)
    assert {name: len(part) for name, part in zip(EVERYTHING, parts, strict=True)} == store.sizes
    assert all(part.n_users == 60 and part.n_items == 40 for part in parts)


def test_arrays_are_of_the_contract_and_may_be_written(store):
    train = store.splits().train
    kinds = [array.dtype for array in (train.users, train.items, train.weights, train.times)]
    assert kinds == [np.int32, np.int32, np.float32, np.int64]
    train.items[0] = 0


def test_content_is_what_was_ingested(store, frame):
    found = store.to_frame().drop("split").rename({"weight": "rating"}).select(frame.columns)
    assert sorted(found.rows()) == sorted(frame.rows())


def test_strangers_occur_in_no_other_part(store):
    splits = store.splits()
    strangers = set(splits.strangers.users)
    assert strangers == {row for row in range(60) if store.is_stranger(row)}
    assert not strangers & set(
        np.concatenate([splits.train.users, splits.validation.users, splits.test.users])
    )


def test_the_latest_are_the_test_set(store):
    splits = store.splits()
    for row in splits.test.active_users:
        newest_known = splits.train.of_users([row]).times.max()
        assert splits.test.of_users([row]).times.min() >= newest_known


def test_history_is_one_user_whole(store, frame, canary):
    row = store.user_row(canary)
    history = store.history(row)
    expected = frame.filter(pl.col("user") == canary)
    assert set(history.users) == {row}
    assert sorted(store.item_ids(history.items)) == sorted(expected["item"])
    assert sorted(history.times) == sorted(expected["time"])


def test_items_both_ways(store):
    assert [store.item_row(item) for item in store.item_ids([3, 0, 39])] == [3, 0, 39]
    with pytest.raises(
        UnknownItem, match="no such item in this workspace's catalogue: check the id's spelling"
    ):
        store.item_row("item-99")
    with pytest.raises(UnknownItem, match="item rows go from 0 to 39"):
        store.item_ids([40])


def test_unknown_users_are_not_named(store):
    with pytest.raises(UnknownUser, match="never ingested, filtered out, or forgotten") as caught:
        store.user_row("stranger-than-fiction")
    assert "fiction" not in str(caught.value)
    with pytest.raises(
        UnknownUser, match="user row 60 has no id in this workspace: forgotten, or no such row"
    ):
        store.user_id(60)


def test_erasing_an_account(store, frame, content, canary):
    row, before = store.user_row(canary), content(store)
    assert store.erase([row]) == Erased(1, frame.filter(pl.col("user") == canary).height)
    reopened = InteractionStore.open(store.directory)
    assert content(reopened) == content(store) == {one for one in before if one[0] != canary}
    assert (reopened.generation, reopened.n_users, len(reopened.history(row))) == (1, 60, 0)
    assert row not in reopened.known_rows()
    for lost in (lambda: reopened.user_row(canary), lambda: reopened.user_id(row)):
        with pytest.raises(UnknownUser):
            lost()


def test_erasing_pairs_keeps_the_account(store, content, canary):
    row, before = store.user_row(canary), content(store)
    history = store.history(row)
    some = history.where(np.arange(len(history)) < 3)
    gone = {(canary, item) for item in store.item_ids(some.items)}
    assert store.erase(pairs=some) == Erased(0, 3)
    assert content(store) == {one for one in before if one[:2] not in gone}
    assert store.user_row(canary) == row


def test_an_account_without_interactions_can_still_be_erased(store, canary, files_with):
    row = store.user_row(canary)
    store.erase(pairs=store.history(row))
    assert store.erase([row]) == Erased(1, 0)
    assert files_with(store.directory, canary) == []


def test_erasing_accounts_and_pairs_of_others_at_once(store):
    pairs = Interactions.from_pairs([1, 1], store.history(1).items[:2], 60, 40)
    expected = len(store.history(0)) + 2
    assert store.erase([0, 0], pairs) == Erased(1, expected)


def test_erasing_twice_writes_nothing(store, tree):
    store.erase([5, 6])
    before = tree(store.directory)
    times = {path: path.stat().st_mtime_ns for path in before}
    assert (
        store.erase([5, 6])
        == store.erase()
        == store.erase(pairs=store.splits().train.of_users([]))
        == Erased(0, 0)
    )
    assert tree(store.directory) == before
    assert {path: path.stat().st_mtime_ns for path in before} == times


def test_erasing_in_any_order_gives_one_content(make_store, frame):
    first, second = make_store(frame, "first"), make_store(frame, "second")
    for row in (3, 40, 7):
        first.erase([row])
    second.erase([7, 40, 3])
    assert (first.digest, first.sizes) == (second.digest, second.sizes)


def test_erasing_everybody(store):
    assert store.erase(range(60)).users == 60
    assert sum(InteractionStore.open(store.directory).sizes.values()) == 0
    assert len(store.splits().train) == 0


def test_only_touched_buckets_are_rewritten(store):
    files = {path.name: path.stat().st_ino for path in (store.directory / "interactions").iterdir()}
    store.erase([0])
    after = {path.name: path.stat().st_ino for path in (store.directory / "interactions").iterdir()}
    assert set(files) - set(after) == {"bucket=000.parquet"}
    assert set(after) - set(files) == {"bucket=000.1.parquet"}
    assert all(after[name] == files[name] for name in set(files) & set(after))


def test_others_keep_rows_and_splits(store, content):
    before, rows = content(store), {store.user_id(row): row for row in range(1, 60)}
    gone = store.user_id(0)
    store.erase([0])
    assert content(store) == {one for one in before if one[0] != gone}
    assert {store.user_id(row): row for row in store.known_rows()} == rows


def test_no_byte_of_an_erased_id_is_left(store, canary, files_with):
    assert [path.name for path in files_with(store.directory, canary)] == ["vault.db"]
    store.erase([store.user_row(canary)])
    assert files_with(store.directory, canary) == []
    assert files_with(store.directory, canary[:14]) == []


def test_statistics_of_a_rewritten_bucket_are_of_what_remains(make_store):
    """The erased user alone has the time 999999999; as min/max statistics it would stay readable."""
    rows = [(f"u{n}", f"i{n % 3}", 999_999_999 if n == 4 else n) for n in range(9)]
    store = make_store(pl.DataFrame(rows, schema=["user", "item", "time"], orient="row"), n_buckets=1)
    needle = (999_999_999).to_bytes(8, "little")
    path = store.directory / "interactions" / "bucket=000.parquet"
    assert needle in path.read_bytes()
    store.erase([store.user_row("u4")])
    assert not any(needle in path.read_bytes() for path in store.directory.rglob("*") if path.is_file())


def test_ids_are_nowhere_but_in_the_vault(store, frame, files_with):
    for user in frame["user"].unique():
        assert [path.name for path in files_with(store.directory, user)] == ["vault.db"]


def test_a_manifest_holds_no_name_of_a_source(tmp_path, make_store, frame):
    frame.write_csv(tmp_path / "jane-doe.csv")
    store = make_store(tmp_path / "jane-doe.csv", test=tmp_path / "jane-doe.csv")
    assert "jane-doe" not in (store.directory / "store.json").read_text()


def test_an_unknown_row_is_refused_and_nothing_changes(store, tree):
    before = tree(store.directory)
    for rows in ([60], [-1], [0, 10**9]):
        with pytest.raises(UsageError, match="user rows go from 0 to 59: look them up with user_row"):
            store.erase(rows)
    assert tree(store.directory) == before


def test_digest_sees_every_change(make_store, frame):
    digests = {make_store(frame, "whole").digest, make_store(frame.head(-1), "fewer").digest}
    digests.add(make_store(frame, "split", test_fraction=0.5).digest)
    assert len(digests) == 3


def test_opening_where_there_is_no_store(tmp_path):
    with pytest.raises(StoreError, match=r"no store in .*: run `recsys-unlearn ingest SOURCE` first"):
        InteractionStore.open(tmp_path / "none")


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"{", b"\xff", b'{"format_version": 1}'])
def test_a_damaged_manifest(store, damage):
    (store.directory / "store.json").write_bytes(damage)
    with pytest.raises(
        StoreError, match=r"store.json is damaged: restore the store from a backup, or ingest again"
    ):
        InteractionStore.open(store.directory)


@pytest.mark.parametrize("change", [{"digest": "0" * 32}, {"sizes": {}}, {"extra": 1}, {"buckets": [1]}])
def test_a_manifest_that_contradicts_itself(store, change):
    path = store.directory / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match="is damaged"):
        InteractionStore.open(store.directory)


def test_a_store_of_a_later_release(store):
    path = store.directory / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 2}))
    with pytest.raises(StoreError, match="is of format 2, this release reads 1: upgrade it"):
        InteractionStore.open(store.directory)


@pytest.mark.parametrize("damage", ["missing", "truncated", "another bucket's"])
def test_a_damaged_bucket_stops_reading_and_erasing(store, tree, damage):
    first, second = (store.directory / "interactions" / f"bucket=00{n}.parquet" for n in range(2))
    raw = {"missing": None, "truncated": first.read_bytes()[:-9], "another bucket's": second.read_bytes()}[
        damage
    ]
    first.unlink() if raw is None else first.write_bytes(raw)
    before = tree(store.directory)
    for use in (store.splits, lambda: store.history(0), lambda: store.erase([0])):
        with pytest.raises(
            StoreError, match="are damaged, or another process has just changed them: open the"
        ):
            use()
    assert tree(store.directory) == before


def test_a_damaged_catalogue(store):
    (store.directory / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"items.parquet is missing or damaged: restore it"):
        store.item_ids([0])


def test_a_store_that_another_process_changed_asks_to_be_opened_again(store):
    other = InteractionStore.open(store.directory)
    other.erase([0])
    with pytest.raises(StoreError, match="open the store again"):
        store.splits()


def test_opening_sweeps_what_a_crash_left_but_not_what_is_at_work(store):
    old, young, stray = (
        store.directory / name for name in (".tmp-old", ".tmp-young", "interactions/bucket=001.7.parquet")
    )
    for path in (old, young, stray):
        path.write_bytes(b"half")
    for path in (old, stray):
        os.utime(path, (time.time() - 7200,) * 2)
    InteractionStore.open(store.directory)
    assert (old.exists(), young.exists(), stray.exists()) == (False, True, False)
    store.erase()
    assert not young.exists()


def test_an_erasure_that_lost_the_id_and_not_the_data_is_finished_first(store):
    lost = int(store.splits().train.active_users[0])
    store._vault.erase([lost])
    assert lost in store.splits().user_rows()
    assert lost not in store.settled_splits().user_rows()
    assert len(store.history(lost)) == 0


def test_settling_what_is_settled_writes_nothing(store):
    before = store.generation
    store.settled_splits()
    assert store.generation == before
