"""Who, and what of whom, stays erased when the source, which still has it, is ingested again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys_unlearn import durable
from recsys_unlearn.erasure.chain import canonical
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.ledger import Ledger
from recsys_unlearn.errors import LedgerError
from recsys_unlearn.interactions.contract import ItemId, UserId

FILE = "suppressed"
REMOVED = "unsuppressed"  # kind of the ledger's entry when somebody comes back

Pairs = Mapping[str, frozenset[str]]
"""Keyed hash of a user to those of the pairs that were erased of them."""


class Suppression:
    """Keyed hashes of the users whose accounts were erased, and of single pairs of user and item that were.

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
        self._hashes, self._pairs = _read(directory / FILE, key)

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

    @property
    def has_pairs(self) -> bool:
        """Whether single items were erased of anybody."""
        return bool(self._pairs)

    def filter_partly(self, ids: Sequence[UserId]) -> np.ndarray:
        """Bool (len(ids),): true for those of whom single items were erased."""
        if not self._pairs:
            return np.zeros(len(ids), bool)
        return np.fromiter((self.key.user(each) in self._pairs for each in ids), bool, len(ids))

    def filter_pairs(self, users: Sequence[UserId], items: Sequence[ItemId]) -> np.ndarray:
        """Bool (len(users),): true for the pairs of a user and an item that must not come in again.

        Two hashes for each pair: ask only about users whom ``filter_partly`` marks.
        """
        user_hashes = {user: self.key.user(user) for user in set(users)}
        item_hashes = {item: self.key.item(item) for item in set(items)}
        named = ((user_hashes[user], item_hashes[item]) for user, item in zip(users, items, strict=True))
        found = (self.key.pair(user, item) in self._pairs.get(user, ()) for user, item in named)
        return np.fromiter(found, bool)  # to its end, where zip sees that the lengths differ

    def hashes(self) -> list[str]:
        """Keyed hashes of all suppressed users, ascending."""
        return sorted(self._hashes)

    def add(self, hashes: Iterable[str], pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Suppress users, and pairs of a user and an item; durable.

        Nothing is written if all are here already.

        Parameters
        ----------
        hashes
            Keyed hashes of users.
        pairs
            Keyed hashes of a user and of an item each.
        """
        more = {user: set(known) for user, known in self._pairs.items()}
        for user, item in pairs:
            more.setdefault(user, set()).add(self.key.pair(user, item))
        self._write(self._hashes.union(hashes), {user: frozenset(each) for user, each in more.items()})

    def remove(self, hash: str) -> None:
        """Let a user in again who has come back and asked to; the ledger gets an entry of it.

        Does nothing for a hash that is not here. Single items that were erased of them stay out.
        """
        if hash in self._hashes:
            # The entry comes first: after a crash in between, a second call finds the hash and writes both.
            Ledger(self.directory, self.key).append(REMOVED, {"subject": hash})
            self._write(self._hashes - {hash}, self._pairs)

    def _write(self, hashes: frozenset[str], pairs: Pairs) -> None:
        if (hashes, pairs) != (self._hashes, self._pairs):
            durable.write_json(self.directory / FILE, _document(hashes, pairs, self.key))
            self._hashes, self._pairs = hashes, pairs


def _document(hashes: Iterable[str], pairs: Pairs, key: Key) -> dict[str, Any]:
    content: dict[str, Any] = {"hashes": sorted(hashes), "key": key.fingerprint}
    if pairs:  # a list of users alone reads as it always did
        content["pairs"] = {user: sorted(each) for user, each in pairs.items()}
    return content | {"mac": key.mac(canonical(content))}


def _read(path: Path, key: Key) -> tuple[frozenset[str], Pairs]:
    try:
        found = json.loads(path.read_bytes())
        if found["key"] != key.fingerprint:
            raise LedgerError(
                f"the suppression list {path} was made with another key, {found['key']}: set that one again, "
                "or restore it from a backup"
            )
        hashes = frozenset(found["hashes"])
        pairs = {user: frozenset(each) for user, each in found.get("pairs", {}).items()}
        if found == _document(hashes, pairs, key):
            return hashes, pairs
    except FileNotFoundError:
        return frozenset(), {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise LedgerError(f"the suppression list {path} is damaged: restore it from a backup")
