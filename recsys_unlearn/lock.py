"""The right to change a workspace: one process at a time, by name, and nobody after their death.

The kernel holds the lock and releases it when its owner dies, however it dies, so that a dead owner's
is simply taken. The file says who the owner is, for whoever has to wait; what it says of a dead owner
is overwritten by the next one.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from recsys_unlearn.errors import Locked

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Owner:
    """Who holds a lock.

    Parameters
    ----------
    pid, host
        Of the process.
    since
        When it took the lock, UTC, ISO 8601.
    command
        What it does, such as ``forget``; never its arguments, which may be ids.
    """

    pid: int
    host: str
    since: str
    command: str

    @classmethod
    def present(cls, command: str) -> "Owner":
        """Describe this process."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, command)

    @classmethod
    def read(cls, file: IO[str]) -> "Owner | None":
        """Return who wrote the file last; None while nobody has, or before they have finished."""
        try:
            file.seek(0)
            return cls(**json.loads(file.read()))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid} on {self.host}, since {self.since})"


@contextmanager
def locked(path: Path, command: str, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock ``path``, made if need be.

    Parameters
    ----------
    what
        What it protects, for the message.
    wait
        Seconds to wait for another owner; ``inf`` for as long as it takes.

    Raises
    ------
    Locked
        If another living process holds it, and does for ``wait`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        deadline = time.monotonic() + wait
        while not _taken(file):
            if time.monotonic() >= deadline:
                raise Locked(_refusal(file, what, wait))
            time.sleep(POLL_SECONDS)
        try:
            _write(file, json.dumps(asdict(Owner.present(command))))
            yield
        finally:
            _write(file, "")


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: IO[str], text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()


def _refusal(file: IO[str], what: str, wait: float) -> str:
    owner = Owner.read(file)
    waited = f" and has not finished in {wait:g} s" if wait else ""
    return (
        f"another process is changing {what}{waited}: {owner or 'it has only just begun'}; "
        "wait for it and try again, or use --wait"
    )
