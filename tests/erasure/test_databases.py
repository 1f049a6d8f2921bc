"""Databases as bytes: what lives in them, what only lies in them, and what is still in their log."""

import sqlite3
import struct
from contextlib import closing

import polars as pl
import pytest

from erasure.planting import image_of
from recsys_unlearn.erasure.databases import Damaged, living, rows_of_vault, tables, with_log
from recsys_unlearn.interactions.vault import Vault


def test_integers_with_gaps_are_still_integers():
    image = image_of(
        "CREATE TABLE t (a INTEGER, b REAL, c TEXT, d BLOB, e)",
        "INSERT INTO t VALUES (1, 0.5, 'x', x'00', 1), (NULL, NULL, NULL, NULL, 'y')",
    )
    ((name, frame, blobs),) = tables(image)
    assert (name, blobs) == ("t", b"\0")
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.String, pl.String, pl.String]
    assert frame.rows() == [(1, 0.5, "x", None, "1"), (None, None, None, None, "y")]


def test_tables_of_any_name_are_read_and_empty_ones_are_none():
    image = image_of(
        "CREATE TABLE empty (n)",
        """CREATE TABLE "a ""b"" c" (n PRIMARY KEY, m)""",
        """INSERT INTO "a ""b"" c" VALUES (7, 8)""",
        "ANALYZE",
    )
    ((name, frame, blobs),) = tables(image)
    assert (name, frame.to_dict(as_series=False), blobs) == ('a "b" c', {"n": [7], "m": [8]}, b"")


def test_blobs_stand_apart_and_texts_need_not_be_unicode():
    image = image_of(
        "CREATE TABLE t (a, b)", "INSERT INTO t VALUES (x'01', CAST(x'61ff62' AS TEXT)), (x'02', x'03')"
    )
    ((_, frame, blobs),) = tables(image)
    assert (frame["b"].to_list(), blobs) == (["a?b", None], b"\1\n\2\n\3")


def test_the_living_are_all_that_is_left():
    image = image_of(
        "PRAGMA secure_delete = OFF",
        "CREATE TABLE t (a)",
        "INSERT INTO t VALUES ('who went'), ('who stays')",
        "DELETE FROM t WHERE a = 'who went'",
    )
    assert b"who went" in image
    assert b"who went" not in living(image)
    assert b"who stays" in living(image)


def test_a_database_of_a_log_is_read_without_it(tmp_path):
    """Its header says that there is one, which SQLite would look for."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (a)")
        database.execute("INSERT INTO t VALUES (7)")
    image = (tmp_path / "a.db").read_bytes()
    assert image[18:20] == b"\2\2"
    assert [name for name, *_ in tables(image)] == ["t"]


@pytest.mark.parametrize(
    "image", [b"x" * 200, b"SQLite format 3\0" + bytes(range(200)), b"SQLite format 3\0"]
)
def test_what_is_no_database_is_damaged(image):
    for read in (living, lambda image: list(tables(image))):
        with pytest.raises(Damaged, match=r"^damaged database \(\w+\)$"):
            read(image)


def test_a_vault_knows_its_rows(tmp_path):
    assert rows_of_vault(None) == set()
    assert rows_of_vault(tmp_path) == set()
    Vault.create(tmp_path / "vault.db", [(3, "x"), (5, "y")])
    assert rows_of_vault(tmp_path) == {3, 5}
    (tmp_path / "vault.db").write_bytes(b"SQLite")
    assert rows_of_vault(tmp_path) == set()


def test_a_log_that_is_none_changes_nothing():
    image, salt = b"i" * 1024, b"saltsalt"
    head = b"\x37\x7f\x06\x82" + bytes(4) + struct.pack(">I", 512) + bytes(4) + salt + bytes(8)

    def frame(number, after, content=b"n", own=salt):
        return struct.pack(">II", number, after) + own + bytes(8) + content * 512

    assert with_log(image, b"") == image
    assert with_log(image, bytes(100)) == image
    assert with_log(image, head) == image
    assert with_log(image, head + frame(2, 2)[:-1]) == image
    assert with_log(image, head + frame(2, 0)) == image
    assert with_log(image, head + frame(0, 2)) == image
    assert with_log(image, head + frame(1 << 30, 1 << 30)) == image
    assert with_log(image, head + frame(2, 2, own=b"lastlast")) == image
    assert with_log(image, head + frame(2, 2)) == b"i" * 512 + b"n" * 512
    assert with_log(image, head + frame(2, 0) + frame(1, 1, b"m")) == b"m" * 512
    assert with_log(image, head + frame(1, 2)) == b"n" * 512 + b"i" * 512
    assert with_log(image, head + frame(3, 3)) == image + b"n" * 512
    assert with_log(image, head + frame(4, 4)) == image  # there cannot be four pages
    assert (
        with_log(image[:512], head + frame(3, 0) + frame(2, 3, b"m")) == b"i" * 512 + b"m" * 512 + b"n" * 512
    )
    assert with_log(image, head + frame(2, 2, own=b"lastlast") + frame(1, 2)) == image
    assert with_log(image, head + frame(2, 2) + frame(1, 2, b"o", b"lastlast")) == b"i" * 512 + b"n" * 512
