"""What looks like a person and is another."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from erasure.canaries import CREATE, DISTINCTIVE, FILL
from erasure.planting import (
    DIM,
    ITEM_IDS,
    ITEMS,
    MODEL,
    N_ITEMS,
    N_USERS,
    NAME,
    ROW,
    VECTOR,
    array,
    binary_file,
    bucket,
    database_file,
    frame_file,
    kinds,
    row_in_vault,
    text_file,
    weights,
    weights_of_bfloat16,
)
from recsys_unlearn.erasure.residue import Target, scan

OTHER_PEOPLE = {
    "longer ids": text_file("a.txt", lambda t: f"{t.text}1 0{t.text} {t.text}é user x{t.text}"),
    "longer ids in a database": database_file(
        "a.db", CREATE, FILL, ("INSERT INTO t VALUES (?, 1)", lambda t: (f"{t.text}0",))
    ),
    "a long history": frame_file("a.parquet", user=lambda _: [1] * N_ITEMS, item=lambda _: range(N_ITEMS)),
    "half of the items": array("a.npy", lambda _: np.array([*ITEMS[:8], 1, 2, 4, 5])),
    "the items far apart": array(
        "a.npy", lambda _: np.repeat(np.array(ITEMS), 3) + np.tile([0, 1000, 2000], 10)
    ),
    "one item again and again": array("a.npy", lambda _: np.tile(np.array(ITEMS[:2]), 40)),
    "every item in order": array("a.npy", lambda _: np.arange(N_ITEMS)),
    "two numbers of the vector": text_file("a.txt", lambda _: f"{VECTOR[0]} {VECTOR[1]}"),
    "columns of other kinds": frame_file("a.parquet", flag=lambda _: [True, None], n=lambda _: [None, None]),
    "a header that is none": binary_file("a.bin", lambda _: b"\4\0\0\0\0\0\0\0{'a'}" + b"\xff"),
    "a line of zeros": array("users.npy", lambda _: np.zeros((N_USERS, 2))),
    "numbers like it": text_file("a.json", lambda _: json.dumps([round(float(x), 3) for x in VECTOR])),
}


@pytest.mark.parametrize("plant", OTHER_PEOPLE.values(), ids=OTHER_PEOPLE)
def test_other_people_are_no_hit(workspace, plant):
    plant(workspace, NAME)
    assert scan(workspace, NAME).hits == []


def test_a_twin_who_is_still_there_is_no_hit(workspace):
    bucket(workspace, NAME, rows=(12,))
    assert scan(workspace, NAME).hits == []


def test_rows_of_another_store_are_other_people(workspace):
    bucket(workspace, NAME)
    row_in_vault(workspace, NAME)
    weights(workspace, NAME, user_table=np.ones((N_USERS, DIM), np.float32))
    assert {kind for _, kind in kinds(workspace, NAME)} == {"row"}
    other = Target(
        **vars(NAME) | {"store_id": "another", "foreign_models": frozenset({"m-0123"}), "items": ()}
    )
    assert kinds(workspace, other) == []
    (workspace / "data/store/store.json").write_text("{")
    assert {path for path, _ in kinds(workspace, other)} == {
        "data/store/interactions/bucket=000.1.parquet",
        "data/store/vault.db",
    }


def test_lines_that_hold_nothing_are_no_hit(workspace):
    weights_of_bfloat16(workspace, 0xFF80)  # minus infinity
    groups = np.where(np.arange(N_USERS) == ROW, -1, 3).astype(np.int32)
    save_file({"user_group": groups, "flags": np.zeros(N_USERS, bool)}, workspace / "a.safetensors")
    np.save(workspace / "b.npy", np.ones(3, np.complex64))
    assert scan(workspace, NAME).hits == []


def test_as_many_users_as_items_are_told_apart_by_name(workspace):
    square = Target(None, row=ROW, n_users=N_USERS, n_items=N_USERS, store_id="another")
    (workspace / MODEL / "weights.safetensors").unlink()
    for name, hit in (("item_table", False), ("user_table", True), ("log_partition", True)):
        save_file({name: np.ones(N_USERS, np.float32)}, workspace / "a.safetensors")
        assert bool(kinds(workspace, square)) == hit


def test_without_a_vault_every_row_is_nobody_s(workspace):
    (workspace / "data/store/vault.db").unlink()
    bucket(workspace, NAME, rows=(12,))
    assert kinds(workspace, NAME) == [("data/store/interactions/bucket=000.1.parquet", "items")]


def test_a_table_that_cannot_be_parsed_is_still_a_text(workspace, monkeypatch):
    def refuse(*_, **__):
        raise pl.exceptions.ComputeError

    monkeypatch.setattr(pl, "read_csv", refuse)
    (workspace / "a.csv").write_text("user,n\nx,1\ncanary-12-7f3a,2\n")
    assert kinds(workspace, NAME) == [("a.csv", "id")]


@pytest.mark.parametrize(("text", "found"), [("anna", False), ("annab", True), ("20481", True)])
def test_from_five_letters_on_an_id_is_searched_for_in_dead_pages(workspace, text, found):
    plant, _ = DISTINCTIVE["free page"]
    assert bool(kinds(workspace, Target(text), skip=[workspace / plant(workspace, Target(text))])) is False
    assert bool(kinds(workspace, Target(text))) is found


def test_a_group_of_nine_of_ten_is_enough(workspace):
    """Among the rows of somebody else, so that no column holds them side by side."""
    for name, theirs, others in (
        ("item", ITEMS[1:], range(1000, 1018)),
        ("text", ITEM_IDS[1:], "abcdefghijklmnopqr"),
    ):
        column = [
            each for own, *two in zip(theirs, others[::2], others[1::2], strict=True) for each in (own, *two)
        ]
        pl.DataFrame({"user": [9, 8, 8] * 9, name: column}).write_parquet(workspace / "a.parquet")
        (hit,) = scan(workspace, NAME).hits
        assert (hit.path, hit.kind, hit.where) == ("a.parquet", "items", "a group of column 'user'")


def test_json_nested_too_deeply_is_said(workspace, monkeypatch):
    from recsys_unlearn.erasure import contents

    def refuse(*_):
        raise RecursionError

    (workspace / "a.json").write_text('{"note": "canary-12-7f3a"}')
    monkeypatch.setattr(contents, "_fields", refuse)
    found = scan(workspace, NAME)
    assert [hit.path for hit in found.hits] == ["a.json"]
    assert "a.json: nested too deeply" in found.unread


def test_of_many_lists_each_is_found(workspace):
    draw = np.random.default_rng(8)
    people = [Target(None, items=tuple(draw.choice(N_ITEMS, 20, replace=False).tolist())) for _ in range(20)]
    np.save(workspace / "a.npy", np.array(people[13].items))
    assert [hit.target for hit in scan(workspace, people).hits] == [13]


def test_plain_vectors_and_few_items_are_not_looked_for(workspace):
    plain = np.zeros(DIM, np.float32)
    plain[0] = 1
    (workspace / "a.bin").write_bytes(b"\xff" + plain.tobytes() + np.array([1, 2, 3, 9], "<i4").tobytes())
    assert scan(workspace, Target("canary-12-7f3a", vectors=(plain,), items=(1, 2, 3, 9))).hits == []


def test_items_side_by_side_are_known_by_user_alone(workspace):
    side = Target(None, items=tuple(range(10, 20)), item_ids=tuple(map(str, range(10, 20))))
    np.save(workspace / "a.npy", np.arange(10, 20))
    (workspace / "a.txt").write_text(" ".join(map(str, range(10, 20))))
    assert scan(workspace, side).hits == []


def test_an_integer_below_the_size_of_an_index_is_a_place_in_it(workspace):
    import faiss

    for name, first in (("items", 0), ("users", 1000)):
        made = faiss.IndexIDMap2(faiss.IndexFlatIP(1))
        made.add_with_ids(np.zeros((12_000, 1), np.float32), np.arange(first, first + 12_000))
        faiss.write_index(made, str(workspace / f"{name}.faiss"))
    assert kinds(workspace, Target(11_999)) == []
    assert kinds(workspace, Target(12_000)) == []
    assert kinds(workspace, Target(12_001)) == [("users.faiss", "id")]
