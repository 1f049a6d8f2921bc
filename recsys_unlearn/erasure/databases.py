"""SQLite files as bytes: their living rows, and what is in them beside the living rows.

The file is never opened in place, as that may roll back a journal or write a log. It is read, and
looked at in memory.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

MAGIC = b"SQLite format 3\0"
JOURNALS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
"""Beginnings of a write-ahead log, in both byte orders, and of a rollback journal (SQLite file format)."""

_LOG_HEADER, _FRAME_HEADER = 32, 24


class Damaged(Exception):
    """SQLite cannot read it."""


def tables(image: bytes) -> Iterator[tuple[str, pl.DataFrame, bytes]]:
    """Name, cells and blobs of each table; a column is of integers, of floats, or all of text.

    Raises
    ------
    Damaged
        If SQLite cannot read the image.
    """
    with _opened(image) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'"
        for (name,) in database.execute(query).fetchall():
            quoted = name.replace('"', '""')
            cursor = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608  a name from the schema
            rows = cursor.fetchall()
            if not rows:
                continue
            columns = [column for column, *_ in cursor.description]
            cells = {column: [row[place] for row in rows] for place, column in enumerate(columns)}
            blobs = [cell for column in cells.values() for cell in column if isinstance(cell, bytes)]
            yield (
                name,
                pl.DataFrame({key: _series(values) for key, values in cells.items()}),
                b"\n".join(blobs),
            )


def living(image: bytes) -> bytes:
    """Return the same database with nothing in its pages but the living rows.

    Raises
    ------
    Damaged
        If SQLite cannot read the image.
    """
    with _opened(image) as database:
        database.execute("VACUUM")
        return database.serialize()


def with_log(image: bytes, log: bytes) -> bytes:
    """Return a database as its write-ahead log has it: committed pages laid over the file's own."""
    size = int.from_bytes(log[8:12], "big")
    pages, committed, salt = bytearray(image), bytes(image), log[16:24]
    most = (len(image) + len(log)) // max(size, 1)  # pages that there can be
    for start in range(_LOG_HEADER, len(log) - size - _FRAME_HEADER + 1, size + _FRAME_HEADER):
        number, after = (int.from_bytes(log[start + at : start + at + 4], "big") for at in (0, 4))
        if log[start + 8 : start + 16] != salt or not 0 < number <= most:
            break  # of an earlier use of the log
        end = number * size
        pages.extend(bytes(max(0, end - len(pages))))
        pages[end - size : end] = log[start + _FRAME_HEADER : start + _FRAME_HEADER + size]
        committed = bytes(pages[: after * size]) if after else committed
    return committed


def rows_of_vault(store: Path | None) -> set[int]:
    """User rows that a store's vault knows; none if it cannot be read."""
    try:
        with _opened((store / "vault.db").read_bytes() if store else b"") as database:
            return {row for (row,) in database.execute("SELECT row FROM users")}
    except (OSError, Damaged):
        return set()


@contextmanager
def _opened(image: bytes) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.text_factory = _decoded
            # Bytes 18 and 19 say whether a log is used; there is none in memory.
            database.deserialize(image[:18] + b"\x01\x01" + image[20:])
            yield database
    except (sqlite3.Error, MemoryError, OverflowError) as error:
        raise Damaged(f"damaged database ({type(error).__name__})") from None


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape").encode(errors="replace").decode()


def _series(cells: list[Any]) -> pl.Series:
    present = [cell for cell in cells if cell is not None and not isinstance(cell, bytes)]
    for kind, dtype in ((int, pl.Int64), (float, pl.Float64)):
        if present and all(isinstance(cell, kind) for cell in present):
            return pl.Series([cell if isinstance(cell, kind) else None for cell in cells], dtype=dtype)
    texts = [None if cell is None or isinstance(cell, bytes) else str(cell) for cell in cells]
    return pl.Series(texts, dtype=pl.String)
