"""The MLflow database of a workspace: made whole or not at all, and mended when the workspace moves.

MLflow writes absolute artifact addresses into five columns. A workspace that was moved or copied
would go on reading, or find missing, the files of its old place, so :func:`mend_addresses` rewrites
them when it is opened.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from recsys_unlearn.durable import replacing
from recsys_unlearn.errors import StoreError
from recsys_unlearn.tracking.library import load_mlflow

EXPERIMENT = "recsys_unlearn"

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


def create(database: Path, artifacts: Path) -> None:
    """Make an empty MLflow database, all its migrations applied.

    They are some fifty, each its own transaction: 5.7 s when every one is flushed, 1 s when only the
    result is. A crash on the way leaves no database rather than one that MLflow refuses.
    """
    store = load_mlflow().store.tracking.sqlalchemy_store.SqlAlchemyStore
    with replacing(database) as temporary, _Unflushed():
        temporary.touch()  # fails at once where nothing can be written; MLflow would try for 100 s
        store(f"sqlite:///{temporary}", artifacts.as_uri()).engine.dispose()


def mend_addresses(database: Path, artifacts: Path) -> None:
    """Point a moved workspace's runs and models at ``artifacts``; one transaction, nothing if in place.

    Raises
    ------
    StoreError
        If the file is not a database that MLflow made.
    """
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            old = _artifact_root(connection)
            if old is None or old == artifacts.as_uri():
                return
            for table, column in _ADDRESSES:
                _replace_prefix(connection, table, column, old, artifacts.as_uri())
    except sqlite3.Error as error:
        raise StoreError(f"{database} cannot be used ({error}); restore it from a backup") from error


def _artifact_root(connection: sqlite3.Connection) -> str | None:
    query = "SELECT artifact_location FROM experiments WHERE name = ?"
    row = connection.execute(query, (EXPERIMENT,)).fetchone()
    return None if row is None else row[0]


def _replace_prefix(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> None:
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  names from _ADDRESSES
        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
    )


class _Unflushed:
    """Within it, SQLite connections that SQLAlchemy opens leave flushing to the operating system."""

    def __enter__(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "connect", self._configure)

    def __exit__(self, *_: object) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.remove(Engine, "connect", self._configure)

    @staticmethod
    def _configure(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
