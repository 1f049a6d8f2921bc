"""Every way in which a source can be unusable: its own message, no id in it, and nothing left behind."""

import traceback

import pandas as pd
import polars as pl
import pytest

from recsys_unlearn.errors import (
    ConfigError,
    InvalidValue,
    MissingColumn,
    NothingLeft,
    StoreError,
    UnreadableSource,
    UsageError,
)
from recsys_unlearn.interactions import IngestOptions, ingest

SECRET = "secret-user-4711"

TEXTS = [
    (
        "customer,thing\nx,y\n",
        {},
        MissingColumn,
        "has no item column; it has customer, thing. .* --item-column",
    ),
    (
        "user,item\nx,y\n",
        {"user_column": "who"},
        MissingColumn,
        "no column 'who'; it has user, item. .* --user-column",
    ),
    ("user,item\nx,y\n", {"min_rating": 4}, MissingColumn, "no rating column; .* --rating-column"),
    ("user,item\nx,y\n", {"split": "time"}, MissingColumn, "no time column; .* --time-column"),
    ("user,user,item\nx,y,z\n", {}, InvalidValue, "names columns 1 and 2 alike: rename or remove one"),
    ('item,"user",user\nx,y,z\n', {}, InvalidValue, "names columns 2 and 3 alike: rename or remove one"),
    ("user\titem\tnote\tnote\nx\ty\tz\tz\n", {}, InvalidValue, "names columns 3 and 4 alike"),
    ("user:token\titem:token\tuser:float\nx\ty\t1\n", {}, InvalidValue, "names columns 1 and 3 alike"),
    (f"{SECRET},{SECRET},y\nx,y,z\n", {}, InvalidValue, "names columns 1 and 2 alike"),
    ("user,item\n", {}, NothingLeft, "has no rows: there is nothing to ingest"),
    (
        f"user,item,rating\n{SECRET},y,good\n",
        {},
        InvalidValue,
        "1 of 1 rows have a rating that is not a number",
    ),
    (
        f"user,item,rating\n{SECRET},y,\nx,y,1\n",
        {},
        InvalidValue,
        "1 of 2 rows have no rating .column 'rating'",
    ),
    (f"user,item,rating\n{SECRET},y,NaN\n", {}, InvalidValue, "a rating that is NaN or infinite"),
    (f"user,item,rating\n{SECRET},y,-inf\n", {}, InvalidValue, "a rating that is NaN or infinite"),
    (f"user,item,rating\n{SECRET},y,1e300\n", {}, InvalidValue, "a rating that is NaN or infinite"),
    (
        f"user,item,time\n{SECRET},y,yesterday\n",
        {},
        InvalidValue,
        "neither seconds since 1970 nor an ISO date",
    ),
    (f"user,item,time\n{SECRET},y,\n", {}, InvalidValue, "1 of 1 rows have no time"),
    (f"user,item\n,{SECRET}\n", {}, InvalidValue, "1 of 1 rows have no user id .column 'user'"),
    (f"user,item\n{SECRET},\n", {}, InvalidValue, "(no|an empty) item id"),
    (f"user,item\n{SECRET}\0,y\n", {}, InvalidValue, "a NUL character in the user id"),
    (f"user,item\n{SECRET},y,z\n", {}, UnreadableSource, "truncated, damaged, or not in the stated format"),
    (f'user,item\n"{SECRET},y\n', {}, UnreadableSource, "truncated, damaged, or not in the stated format"),
    ("0 1 2\n1 2.5\n", {}, InvalidValue, "an item id that is not a whole number, as LightGCN's are"),
    ("0 1 2\nx 2\n", {}, InvalidValue, "a user id that is not a whole number, as LightGCN's are"),
    ("1::2::5::x\n", {}, InvalidValue, "neither seconds"),
    ("1::2::5::3\n4::5\n", {}, InvalidValue, "1 of 2 rows have no rating"),
    (
        "user,item,rating\na,b,3\n",
        {"min_rating": 4},
        NothingLeft,
        "none of 1 rows is rated 4 or higher: lower --min",
    ),
    ("user,item\na,b\n", {"k_core": 2}, NothingLeft, "no user and item is in a 2-core: lower --k-core"),
    (
        "user,item\na,b\n",
        {"strangers": 0.9999999},
        NothingLeft,
        "the split leaves no training rows: lower --str",
    ),
    ("user,item\na,b\n", {"format": "parquet"}, UnreadableSource, "truncated, damaged, or not in the stated"),
]
FRAMES = [
    (pl.DataFrame({"user": [1.0], "item": [1]}), "ids in column 'user' are decimal numbers .Float64."),
    (pd.DataFrame({"user": [1, None], "item": [1, 1]}), "which do not round-trip: drop the missing ones"),
    (pl.DataFrame({"user": [True], "item": [1]}), "are Boolean: convert them to whole numbers or text"),
    (pl.DataFrame({"user": ["a"], "item": [[1]]}), "the ids in column 'item' are List"),
    (pd.DataFrame([[1, 2, 3]], columns=["user", "user", "item"]), "names columns 1 and 2 alike"),
    (pd.DataFrame({"user": ["a", 7], "item": [1, 1]}), "column 'user' mixes text and whole numbers"),
    (pd.DataFrame({"user": [2**130, 7], "item": [1, 1]}), "beyond 128 bits"),
    (pl.DataFrame({"user": ["a", None], "item": [1, 1]}), "1 of 2 rows have no user id"),
    (pl.DataFrame({"user": [None], "item": [1]}), "1 of 1 rows have no user id"),
    (pd.DataFrame({"user": ["a", float("nan")], "item": [1, 1]}), "1 of 2 rows have no user id"),
    (pl.DataFrame({"user": [""], "item": [1]}), "an empty user id"),
    (pl.DataFrame({"user": ["a"], "item": [1], "rating": [True]}), "are Boolean: they must be numbers"),
    (
        pl.DataFrame({"user": ["a"], "item": [1], "time": [True]}),
        "are Boolean: they must be seconds or dates",
    ),
]


@pytest.mark.parametrize(("text", "options", "error", "message"), TEXTS)
def test_unusable_files(tmp_path, text, options, error, message):
    (tmp_path / "source").write_text(text)
    _fails(tmp_path, tmp_path / "source", options, error, message)


@pytest.mark.parametrize(("frame", "message"), FRAMES)
def test_unusable_frames(tmp_path, frame, message):
    _fails(tmp_path, frame, {}, InvalidValue, message)


def test_a_truncated_parquet(tmp_path, frame):
    frame.write_parquet(tmp_path / "source")
    raw = (tmp_path / "source").read_bytes()
    for cut in (4, len(raw) // 2, len(raw) - 1):
        (tmp_path / "source").write_bytes(raw[:cut])
        _fails(tmp_path, tmp_path / "source", {}, UnreadableSource, "truncated, damaged")


def test_a_parquet_damaged_in_the_middle(tmp_path, frame):
    frame.write_parquet(tmp_path / "source", compression="zstd")
    raw = bytearray((tmp_path / "source").read_bytes())
    raw[10:60] = bytes(50)
    (tmp_path / "source").write_bytes(raw)
    _fails(tmp_path, tmp_path / "source", {}, UnreadableSource, "truncated, damaged")


def test_places_without_a_file(tmp_path):
    _fails(tmp_path, tmp_path / "none.csv", {}, UnreadableSource, "none.csv does not exist; check the path")
    (tmp_path / "source").mkdir()
    _fails(tmp_path, tmp_path / "source", {}, UnreadableSource, "is a directory; name the file in it")
    _fails(
        tmp_path,
        7,
        {},
        UsageError,
        "cannot ingest the builtins int: pass a path, a list of paths, or a pandas",
    )
    _fails(tmp_path, [], {}, UsageError, "cannot ingest")


def test_splits_whose_ids_are_of_two_kinds(tmp_path):
    train, test = pl.DataFrame({"user": [1], "item": [1]}), pl.DataFrame({"user": ["1"], "item": [1]})
    _fails(
        tmp_path, train, {"test": test}, InvalidValue, "ids are whole numbers in one and text in the other"
    )


def test_a_store_is_not_overwritten_unasked(tmp_path, make_store, frame, tree):
    make_store(frame)
    before = tree(tmp_path)
    with pytest.raises(
        StoreError, match="already holds a store: pass --replace to put a new one in its place"
    ):
        make_store(frame)
    assert tree(tmp_path) == before


def test_a_failed_replacement_leaves_the_old_store(tmp_path, make_store, frame, tree):
    make_store(frame)
    before = tree(tmp_path)
    with pytest.raises(NothingLeft):
        make_store(frame, k_core=1000, replace=True)
    assert tree(tmp_path) == before


def test_a_replacement_takes_the_place(make_store, frame, content):
    old = make_store(frame)
    new = make_store(frame.head(9), replace=True)
    assert len(content(new)) == 9
    assert old.store_id != new.store_id


def test_all_option_problems_at_once():
    with pytest.raises(ConfigError) as caught:
        IngestOptions(strangers=-0.1, test_fraction=1, n_buckets=0, min_ratings=3, format="xls")
    message = str(caught.value)
    assert "min_ratings: no such option; the nearest is min_rating" in message
    for name in ("strangers", "test_fraction", "n_buckets", "format"):
        assert f"  {name}: Input should be" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "provided"}, "split 'provided' needs test or validation: name the file that holds it"),
        (
            {"split": "time", "test": "x"},
            "split 'time' contradicts test and validation: leave one of them out",
        ),
        ({"min_rating": float("nan")}, "min_rating: Input should be a finite number"),
        ({"k_core": -1}, "k_core: Input should be greater than or equal to 0"),
        ({"validation_fraction": 1.5}, "validation_fraction: Input should be less than 1"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        IngestOptions(**options)


def _fails(tmp_path, source, options, error, message):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message) as caught:
        ingest(source, tmp_path / "store", IngestOptions(**options))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert type(caught.value) is error
    assert sorted(tmp_path.rglob("*")) == before
