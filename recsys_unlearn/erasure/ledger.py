"""What happened to whom, under keyed names: a file that only grows, and notices when it does not.

::

    ledger.jsonl    one sealed line per entry, each naming the hash of the one before
    ledger.head     how many entries there are, the last one's hash, the Merkle root; sealed too

A line is appended and flushed before the head is replaced. So after a crash the ledger may end in a
torn line, and the head may be behind by what one call wrote; both are normal, and the next writer
puts them right. Every other difference is an error: an entry that was edited, dropped, repeated or
moved, an end that is missing, a head that is missing or edited.

What cannot be seen from these two files is that *both* were put back to an older state, together,
from a copy: that is what restoring a backup does. Somebody must remember how long the ledger was.
Every receipt does, and so may a model version: see ``Ledger.holds``.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from recsys_unlearn import durable
from recsys_unlearn.erasure.chain import Chain, Entry
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.merkle import Proof
from recsys_unlearn.errors import LedgerError

FILE = "ledger.jsonl"
HEAD_FILE = "ledger.head"
STORE_DIGEST = "store_digest"  # of an entry: the store, after what the entry tells of

__all__ = ["FILE", "HEAD_FILE", "STORE_DIGEST", "Entry", "Ledger"]


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Ledger:
    """The ledger of a workspace.

    Parameters
    ----------
    directory
        ``WORKSPACE/data/erasure``; made by the first append.
    key
        The one it was written with.
    clock
        Tells the time, with a time zone.
    """

    def __init__(self, directory: Path, key: Key, clock: Callable[[], datetime] = utc_now) -> None:
        self.directory, self.key, self.clock = directory, key, clock
        self._chain, self._lines = Chain(key), b""  # what was verified so far
        self._file: FileIO | None = None  # open and locked while this object writes
        self._is_current = False  # locked, and verified since: nobody else can have appended

    def entries(self) -> list[Entry]:
        """All entries, after verifying every byte; needs no lock, and waits for nobody.

        Raises
        ------
        LedgerError
            The ledger was altered, shortened, or written with another key.
        """
        self._refresh()
        return list(self._chain.entries)

    def append(self, kind: str, body: Mapping[str, Any]) -> Entry:
        """Write one entry; when this returns it survives a crash. See ``append_all``."""
        return self.append_all([(kind, body)])[0]

    def append_all(self, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Entry]:
        """Write entries of (kind, body) in one go; when this returns they survive a crash.

        After a crash in between, the first few of them may be there. The time of an entry is never
        before that of its predecessor: if the clock is behind, the entry has the predecessor's time,
        and its body tells by how many seconds, as ``clock_behind_s``.

        Raises
        ------
        LedgerError
            The ledger was altered, or cannot be written: the disk is full, or read-only.
        """
        with self.locked() as file, self._writing():
            self._settle(file)
            before = len(self._chain.entries)
            lines = b"".join(self._taken_in(kind, body) for kind, body in entries)
            self._write(file, lines)
            self._lines += lines
            self._write_head()
        return self._chain.entries[before:]

    def settle(self) -> None:
        """Put right what a crash left, as the next :meth:`append` would.

        Raises
        ------
        LedgerError
            As :meth:`append`.
        """
        with self.locked() as file, self._writing():
            self._settle(file)

    def root(self, size: int | None = None) -> str:
        """Merkle root (RFC 6962) of the first ``size`` entries, by default of all."""
        self._refresh()
        return self._chain.tree.root(size)

    def inclusion(self, sequence: int, size: int | None = None) -> Proof:
        """Proof that an entry is among the first ``size``, by default among all."""
        self._refresh()
        return self._chain.tree.inclusion(sequence, size)

    def consistency(self, earlier: int) -> list[str]:
        """Proof that the first ``earlier`` entries are the beginning of what there is now."""
        self._refresh()
        return self._chain.tree.consistency(earlier)

    def holds(self, size: int, root: str) -> bool:
        """Whether the first ``size`` entries are there and have this root.

        What remembers a size and a root, such as a receipt or the tags of a version, tells with it
        whether the ledger was put back to an older state since.
        """
        self._refresh()
        return 0 <= size <= len(self._chain.entries) and self._chain.tree.root(size) == root

    @contextmanager
    def locked(self) -> Iterator[FileIO]:
        """Let no other process append meanwhile, so that what was read stays true until it is answered.

        Waits for a process that is appending, which takes milliseconds; the kernel ends the wait if
        that process dies. May be nested. The files are verified once under the lock, not at each call.
        """
        if self._file:
            yield self._file
            return
        with self._writing():
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.directory / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with FileIO(descriptor, "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                self._file = file
                yield file
            finally:
                self._file, self._is_current = None, False

    def _refresh(self) -> None:
        """Verify what the files hold beyond what was verified before; under the lock, once."""
        if self._is_current:
            return
        head, content = self._snapshot()
        lines = content[: content.rfind(b"\n") + 1]  # what follows is torn: a crash, or a write under way
        if not lines.startswith(self._lines):
            self._start_over()
        if _writer(head) not in (None, self.key.fingerprint):
            raise LedgerError(
                f"the ledger {self.directory / FILE} was written with another key, {_writer(head)}: set that "
                "one again, or restore it from a backup"
            )
        self._read(lines)
        self._check_head(head)
        self._is_current = self._file is not None

    def _read(self, lines: bytes) -> None:
        try:
            self._chain.read(lines[len(self._lines) :])
        except LedgerError:
            self._start_over()
            raise
        self._lines = lines

    def _start_over(self) -> None:
        self._chain, self._lines, self._is_current = Chain(self.key), b"", False

    def _snapshot(self) -> tuple[bytes, bytes]:
        """Head and ledger of one moment: the head is replaced after every append, and never returns."""
        while True:
            head, content = self._content(HEAD_FILE), self._content(FILE)
            if head == self._content(HEAD_FILE):
                return head, content

    def _content(self, name: str) -> bytes:
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise LedgerError(f"{self.directory / name} cannot be read: {error.strerror or error}") from error

    def _check_head(self, head: bytes) -> None:
        size, entries = _size(head), len(self._chain.entries)
        if size > entries:
            raise LedgerError(
                f"the ledger {self.directory / FILE} had {size} entries and has {entries}: restore it from "
                "a backup"
            )
        if head != self._chain.head(size) and (head or entries):
            raise LedgerError(
                f"{self.directory / HEAD_FILE} is missing or was altered: restore it, with the ledger, "
                "from a backup"
            )

    def _settle(self, file: FileIO) -> None:
        """Put right what a crash left: a torn line, a head that is behind or not yet there."""
        self._refresh()
        if file.seek(0, os.SEEK_END) != len(self._lines):
            file.truncate(len(self._lines))
            os.fsync(file.fileno())
        if self._content(HEAD_FILE) != self._chain.head(len(self._chain.entries)):
            self._write_head()

    def _write(self, file: FileIO, lines: bytes) -> None:
        written = 0
        while written < len(lines):
            written += file.write(lines[written:])
        os.fsync(file.fileno())

    def _write_head(self) -> None:
        with durable.replacing(self.directory / HEAD_FILE) as temporary:
            temporary.write_bytes(self._chain.head(len(self._chain.entries)))

    def _taken_in(self, kind: str, body: Mapping[str, Any]) -> bytes:
        line = self._chain.next_line(*self._dated(kind, body))
        self._chain.read(line)
        return line

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Name an error of the disk; after any error, verify from the start what was written after all."""
        try:
            yield
        except OSError as error:
            self._start_over()
            raise LedgerError(
                f"the ledger {self.directory / FILE} cannot be written ({error.strerror or error}): free or "
                "mend the disk, then run the same command again"
            ) from error
        except BaseException:
            self._start_over()
            raise

    def _dated(self, kind: str, body: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
        now = self.clock().astimezone(UTC).replace(microsecond=0)
        last = datetime.fromisoformat(self._chain.entries[-1].at) if self._chain.entries else now
        if now >= last:
            return now.isoformat(), kind, body
        return last.isoformat(), kind, {**body, "clock_behind_s": int((last - now).total_seconds())}


def _claims(head: bytes) -> dict[str, Any]:
    """What a head says before anything vouches for it."""
    try:
        values = json.loads(head)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _writer(head: bytes) -> str | None:
    """Fingerprint of the key that a head says it was sealed with."""
    return _claims(head).get("key")


def _size(head: bytes) -> int:
    """Number of entries that a head speaks of; 0, which no altered head can be of, if it is damaged."""
    size = _claims(head).get("entries")
    return size if type(size) is int and size > 0 else 0
