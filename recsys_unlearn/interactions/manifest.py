"""What a store says of itself: counts, digests and options, and not one id."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys_unlearn import durable
from recsys_unlearn.errors import StoreError
from recsys_unlearn.interactions.columns import SPLIT_NAMES
from recsys_unlearn.interactions.ids import IdKind
from recsys_unlearn.randomness import keyed_hash, stream_key

FORMAT_VERSION = 1
FILE = "store.json"

_LANES = 2  # 64-bit sums side by side make a 128-bit digest
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Bucket:
    """One file of interactions: user rows from ``start`` up to the next bucket's start.

    Parameters
    ----------
    file
        Its name in the directory of interactions. A rewritten bucket gets a new name, so that
        replacing the manifest switches from all old files to all new ones at once.
    start
        First user row.
    sizes
        Number of interactions in each split.
    digest
        ``content_digest`` of its rows.
    """

    file: str
    start: int
    sizes: tuple[int, ...]
    digest: str


@dataclass(frozen=True)
class Manifest:
    """Everything that opening a store needs.

    Parameters
    ----------
    store_id
        Random name of this store.
    generation
        Number of erasures since the ingest.
    user_id_kind, item_id_kind
        Whether the ids are whole numbers or text.
    n_users, n_items
        Sizes of the id spaces; a deletion does not shrink them.
    buckets
        The files of interactions, ascending in user rows.
    source
        Format that was ingested.
    options
        The ingest's options, without the names of its sources.
    """

    store_id: str
    generation: int
    user_id_kind: IdKind
    item_id_kind: IdKind
    n_users: int
    n_items: int
    buckets: tuple[Bucket, ...]
    source: str
    options: dict[str, Any]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of interactions by name of split."""
        totals = np.sum([bucket.sizes for bucket in self.buckets], axis=0)
        return dict(zip(SPLIT_NAMES, map(int, totals), strict=True))

    @property
    def digest(self) -> str:
        """Digest of all interactions, whatever the number of buckets."""
        return combined([bucket.digest for bucket in self.buckets])

    def rewritten(self, buckets: dict[int, Bucket]) -> "Manifest":
        """Return the next generation, with some buckets replaced."""
        kept = tuple(buckets.get(number, bucket) for number, bucket in enumerate(self.buckets))
        return replace(self, buckets=kept, generation=self.generation + 1)

    def write(self, directory: Path) -> None:
        """Write to ``directory`` atomically."""
        summary = {"format_version": FORMAT_VERSION, "sizes": self.sizes, "digest": self.digest}
        buckets = {"n_buckets": len(self.buckets), "buckets": [vars(bucket) for bucket in self.buckets]}
        durable.write_json(directory / FILE, vars(self) | summary | buckets)

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read from ``directory``.

        Raises
        ------
        StoreError
            There is no manifest, it is damaged, or a later version of this package wrote it.
        """
        path = directory / FILE
        if not path.is_file():
            raise StoreError(f"no store in {directory}: run `recsys-unlearn ingest SOURCE` first")
        try:
            values = json.loads(path.read_bytes())
            version = values.pop("format_version")
        except (ValueError, AttributeError, TypeError, KeyError, OSError, RecursionError):
            raise _damaged(path) from None
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{path} is of format {version}, this release reads {FORMAT_VERSION}: upgrade it"
            )
        return cls._parse(path, values)

    @classmethod
    def _parse(cls, path: Path, values: dict[str, Any]) -> "Manifest":
        try:
            sizes, digest = values.pop("sizes"), values.pop("digest")
            del values["n_buckets"]
            buckets = tuple(Bucket(**b | {"sizes": tuple(b["sizes"])}) for b in values.pop("buckets"))
            manifest = cls(**values, buckets=buckets)
            if (sizes, digest) == (manifest.sizes, manifest.digest):
                return manifest
        except (TypeError, ValueError, KeyError):
            pass
        raise _damaged(path)


def content_digest(users: np.ndarray, items: np.ndarray, splits: np.ndarray) -> str:
    """128-bit hash of a set of (user row, item row, split), whatever their order.

    A sum of hashes modulo 2**64, so that the digests of parts add up to the digest of the whole.
    """
    lanes = [0] * _LANES
    for split in range(len(SPLIT_NAMES)):
        here = splits == split
        for lane in range(_LANES):
            key = stream_key(0, "content digest", lane, split)
            lanes[lane] += int(keyed_hash(key, users[here], items[here]).sum(dtype=np.uint64))
    return _hex(lanes)


def combined(digests: list[str]) -> str:
    """Digest of the union of disjoint sets."""
    return _hex([sum(int(d[16 * lane : 16 * lane + 16], 16) for d in digests) for lane in range(_LANES)])


def _hex(lanes: list[int]) -> str:
    return "".join(f"{lane & _MASK:016x}" for lane in lanes)


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path} is damaged: restore the store from a backup, or ingest again with --replace")
