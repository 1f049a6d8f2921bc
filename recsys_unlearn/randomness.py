"""Random streams keyed by (seed, purpose, id).

A user's draws must not depend on who else is in the data. Otherwise "retrain without u" would
differ from the original by every draw that moved up one place, and the difference between the two
would measure noise instead of u. So every random number here is a function of the seed, a purpose,
and the row numbers it belongs to, over an id space that a deletion does not renumber.
"""

import hashlib

import numpy as np
from scipy.special import ndtri

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # splitmix64's increment


def stream_key(seed: int, *purpose: object) -> int:
    """64-bit key of the stream for ``purpose`` under ``seed``."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(seed: int, *purpose: object) -> np.random.Generator:
    """Sequential generator for ``purpose``; for draws that belong to no user or item."""
    return np.random.Generator(np.random.Philox(key=stream_key(seed, *purpose)))


def keyed_hash(key: int, first: np.ndarray, second: np.ndarray | int = 0) -> np.ndarray:
    """Uniform 64-bit hash of each (first, second) pair of row numbers, elementwise (splitmix64)."""
    pair = (np.asarray(first).astype(np.uint64) << np.uint64(32)) | np.asarray(second).astype(np.uint64)
    return _mix(_mix(pair + _GOLDEN) ^ np.uint64(key))


def keyed_uniform(key: int, first: np.ndarray, second: np.ndarray | int = 0) -> np.ndarray:
    """Float64 in (0, 1), one per (first, second) pair of row numbers; never exactly 0 or 1."""
    return ((keyed_hash(key, first, second) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def keyed_normal(seed: int, purpose: str, rows: int, columns: int) -> np.ndarray:
    """Standard normal table, float32 (rows, columns); row r depends on (seed, purpose, r) alone."""
    r, c = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij", sparse=True)
    return ndtri(keyed_uniform(stream_key(seed, purpose), r, c)).astype(np.float32)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
