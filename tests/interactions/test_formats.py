import numpy as np
import pandas as pd
import polars as pl
import pytest

from recsys_unlearn.errors import MissingColumn, NothingLeft, UnreadableSource
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.interactions.formats import detect

ROWS = [(u, i, 1 + (u + i) % 5, 1000 + 7 * u + i) for u in range(1, 13) for i in range(1, 25) if (u * i) % 3]


def lines(separator, header=None, end="\n"):
    body = [separator.join(map(str, row)) for row in ROWS]
    return end.join(([header] if header else []) + body) + end


FILES = {
    "ratings.csv": lines(",", "userId,movieId,rating,timestamp"),
    "semicolons.csv": lines(";", "User-ID;ISBN;Book-Rating;ts"),
    "windows.csv": "\ufeff" + lines(",", "user_id,item_id,rating,timestamp", "\r\n"),
    "ratings.tsv": lines("\t", "user\titem\trating\ttime"),
    "data.inter": lines("\t", "user_id:token\titem_id:token\trating:float\ttimestamp:float"),
    "u.data": lines("\t"),
    "ratings.dat": lines("::"),
    "blank.dat": "\ufeff" + lines("::") + "\n \n",
}
FORMATS = ["csv", "csv", "csv", "tsv", "inter", "u.data", "dat", "dat"]


@pytest.fixture
def as_text():
    columns = [list(map(str, column)) for column in zip(*ROWS, strict=True)]
    return pl.DataFrame(dict(zip(["user", "item", "rating", "time"], columns, strict=True)))


@pytest.mark.parametrize(("name", "format"), list(zip(FILES, FORMATS, strict=True)))
def test_every_file_gives_the_same_interactions(tmp_path, make_store, as_text, name, format):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8", newline="")
    (tmp_path / "unnamed").write_text(FILES[name], encoding="utf-8", newline="")
    assert detect(tmp_path / name) == detect(tmp_path / "unnamed") == format
    _same(make_store(tmp_path / name, "from file"), make_store(as_text, "from frame"))


@pytest.mark.parametrize("make", [pl.DataFrame.lazy, pl.DataFrame.to_pandas, lambda frame: frame])
@pytest.mark.parametrize("dtype", [pl.Categorical, pl.String, pl.Enum([str(n) for n in range(13)])])
def test_every_frame_gives_the_same_interactions(make_store, as_text, make, dtype):
    _same(make_store(make(as_text.cast({"user": dtype})), "this"), make_store(as_text, "frame"))


def test_parquet_gives_the_same_interactions(tmp_path, make_store, as_text):
    as_text.write_parquet(tmp_path / "data.parquet")
    (tmp_path / "unnamed").write_bytes((tmp_path / "data.parquet").read_bytes())
    assert detect(tmp_path / "unnamed") == "parquet"
    _same(make_store(tmp_path / "unnamed", "from file"), make_store(as_text, "from frame"))


def test_several_files_are_one_source(tmp_path, make_store, as_text):
    for part in range(2):
        as_text[part::2].write_csv(tmp_path / f"{part}.csv")
    _same(make_store([tmp_path / "0.csv", tmp_path / "1.csv"], "files"), make_store(as_text, "frame"))


def test_lightgcn_with_its_own_splits(tmp_path, make_store, content):
    (tmp_path / "train.txt").write_text("0 1 2 3\n1 2\n2 \n")
    (tmp_path / "valid.txt").write_text("0 4\n1 \n")
    (tmp_path / "test.txt").write_text("1 4 1\r\n")
    store = make_store(tmp_path / "train.txt", test=tmp_path / "test.txt", validation=tmp_path / "valid.txt")
    assert content(store) == {
        *(("0", item, "train") for item in "123"),
        ("1", "2", "train"),
        ("0", "4", "validation"),
        ("1", "4", "test"),
        ("1", "1", "test"),
    }


def test_without_a_validation_file_a_share_of_training_is_drawn(tmp_path, make_store):
    (tmp_path / "train.txt").write_text("\n".join(f"{u} " + " ".join(map(str, range(20))) for u in range(5)))
    (tmp_path / "test.txt").write_text("0 20 21\n")
    store = make_store(tmp_path / "train.txt", test=tmp_path / "test.txt")
    assert store.sizes == {"train": 90, "validation": 10, "test": 2, "strangers": 0, "strangers_held_out": 0}


def test_text_ids_keep_their_zeros(tmp_path, make_store):
    (tmp_path / "a.csv").write_text("user,item\n007,1\n7,1\n")
    store = make_store(tmp_path / "a.csv")
    assert {store.user_id(0), store.user_id(1)} == {"007", "7"}


def test_an_override_beats_detection(tmp_path, make_store):
    (tmp_path / "odd").write_text("1\t2\t5\n3\t4\t5\n")
    assert make_store(tmp_path / "odd", format="lightgcn").sizes["train"] == 4
    assert make_store(tmp_path / "odd", "other").sizes["train"] == 2


def test_columns_by_name(tmp_path, make_store):
    (tmp_path / "a.csv").write_text("who,user,what,n\nx,1,y,3\nz,1,y,4\n")
    options = {"user_column": "who", "item_column": "what", "rating_column": "n"}
    store = make_store(tmp_path / "a.csv", **options)
    assert store.n_users == 2
    assert sorted(store.splits().train.weights) == [3, 4]


@pytest.mark.parametrize(
    "times",
    [
        ["1970-01-01T00:01:40", "1970-01-02", "1970-01-01 00:00:07"],
        ["1970-01-01T00:01:40Z", "86400", "7.9"],
        pd.to_datetime([100, 86_400, 7], unit="s"),
        [100.5, 86_400.0, 7.0],
    ],
)
def test_times_are_seconds_or_dates(make_store, times):
    store = make_store(pd.DataFrame({"user": ["a"] * 3, "item": [1, 2, 3], "time": times}))
    assert store.history(0).times.tolist() == [100, 86_400, 7]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint64", [2**64 - 1, 1]),
        ("Int64", [1, 2]),
        ("category", [5, 6]),
        ("object", [2**100, -1]),
        ("object", ["a", "b"]),
    ],
)
def test_pandas_types_of_ids(make_store, dtype, values):
    store = make_store(pd.DataFrame({"user": pd.Series(values, dtype=dtype), "item": [1, 1]}))
    assert {store.user_id(row) for row in range(2)} == set(values)


def test_polars_objects_and_mixed_widths(make_store):
    objects = pl.DataFrame({"user": pl.Series([2**127, 5], dtype=pl.Object), "item": [1, 2]})
    assert make_store(objects, "objects").user_row(2**127) in (0, 1)
    unsigned = pl.DataFrame({"user": pl.Series([2**64 - 1], dtype=pl.UInt64), "item": [1]})
    store = make_store(pl.DataFrame({"user": [-1], "item": [1]}), "widths", test=unsigned)
    assert {store.user_id(0), store.user_id(1)} == {-1, 2**64 - 1}


def test_a_store_is_not_made_of_a_mere_glob(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,1\n")
    with pytest.raises(UnreadableSource, match=r"\*.csv does not exist; check the path"):
        ingest(tmp_path / "*.csv", tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", NothingLeft, "is empty: there is nothing to ingest"),
        (b" \n\n", NothingLeft, "is empty"),
        (b"hello\n", UnreadableSource, "cannot tell the format of .*: pass --format with one of csv, tsv"),
        (b"\xff\xfe\x00\x01", UnreadableSource, "neither parquet nor UTF-8 text: convert it first"),
        (b"1,2,5.0\n3,4,1.0\n", MissingColumn, "no column names: its first line holds numbers. Add a line"),
    ],
)
def test_content_that_is_no_format(tmp_path, content, error, message):
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(error, match=message):
        ingest(tmp_path / "odd", tmp_path / "store", IngestOptions())


def _same(first, second):
    assert first.digest == second.digest
    for name in ("train", "validation", "test"):
        one, other = getattr(first.splits(), name), getattr(second.splits(), name)
        assert len(one) > 0
        for column in ("users", "items", "weights", "times"):
            assert np.array_equal(getattr(one, column), getattr(other, column)), (name, column)
