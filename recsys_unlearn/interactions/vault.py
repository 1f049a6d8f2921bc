"""The id vault: the one file with users' real ids, and how a user is taken out of it for good.

SQLite's ``secure_delete`` zeroes a deleted cell, but not the copies of it that an earlier
rebalancing left in the slack of other pages: deleting 200 of 6,000 users whose ids have many lengths
left up to four of them readable. So the file is never changed in place. A deletion rebuilds the
database in memory, where ``VACUUM`` copies living rows alone, and replaces the file atomically.
There is no journal and no temporary file to search either.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from recsys_unlearn import durable
from recsys_unlearn.errors import StoreError

_SCHEMA = "CREATE TABLE users (row INTEGER PRIMARY KEY, id TEXT NOT NULL)"
_INDEX = "CREATE UNIQUE INDEX by_id ON users (id)"  # made after the rows: sorted once, and no page splits


class Vault:
    """User rows and user ids, both ways.

    Parameters
    ----------
    path
        The SQLite file. It is opened for each call and never for writing, so that a user who was
        erased by another process is gone at once here too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, ids: Iterable[tuple[int, str]]) -> "Vault":
        """Write a vault of (user row, id as text) pairs, readable by its owner alone."""
        with closing(_in_memory()) as database, database:
            database.execute(_SCHEMA)
            database.executemany("INSERT INTO users VALUES (?, ?)", ids)
            database.execute(_INDEX)
            database.commit()
            _write(path, database.serialize())
        return cls(path)

    def row_of(self, text: str) -> int | None:
        """User row of an id, None if it is not here."""
        return self._first("SELECT row FROM users WHERE id = ?", text)

    def rows_of(self, texts: Iterable[str | None]) -> list[int | None]:
        """User row of each id, None where it is not here; the vault is opened once."""
        query = "SELECT row FROM users WHERE id = ?"
        with self._reading() as database:
            found = (database.execute(query, (text,)).fetchone() for text in texts)
            return [row and row[0] for row in found]

    def id_of(self, row: int) -> str | None:
        """Id of a user row, as text; None if it is not here."""
        return self._first("SELECT id FROM users WHERE row = ?", row)

    def rows(self) -> list[int]:
        """All user rows, ascending."""
        with self._reading() as database:
            return [row for (row,) in database.execute("SELECT row FROM users ORDER BY row")]

    def entries(self) -> list[tuple[int, str]]:
        """All (user row, id as text) pairs, ascending in rows."""
        with self._reading() as database:
            return database.execute("SELECT row, id FROM users ORDER BY row").fetchall()

    def knows_any(self, rows: Iterable[int]) -> bool:
        """Whether any of the user rows still has an id."""
        with self._reading() as database:
            return any(
                database.execute("SELECT 1 FROM users WHERE row = ?", (row,)).fetchone() for row in rows
            )

    def erase(self, rows: Iterable[int]) -> int:
        """Remove user rows with their ids; return how many were here."""
        with self._damage_named(), closing(_in_memory()) as database:
            database.deserialize(self._content())
            database.execute("PRAGMA secure_delete = ON")
            removed = database.executemany(
                "DELETE FROM users WHERE row = ?", [(row,) for row in rows]
            ).rowcount
            database.commit()
            database.execute("VACUUM")
            content = database.serialize()
        if removed > 0:
            _write(self.path, content)
        return max(removed, 0)  # sqlite3 counts the deletion of no rows at all as -1

    def _content(self) -> bytes:
        content = self.path.read_bytes()
        if not content:  # SQLite would call it a lack of memory
            raise sqlite3.DatabaseError
        return content

    def _first(self, query: str, value: str | int) -> Any:
        with self._reading() as database:
            found = database.execute(query, (value,)).fetchone()
        return found and found[0]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # immutable: no lock file and no journal is ever looked for, as nobody writes in place.
        uri = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        with self._damage_named(), closing(sqlite3.connect(uri, uri=True)) as database:
            yield database

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError):
            raise StoreError(
                f"the id vault {self.path} is missing or damaged: restore it from a backup, "
                "or ingest again with --replace"
            ) from None


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:")


def _write(path: Path, content: bytes) -> None:
    with durable.replacing(path) as temporary:
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_bytes(content)
