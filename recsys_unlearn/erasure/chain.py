"""Entries as bytes, and what makes a chain of them: pure, without a file.

A line is the canonical JSON of an entry with two seals at its end, each over all that precedes it::

    {"at":…,"body":…,"kind":…,"previous":…,"sequence":…,"hash":…,"mac":…}

``previous`` is the hash of the entry before, so that nothing can be dropped, swapped or repeated.
The hash lets anybody follow the chain; the MAC lets nobody but the key's holder forge it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.merkle import Tree
from recsys_unlearn.errors import LedgerError

GENESIS = "0" * 64  # what the first entry calls its previous one

_SEALS = len(b',"hash":"","mac":""}') + 2 * 64


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, without spaces, in ASCII: equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sealed(payload: bytes, key: Key) -> bytes:
    """Canonical JSON object with its hash and its MAC as last members."""
    digest = hashlib.sha256(payload).hexdigest()
    return payload[:-1] + f',"hash":"{digest}","mac":"{key.mac(payload)}"}}'.encode()


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Parameters
    ----------
    sequence
        Its number, from 0; also the number of its leaf in the Merkle tree.
    at
        When it was written: ISO 8601, UTC, whole seconds; never before the entry that precedes it.
    kind
        What happened.
    body
        The particulars; JSON, without any id.
    previous, hash
        Hexadecimal SHA-256 of the entry before and of this one.
    """

    sequence: int
    at: str
    kind: str
    body: Mapping[str, Any]
    previous: str
    hash: str

    def payload(self) -> bytes:
        """Bytes that the hash, the MAC and the Merkle leaf are made of."""
        return _payload(self.sequence, self.at, self.kind, self.body, self.previous)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(vars(self))


class Chain:
    """Entries that have been verified, and the Merkle tree over them.

    Attributes
    ----------
    entries
        In their order.
    tree
        Its leaves are the entries' payloads.
    """

    def __init__(self, key: Key) -> None:
        self.entries: list[Entry] = []
        self.tree = Tree()
        self._key = key

    def read(self, lines: bytes) -> None:
        """Take in whole lines, each after the one before.

        Raises
        ------
        LedgerError
            A line is not the next one, or not as it was written. The lines before it are taken in.
        """
        for line in lines.split(b"\n")[:-1]:
            payload = line[:-_SEALS] + b"}"
            if sealed(payload, self._key) != line:
                raise self._refusal("was altered")
            self._take(payload)

    def next_line(self, at: str, kind: str, body: Mapping[str, Any]) -> bytes:
        """Line that carries on the chain; it is taken in when it is read."""
        payload = _payload(len(self.entries), at, kind, body, self._last_hash(len(self.entries)))
        return sealed(payload, self._key) + b"\n"

    def head(self, size: int) -> bytes:
        """What is kept apart of the first ``size`` entries, so that a missing end is noticed."""
        head = {
            "entries": size,
            "key": self._key.fingerprint,
            "last": self._last_hash(size),
            "root": self.tree.root(size),
        }
        return sealed(canonical(head), self._key) + b"\n"

    def _take(self, payload: bytes) -> None:
        values = json.loads(payload)
        if (values["sequence"], values["previous"]) != (
            len(self.entries),
            self._last_hash(len(self.entries)),
        ):
            raise self._refusal("does not follow the one before it")
        self.entries.append(Entry(**values, hash=hashlib.sha256(payload).hexdigest()))
        self.tree.append(payload)

    def _last_hash(self, size: int) -> str:
        return self.entries[size - 1].hash if size else GENESIS

    def _refusal(self, what: str) -> LedgerError:
        return LedgerError(f"entry {len(self.entries)} of the ledger {what}: restore it from a backup")


def _payload(sequence: int, at: str, kind: str, body: Mapping[str, Any], previous: str) -> bytes:
    return canonical({"at": at, "body": body, "kind": kind, "previous": previous, "sequence": sequence})
