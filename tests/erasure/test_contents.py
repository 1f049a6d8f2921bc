"""Each format by itself: what of a file is looked at, and as what."""

import io
import json
import sqlite3
import struct
from contextlib import closing

import numpy as np
import polars as pl
import pytest

from erasure.planting import ITEMS, NAME, NUMBER, ROW, SHORT, STORE_ID, VECTOR, image_of
from recsys_unlearn.erasure.contents import Source, Unreadable, findings
from recsys_unlearn.erasure.search import Search
from recsys_unlearn.erasure.target import Target


@pytest.fixture
def found(tmp_path):
    """Findings, without their target, of some contents under a name in an empty directory."""

    def look(contents, target=SHORT, name="a.x"):
        data = contents if isinstance(contents, bytes) else contents.encode()
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return {each[1:] for each in findings(Source(path, memoryview(data)), Search([target]))}

    return look


def parquet(**columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


# --- texts ---------------------------------------------------------------------------------------

USER, FIELD = ("id", "column 'user'"), ("id", "field 'user'")


@pytest.mark.parametrize("separator", ["::", "\t", ",", ";", "|"])
def test_lines_that_begin_with_a_number_begin_with_a_user(found, separator):
    lines = [separator.join(line) for line in (("196", "a", "x"), ("7", "b", "y"), ("6", "7", "7"))]
    assert found("\n".join(lines)) == {USER}
    assert found("\n".join(lines).replace("7", '"7"')) == {USER}
    assert found("\n".join([lines[0], lines[2]])) == set()
    assert found("\n".join(["u" + lines[0], *lines[1:]])) == set()


@pytest.mark.parametrize("separator", ["::", "\t", ",", ";", "|"])
def test_a_head_says_which_column_is_of_users(found, separator):
    head, line = separator.join(["n", '"user"', "m"]), separator.join(["1", "7", "2"])
    other = separator.join(["7", "1", "7"])
    assert found("\r\n".join([head, other, line])) == {USER}
    assert found("\r\n".join([head, other])) == set()
    rows = head.replace('"user"', "user_row")
    assert found("\n".join([rows, line])) == set()


def test_another_separator_may_stand_as_often_in_each_line(found):
    assert found("n;user;a,b\n1;7;c,d\n") == {USER}


def test_twenty_lines_tell_a_table(found):
    lines = ["7,1", *["5,1"] * 18]
    assert found("\n".join([*lines, "6,1", "6,1,1"])) == {USER}
    assert found("\n".join([*lines, "6,1,1", "6,1"])) == set()
    assert found("\n".join([*lines, "x,1"])) == set()
    assert found("\n\n" + "\n\n".join(lines)) == {USER}


def test_items_of_users_are_lines_of_numbers(found):
    assert found("0 5 6 8\n7 9 8 \n") == {USER}
    assert found("0 5 6 8\n1 7 7\n") == set()
    assert found("0 5 6 8\n7 9 x\n") == set()
    assert found("0\n7\n") == set()
    assert found("") == set()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_text_has_one_of_three_encodings(found, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    assert found((mark + '{"user": "7"}').encode(encoding)) >= {FIELD}
    assert found((mark + "n,user\n1,7\n").encode(encoding)) >= {USER}


def test_bytes_that_may_be_a_text_are_also_bytes(found):
    for mark in (b"\xff\xfe", b"\xfe\xff"):
        assert found(mark + NAME.text.encode(), NAME) == {("id", "byte 2")}
        assert found(mark + NAME.text.encode() + b"\xff", NAME) == {("id", "byte 2")}  # half a letter
    assert found(NAME.text.encode() + b"\0", NAME) == {("id", "byte 0")}
    assert found(NAME.text.encode(), NAME) == {("id", "byte 0 of the text")}


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        (' {"user": "7"}', {FIELD}),
        ('{"a": [{"user": 7}]}', {FIELD}),
        ('{"user": [8, [7]]}', {FIELD}),
        ('{"user": {"7": 1}}', {FIELD}),
        ('{"kind": "user", "7": "\\n"}', set()),
        ('{"user": {"x": 7}}', set()),
        ('{"user": [{"x": 7}]}', set()),
        ('[{"user": 7}]', {FIELD}),
        ('{"n": 1}\n{torn\n{"user": 7}', {FIELD}),
        ('{"n": 1}\n' + '{"a":' * 100_000 + '\n{"user": 7}', {FIELD}),
        ('{"n": 7, "users": 7}', set()),
        ('"user"', set()),
    ],
)
def test_json_has_fields_and_lists(found, text, hits):
    assert {hit for hit in found(text) if hit[1] != "beside the word user"} == hits


def test_in_json_what_stands_beside_an_escape_is_a_word(found):
    assert found(json.dumps({"note": f"of\n{NAME.text}\n"}), NAME) == {("id", "byte 8 of the text")}


# --- databases -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "value"), [("key", "value"), ("tag_key", "tag_value"), ("name", "value")])
def test_a_key_says_whose_value_it_is(found, key, value):
    create = f"CREATE TABLE t ({key} TEXT, {value} TEXT)"
    rows = "INSERT INTO t VALUES ('user_row', NULL), (NULL, '7'), ('n', '7'), ('user', '7')"
    assert found(image_of(create, rows)) == {FIELD}
    assert found(image_of(create, rows.replace("'user'", "'used'"))) == set()
    assert found(image_of(create.replace(value, "other"), rows)) == set()


@pytest.mark.parametrize("column", ["id", "name", "key", "user"])
def test_a_table_of_users_holds_them_whatever_its_columns_are_called(found, column):
    rows = "INSERT INTO {} VALUES (1, '7')"
    hit = {("id", f"column {column!r}")}
    assert found(image_of(f"CREATE TABLE users (n, {column})", rows.format("users"))) == hit
    other = found(image_of(f"CREATE TABLE others (n, {column})", rows.format("others")))
    assert other == (hit if column == "user" else set())


def test_a_table_of_users_has_their_rows(found, tmp_path):
    made = image_of("CREATE TABLE users (row INTEGER, n)", f"INSERT INTO users VALUES ({ROW}, 1)")
    hit = {("row", "column 'row' of 'users'")}
    assert found(made) == hit
    assert found(made.replace(b"users", b"items")) == set()
    (tmp_path / "store.json").write_text(json.dumps({"store_id": "another"}))
    assert found(made) == set()
    assert found(made, Target("7", row=ROW)) == hit  # who knows no store is searched for in all of them
    for spoiled in (json.dumps({"store_id": STORE_ID}), "{", "{}", "[]", json.dumps({"store_id": None})):
        (tmp_path / "store.json").write_text(spoiled)
        assert found(made, NAME) == hit


def test_a_blob_is_bytes_of_no_known_format(found):
    made = image_of("CREATE TABLE t (a)", f"INSERT INTO t VALUES (x'{NUMBER.text.encode().hex()}')")
    assert found(made) == set()
    number = struct.pack("<i", 20481).hex()
    made = image_of("CREATE TABLE t (a)", f"INSERT INTO t VALUES (x'ff{number}'), (NULL)")
    assert found(made, NUMBER) == {("id", "an integer at byte 1")}


def test_a_vector_is_found_in_a_dead_page(found):
    create, blob = "CREATE TABLE t (a)", f"INSERT INTO t VALUES (x'{VECTOR.tobytes().hex()}')"
    dead = image_of("PRAGMA secure_delete = OFF", create, blob, "DELETE FROM t")
    assert {kind for kind, _ in found(dead, NAME)} == {"vector"}


def test_a_damaged_database_is_searched_as_bytes(found):
    with pytest.raises(Unreadable, match=r"^damaged database \(\w+\)$"):
        found(b"SQLite format 3\0" + bytes(range(200)))


# --- parquet -------------------------------------------------------------------------------------


def test_a_bucket_has_rows_and_other_tables_have_ids(found, tmp_path):
    (tmp_path / "store.json").write_text(json.dumps({"store_id": STORE_ID}))
    rows = parquet(user=[ROW, 7], item=[1, 2])
    assert found(rows, name="inner/a.parquet") == {("row", "column 'user'")}
    assert found(rows, name="a.parquet") == {("id", "column 'user'")}
    assert found(rows, Target("7", row=7, store_id="another"), name="inner/a.parquet") == set()
    assert found(rows, name="inner/deep/a.parquet") == {("id", "column 'user'")}
    for column in (["7"], [7.0], [["7"]]):
        assert found(parquet(user=column), name="inner/a.parquet") == {("id", "column 'user'")}
    assert found(parquet(customer=[7]), name="inner/a.parquet") == {("id", "column 'customer'")}
    wide = parquet(user=pl.Series([2**64 - 1, ROW], dtype=pl.UInt64))
    assert found(wide, name="inner/a.parquet") == {("row", "column 'user'")}


def test_of_a_bucket_everything_but_its_own_columns_is_a_table(found, tmp_path):
    (tmp_path / "store.json").write_text("{}")
    plain = {"user": [1], "item": [7], "weight": [7], "time": [400_700_123_456], "split": [7]}
    target = Target("400700123456")
    assert found(parquet(**plain), target, name="inner/a.parquet") == set()
    assert found(parquet(**plain, n=plain["time"]), target, name="inner/a.parquet") == {("id", "column 'n'")}


def test_a_row_of_nobody_s_is_searched_for_items(found, tmp_path):
    (tmp_path / "store.json").write_text("{}")
    with closing(sqlite3.connect(tmp_path / "vault.db")) as vault, vault:
        vault.execute("CREATE TABLE users (row INTEGER, id TEXT)")
        vault.execute("INSERT INTO users VALUES (5, 'x')")
    theirs = parquet(user=[5] * 10, item=list(ITEMS))
    nobodys = parquet(user=[6] * 10, item=list(ITEMS))
    assert found(theirs, NAME, name="inner/a.parquet") == set()
    assert found(nobodys, NAME, name="inner/a.parquet") == {("items", "a group of column 'user'")}


def test_a_damaged_parquet_is_searched_as_bytes(found):
    with pytest.raises(Unreadable, match=r"^damaged parquet \(\w+\)$"):
        found(b"PAR1" + bytes(range(200)))


# --- arrays, indexes and the rest ----------------------------------------------------------------


def test_of_an_index_the_ids_at_its_end_are_looked_at(found):
    def index(*ids, vectors=bytes(64)):
        return (
            b"IxM2"
            + bytes(4)
            + struct.pack("<q", len(ids))
            + vectors
            + struct.pack(f"<{len(ids)}q", *ids)
            + bytes(32)
        )

    first, last = ("id", "an integer at byte 0"), ("id", "an integer at byte 16")
    assert found(index(20481, 5, 6), NUMBER, name="a.faiss") == {first}
    assert found(index(4, 5, 20481), NUMBER, name="a.faiss") == {last}
    before = struct.pack("<i", 20481)[:1]  # with the three bytes that follow it would be the number
    shifted = index(int.from_bytes(struct.pack("<i", 20481)[1:], "little"), 5, 6, vectors=bytes(63) + before)
    assert found(shifted, NUMBER, name="a.faiss") == set()
    assert found(shifted, NUMBER, name="a.bin") == {("id", f"an integer at byte {16 + 63}")}
    assert found(index(20481).replace(b"IxM2", b"IwM2"), NUMBER, name="a.faiss") == {first}
    assert found(b"Ivory" + struct.pack("<i", 20481) + b"\xff" * 40, NUMBER, name="a.faiss")
    assert found(index(1, vectors=NAME.text.encode()), NAME, name="a.faiss") == {("id", "byte 16")}


def test_an_npy_file_is_an_array_under_its_name(found):
    file = io.BytesIO()
    np.save(file, np.ones((60, 2)))
    hit = {("row", "array 'users', a line that is in use")}
    assert found(file.getvalue(), Target(None, row=3, n_users=60, n_items=60), name="users.npy") == hit
    assert found(file.getvalue(), Target(None, row=3, n_users=60, n_items=60), name="items.npy") == set()
    with pytest.raises(Unreadable, match=r"^npy: \w"):
        found(file.getvalue()[:-1])


def test_pictures_and_compressed_files_hold_no_numbers(found):
    number = struct.pack("<q", 20481)
    for start in (b"\x89PNG", b"\xff\xd8\xff", b"%PDF"):
        assert found(start + b"\xff" + number, NUMBER) == set()
        assert found(start + b"\xff" + NAME.text.encode(), NAME) == {("id", f"byte {len(start) + 1}")}
    for start in (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf"):
        with pytest.raises(Unreadable, match=r"^compressed$"):
            found(start + b"\xff" + number, NUMBER)
        assert found(b"\xff" + start + number, NUMBER)
