"""Ways to look at a workspace with three versions from outside."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILES = 8  # of a version with one file of weights: code, environment, hashes
DIGESTS = {number: f"{number}a1b2c3d4e5f60718293a4b5c6d7e8f9" for number in (1, 2, 3)}


def rows(tracker, table="model_versions"):
    with closing(sqlite3.connect(tracker.database)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()


def cells(tracker):
    """Everything in the database as one text."""
    with closing(sqlite3.connect(tracker.database)) as database:
        return "\n".join(database.iterdump())


def execute(tracker, statement, values=()):
    with closing(sqlite3.connect(tracker.database)) as database, database:
        database.execute(statement, values)


def model_of(version):
    return version.directory.parents[1]


def files_below(tracker):
    return {str(path.relative_to(tracker.root)) for path in tracker.root.rglob("*") if path.is_file()}
