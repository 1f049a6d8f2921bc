"""Who stays erased when the source, which still has them, is ingested again."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys_unlearn import durable
from recsys_unlearn.erasure.chain import canonical
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.ledger import Ledger
from recsys_unlearn.errors import LedgerError
from recsys_unlearn.interactions.contract import UserId

FILE = "suppressed"
REMOVED = "unsuppressed"  # kind of the ledger's entry when somebody comes back


class Suppression:
    """Keyed hashes of the users whose accounts were erased.

    Writers hold the workspace's lock. Readers need none: the file is replaced as a whole.

    Parameters
    ----------
    directory
        ``WORKSPACE/data/erasure``.
    key
        The one that the hashes were made with.

    Raises
    ------
    LedgerError
        The list was altered, or was made with another key, under which it would let everybody pass.
    """

    def __init__(self, directory: Path, key: Key) -> None:
        self.directory, self.key = directory, key
        self._hashes = _read(directory / FILE, key)

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, user_id: UserId) -> bool:
        return self.key.user(user_id) in self._hashes

    def filter(self, ids: Sequence[UserId]) -> np.ndarray:
        """Bool (len(ids),): true for those who are suppressed, and must not come in again.

        Takes about a second for a million ids, and no time if nobody is suppressed.
        """
        if not self._hashes:
            return np.zeros(len(ids), bool)
        return np.fromiter((self.key.user(each) in self._hashes for each in ids), bool, len(ids))

    def hashes(self) -> list[str]:
        """All keyed hashes, ascending."""
        return sorted(self._hashes)

    def add(self, hashes: Iterable[str]) -> None:
        """Suppress users, by their keyed hash; durable, and nothing is written if all are here already."""
        self._write(self._hashes.union(hashes))

    def remove(self, hash: str) -> None:
        """Let a user in again who has come back and asked to; the ledger gets an entry of it.

        Does nothing for a hash that is not here.
        """
        if hash in self._hashes:
            # The entry comes first: after a crash in between, a second call finds the hash and writes both.
            Ledger(self.directory, self.key).append(REMOVED, {"subject": hash})
            self._write(self._hashes - {hash})

    def _write(self, hashes: frozenset[str]) -> None:
        if hashes != self._hashes:
            durable.write_json(self.directory / FILE, _document(hashes, self.key))
            self._hashes = hashes


def _document(hashes: Iterable[str], key: Key) -> dict[str, Any]:
    content = {"hashes": sorted(hashes), "key": key.fingerprint}
    return content | {"mac": key.mac(canonical(content))}


def _read(path: Path, key: Key) -> frozenset[str]:
    try:
        found = json.loads(path.read_bytes())
        if found["key"] != key.fingerprint:
            raise LedgerError(
                f"the suppression list {path} was made with another key, {found['key']}: set that one again, "
                "or restore it from a backup"
            )
        hashes = frozenset(found["hashes"])
        if found == _document(hashes, key):
            return hashes
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    raise LedgerError(f"the suppression list {path} is damaged: restore it from a backup")
