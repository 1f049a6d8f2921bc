"""The search by itself, of bytes, texts and tables: where else in a file it would be found cannot help it."""

import struct

import numpy as np
import polars as pl
import pytest

from erasure.planting import DIM, ITEM_IDS, ITEMS, LONG_NUMBER, NAME, NUMBER, ROW, SHORT, STORE_ID, VECTOR
from recsys_unlearn.erasure.search import Search
from recsys_unlearn.erasure.target import Target

TEXT = f"of {NAME.text}!"
IDS = {
    "text": pl.Series([TEXT, None]),
    "categories": pl.Series([TEXT, None], dtype=pl.Categorical),
    "enumeration": pl.Series([TEXT, None], dtype=pl.Enum([TEXT])),
    "list": pl.Series([["a", TEXT], None]),
    "struct": pl.Series([{"a": {"b": TEXT}}, None]),
    "binary": pl.Series([TEXT.encode(), None]),
}
OTHERS = {
    "items": pl.Series([*ITEMS, None]),
    "list of items": pl.Series([[1, 2], list(ITEMS), None]),
    "vector": pl.Series([*VECTOR.tolist(), None]),
    "list that is a vector": pl.Series([[0.5] * DIM, VECTOR.tolist(), None], dtype=pl.List(pl.Float32)),
    "array that is a vector": pl.Series([VECTOR.tolist(), None], dtype=pl.Array(pl.Float64, DIM)),
}
KINDS = dict.fromkeys(IDS, "id") | {name: "items" if "items" in name else "vector" for name in OTHERS}


@pytest.mark.parametrize("name", KINDS)
def test_a_column_of_any_type_is_looked_through(name):
    frame = pl.DataFrame({"n": (IDS | OTHERS)[name]})
    assert {(target, kind) for target, kind, _ in Search([NAME]).in_table(frame)} == {(0, KINDS[name])}


def test_a_vector_may_lie_across_columns_in_two_precisions():
    cells = {f"d{element}": pl.Series([0.5, value], dtype=pl.Float32) for element, value in enumerate(VECTOR)}
    frame = pl.DataFrame(cells).with_columns(pl.col("d0", "d3").cast(pl.Float64))
    assert {kind for _, kind, _ in Search([NAME]).in_table(frame)} == {"vector"}
    assert list(Search([NAME]).in_table(frame.select("d0", "d5", "d9"))) == []


def test_columns_that_hold_nobody_give_nothing():
    columns = {"flag": [True, None], "n": [None, None], "text": ["x", None], "day": [1.5, None]}
    assert list(Search([NAME]).in_table(pl.DataFrame(columns))) == []


@pytest.mark.parametrize("name", ["id", "n", "whom", "chat", "candidate", "lifetime"])
def test_a_number_of_nine_digits_is_the_person_in_any_column(name):
    for kind, target in ((pl.Int32, 123_456_789), (pl.Int64, 400_700_123_456), (pl.UInt64, 100_000_000)):
        frame = pl.DataFrame({name: pl.Series([5, target, None], dtype=kind)})
        assert list(Search([Target(target)]).in_table(frame)) == [(0, "id", f"column {name!r}")]
    frame = pl.DataFrame({name: [[5], [6, 400_700_123_456]]})
    assert list(Search([LONG_NUMBER]).in_table(frame)) == [(0, "id", f"column {name!r}")]


TIMES = ["time", "timestamp", "start_time", "creation_timestamp_ms", "start_time_unix_nano", "unixReviewTime"]
TIMES += ["created_at", "createdAt", "timestamps", "ts", "TS", "date", "visit datetime", "last.update.time"]


@pytest.mark.parametrize("name", TIMES)
def test_a_time_is_no_id(name):
    """Seconds since 1970 have nine or ten digits, milliseconds thirteen: some are somebody's id."""
    frame = pl.DataFrame({name: [956_703_932, 1_795_276_778_389]})
    assert list(Search([Target(956_703_932), Target(1_795_276_778_389)]).in_table(frame)) == []


def test_eight_digits_are_a_count_or_a_row():
    frame = pl.DataFrame({"n": [99_999_999, 20_481, 7]})
    assert list(Search([Target(99_999_999), Target(20_481), Target(7)]).in_table(frame)) == []


def test_lists_are_taken_apart_however_deep():
    for cells in ([[[TEXT]]], [[{"a": [TEXT]}]], [[[TEXT.encode()]]]):
        assert (0, "id") in {found[:2] for found in Search([NAME]).in_table(pl.DataFrame({"n": cells}))}
    halves = pl.DataFrame(
        {"a": [NAME.text[:7], NAME.text[7:]], "b": [NAME.text[:4], "x"], "c": [NAME.text[4:], "x"]}
    )
    assert list(Search([NAME]).in_table(halves)) == []
    assert list(Search([NAME]).in_table(halves.cast(pl.Binary))) == []


USERS = {
    "user": pl.Series(["7", None]),
    "user_id": pl.Series([7, None]),
    "uid": pl.Series([7.0, None]),
    "customer": pl.Series(["7"], dtype=pl.Categorical),
    "users": pl.Series([["6", "7"], None]),
    "account": pl.Series([[[7]]]),
    "members": pl.Series([[6.0, 7.0]], dtype=pl.Array(pl.Float32, 2)),
}


@pytest.mark.parametrize("name", USERS)
def test_a_column_of_users_holds_ids_whole(name):
    frame = pl.DataFrame({name: USERS[name]})
    assert list(Search([SHORT]).in_table(frame)) == [(0, "id", f"column {name!r}")]
    assert list(Search([Target("77"), Target(6.5), NAME]).in_table(frame)) == []


def test_cells_stand_beside_nothing():
    cells = ["user", "7"]
    for frame in (pl.DataFrame({"a": cells}), pl.DataFrame({"a": cells[:1], "b": cells[1:]})):
        assert list(Search([SHORT]).in_table(frame)) == []
    assert list(Search([SHORT]).in_array("n", np.array(cells[::-1] + cells))) == [
        (0, "id", "an array of texts")
    ]


def test_what_is_no_column_of_users_holds_none():
    frame = pl.DataFrame({"users": [7], "n_user": [7], "userless": ["7"], "uid": [7.5], "user": [{"a": 7}]})
    assert list(Search([SHORT]).in_table(frame)) == []
    assert list(Search([SHORT]).in_table(frame, fields=["userless"])) == [(0, "id", "column 'userless'")]


@pytest.mark.parametrize(
    ("kind", "highest"),
    [(pl.Int32, 2**31 - 1), (pl.Int64, 2**63 - 1), (pl.UInt64, 2**64 - 1), (pl.Int128, 2**99)],
)
def test_rows_are_searched_for_in_integers_of_any_width(kind, highest):
    column = pl.Series("user_row", [ROW, highest, None], dtype=kind)
    assert list(Search([NAME]).in_table(column.to_frame())) == [(0, "row", "column 'user_row'")]
    other = Target("x", row=ROW + 1)
    assert list(Search([other]).in_table(column.to_frame())) == []
    assert list(Search([SHORT, NAME]).rows_in(column, "here", STORE_ID)) == [
        (0, "row", "here"),
        (1, "row", "here"),
    ]
    assert list(Search([NAME]).rows_in(column, "here", "another store")) == []
    assert list(Search([other, Target("x", row=ROW)]).rows_in(column, "here", "any")) == [(1, "row", "here")]
    assert list(Search([NAME]).rows_in(column.cast(pl.String), "here")) == []


def test_a_group_is_of_one_type_and_not_of_the_grouping_column():
    frame = pl.DataFrame({"user": [1] * 10 + [2] * 10, "n": [*ITEMS, *range(500, 510)]})
    where = "a group of column 'user'"
    assert (0, "items", where) in set(Search([NAME]).groups_in(frame, "user"))
    assert (0, "items", where) in set(
        Search([NAME]).groups_in(frame.with_columns(pl.Series("n", [*ITEM_IDS] * 2)), "user")
    )
    assert list(Search([NAME]).groups_in(frame.cast({"n": pl.Float64}), "user")) == []
    assert list(Search([NAME]).groups_in(frame, "n")) == []


# --- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("user", "7", "id"),
        ("user[]", "7", "id"),
        ("users[]", "7", "id"),
        ("users", "7", None),
        ("user", "77", None),
        ("other", "7", None),
        ("user_row", str(ROW), "row"),
        ("user_rows[]", str(ROW), "row"),
        ("user_row", "-33", None),
        ("user_row", "34", None),
        ("row", str(ROW), None),
    ],
)
def test_a_field_is_known_by_its_name(name, value, kind):
    found = [(0, kind, f"field {name.removesuffix('[]')!r}")] if kind else []
    assert list(Search([SHORT]).in_fields([("x", "y"), (name, value)])) == found


# --- bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_where_an_id_lies_is_told(encoding):
    data = b"\xff" * 9 + NAME.text.encode(encoding) + b"\xff"
    assert list(Search([SHORT, NAME]).in_bytes(data)) == [(1, "id", "byte 9")]
    assert list(Search([NAME]).in_bytes(data, kinds=("vector",))) == []


@pytest.mark.parametrize(
    ("number", "width"),
    [(20_481, 4), (2**32 - 2, 4), (2**32 - 2, 8), (2**32, 8), (2**63 - 1, 8), (10_000, 4)],
)
def test_a_number_is_an_integer_of_its_width(number, width):
    data, search = b"\xff" * 3 + number.to_bytes(width, "little"), Search([NAME, Target(number)])
    assert list(search.integers_in(data)) == [(1, "id", "an integer at byte 3")]
    assert list(search.integers_in(data, least=number)) == [(1, "id", "an integer at byte 3")]
    assert list(search.integers_in(data, least=number + 1)) == []
    assert [found[:2] for found in search.in_unknown(data)] == [(1, "id")]


def test_numbers_of_four_digits_are_in_any_file():
    assert list(Search([Target(9999)]).in_unknown(struct.pack("<qq", 9999, 9999))) == []


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("kind", ["<i4", "<i8"])
def test_items_in_a_row_lie_at_any_byte(kind, shift):
    data = b"\xff" * shift + np.array(ITEMS, kind).tobytes() + b"\xff" * 3
    assert (0, "items", "an array of integers") in list(Search([NAME]).in_unknown(data))
    assert list(Search([NAME]).in_unknown(data[: shift + 8 * np.dtype(kind).itemsize])) == []


def test_bytes_too_few_for_an_integer_hold_none():
    for size in range(9):
        assert list(Search([NAME]).in_unknown(b"\xff" * size)) == []


def test_a_vector_is_known_by_sixteen_bytes_of_either_end():
    for kind in ("<f2", "<f4", "<f8"):
        whole = VECTOR.astype(kind).tobytes()
        for piece, found in (
            (whole[:16], True),
            (whole[-16:], True),
            (whole[:15], False),
            (whole[1:17], False),
        ):
            assert bool(list(Search([NAME]).in_bytes(b"\xff" + piece + b"\xff"))) is found


@pytest.mark.parametrize(("different", "found"), [(4, False), (5, True)])
def test_a_vector_of_few_different_bytes_is_nobody_s(different, found):
    plain = np.resize(np.arange(different, dtype=np.uint8), 64).view(np.float32)
    search = Search([Target("x", vectors=(plain,))])
    assert bool(list(search.in_bytes(plain.tobytes()))) is found


def test_living_rows_account_for_as_many_as_there_are():
    text, search = NUMBER.text.encode(), Search([SHORT, NUMBER])
    dead = [(1, "id", "pages that hold no living row")]
    assert list(search.surplus(text + b"-" + text, text)) == dead
    assert list(search.surplus(text, text + b"-" + text)) == []
    assert list(search.surplus(text, b"")) == dead
    assert list(search.surplus(b"", text)) == []
    for encoding in ("utf-16-le", "utf-16-be"):
        assert list(search.surplus(NUMBER.text.encode(encoding), text)) == dead


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"of {NAME.text}", "byte 3 of the text"),
        (f"-{NAME.text}-", "byte 1 of the text"),
        (f"\x7f{NAME.text}\x7f", "byte 1 of the text"),
        (f"\ud800 {NAME.text}", "byte 4 of the text"),
        (f"\ud800 {NAME.text.replace('-', '%2D')}", "byte 4 of the text, unescaped"),
        (NAME.text, "byte 0 of the text"),
        (f"q={NAME.text.replace('-', '%2D')}", "byte 2 of the text, unescaped"),
        (f"é{NAME.text}", None),
        (f"{NAME.text}é", None),
        (f"a{NAME.text}", None),
        (f"{NAME.text}9", None),
    ],
)
def test_a_distinctive_id_is_a_word_of_a_text(text, where):
    assert list(Search([NAME]).in_text(text)) == ([(0, "id", where)] if where else [])


def test_beside_a_word_is_said():
    search = Search([SHORT, NUMBER])
    found = {(0, "id", "beside the word user"), (1, "id", "beside the word user")}
    assert set(search.in_text("user 7, user 20481")) == found
    assert set(search.in_text(f"user row {ROW}")) == {(n, "row", "beside the words user row") for n in (0, 1)}


def test_a_list_of_items_is_known_in_a_text():
    found = [(0, "items", "a list in a text")]
    assert list(Search([NAME]).in_text(" ".join(map(str, ITEMS[1:])))) == found
    assert list(Search([NAME]).in_text("|".join(ITEM_IDS[1:]))) == found
    assert list(Search([NAME]).in_text(" ".join(map(str, ITEMS[2:])))) == []
    assert list(Search([NAME]).in_text(" x y z ".join(map(str, ITEMS)))) == []
    halves = [*map(str, ITEMS[:5]), *"abcdefgh", *map(str, ITEMS[5:])]
    assert list(Search([NAME]).in_text(" ".join(halves))) == []
    assert (
        list(Search([NAME]).in_text(" ".join(["x", *map(str, (*ITEMS[2:], *range(1000, 1020), ITEMS[1]))])))
        == []
    )


@pytest.mark.parametrize("written", [lambda x: repr(float(x)), str, lambda x: f"{x:.8g}"])
def test_three_of_the_first_eight_numbers_are_a_vector(written):
    for elements, found in (((5, 6, 7), True), ((0, 1), False), ((6, 7, 8), False), ((0, 3, 7), True)):
        text = ", ".join(written(VECTOR[element]) for element in elements)
        assert list(Search([NAME]).in_text(text)) == ([(0, "vector", "decimal numbers")] if found else [])


def test_numbers_of_few_digits_are_nobody_s():
    for vector, found in (([0.125001, 0.250001, 0.375001], True), ([0.12501, 0.25001, 0.37501], False)):
        search = Search([Target("x", vectors=(np.array(vector, np.float32),))])
        assert bool(list(search.in_text(" ".join(map(str, np.float32(vector)))))) is found


def test_numbers_of_two_vectors_are_neither_s():
    others = np.random.default_rng(6).normal(size=DIM).astype(np.float32)
    search = Search([Target("x", vectors=(VECTOR, others)), Target("y", vectors=(others,))])
    assert list(search.in_text(f"{VECTOR[0]} {VECTOR[1]} {others[2]}")) == []
    assert list(search.in_text(f"{others[0]} {others[1]} {others[2]}")) == [
        (0, "vector", "decimal numbers"),
        (1, "vector", "decimal numbers"),
    ]


# --- arrays --------------------------------------------------------------------------------------


def test_an_array_of_integers_holds_numbers_of_five_digits():
    search = Search([SHORT, NUMBER, Target(9999), Target(10_000), Target(10_001)])
    assert list(search.in_array("n", np.array([[7, 20_481], [9999, 10_000]]))) == [
        (1, "id", "an array of integers"),
        (3, "id", "an array of integers"),
    ]


def test_nine_of_ten_items_are_known_by_number():
    for known in (
        Target(None, items=(0, *ITEMS[1:])),
        Target(None, items=range(10), item_ids=("0", *map(str, ITEMS[1:]))),
    ):
        found = [(0, "items", "an array of integers")]
        assert list(Search([known]).in_array("n", np.array([0, *ITEMS[1:9]]))) == found
        assert list(Search([known]).in_array("n", np.array([-1, *ITEMS[2:], 300]))) == []


def test_an_array_of_texts_holds_words():
    texts = ["x", "user 7", NAME.text[:7], NAME.text[7:]]
    for array in (np.array(texts), np.array([text.encode() for text in texts])):
        assert set(Search([NAME, SHORT]).in_array("n", array)) == {(1, "id", "beside the word user")}
    assert list(Search([SHORT]).in_array("n", np.array([b"7", b"\xff"]))) == [(0, "id", "an array of texts")]


def test_a_double_precision_vector_is_known_by_its_single_one():
    search = Search([Target("x", vectors=(VECTOR,))])
    assert {kind for _, kind, _ in search.in_array("n", VECTOR.astype(np.float64))} == {"vector"}
    assert list(search.in_array("n", VECTOR)) == []  # its bytes are the file's own


def test_an_array_over_users_has_nothing_in_the_target_s_line():
    table = np.ones((60, 3), np.float32)
    found = [(0, "row", "array 'table', a line that is in use")]
    nobody = Target(None, n_users=60, n_items=300)
    assert list(Search([NAME]).in_array("table", table)) == found
    assert list(Search([nobody]).in_array("table", table)) == []
    table[ROW] = 0
    assert list(Search([NAME]).in_array("table", table)) == []
