"""Bucket files: the interactions of a range of user rows, sorted by (user, item), as parquet."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from recsys_unlearn.errors import StoreError
from recsys_unlearn.interactions.columns import ITEM, SPLIT, SPLIT_NAMES, TIME, USER, WEIGHT
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.interactions.manifest import Bucket, content_digest

DIRECTORY = "interactions"

_NEEDED = (USER, ITEM, SPLIT)


def file_name(number: int, generation: int = 0) -> str:
    """Name of a bucket's file; each rewriting has another."""
    return f"bucket={number:03d}.parquet" if generation == 0 else f"bucket={number:03d}.{generation}.parquet"


def write(path: Path, frame: pl.DataFrame, start: int) -> Bucket:
    """Write a bucket under a name that no manifest has named yet, and describe it.

    The file is made anew from ``frame``, so that its statistics and dictionaries hold no trace of
    what the frame leaves out. The caller brings file and directory to the disk before a manifest
    names it.
    """
    frame.write_parquet(path, compression="zstd")
    users, items, splits = (frame[name].to_numpy() for name in _NEEDED)
    sizes = np.bincount(splits, minlength=len(SPLIT_NAMES))
    return Bucket(path.name, start, tuple(map(int, sizes)), content_digest(users, items, splits))


def read(directory: Path, buckets: Iterable[Bucket]) -> pl.DataFrame:
    """Read some buckets in one go; in the order of user rows they come sorted by (user, item).

    Raises
    ------
    StoreError
        A file is missing, damaged, or not the one that the manifest describes.
    """
    buckets = list(buckets)
    try:
        frame = pl.read_parquet([directory / b.file for b in buckets], hive_partitioning=False, glob=False)
        described = frame.height == sum(sum(b.sizes) for b in buckets) and set(_NEEDED) <= set(frame.columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        described = False
    if not described:
        raise StoreError(
            f"the interactions in {directory} are damaged, or another process has just changed them: "
            "open the store again; if that does not help, restore it from a backup or ingest with --replace"
        ) from None
    return frame


def interactions(
    frame: pl.DataFrame, n_users: int, n_items: int, keep: np.ndarray | None = None
) -> Interactions:
    """Turn rows of bucket files, sorted by (user, item), into ``Interactions``, ``keep`` selecting some.

    Raises
    ------
    StoreError
        A row lies outside the id spaces: files and manifest are not of one store.
    """
    if frame.height and (frame[USER].max() >= n_users or frame[ITEM].max() >= n_items):  # type: ignore[operator]
        raise StoreError(
            "the interactions name users or items that the manifest has no room for: restore the store from "
            "a backup, or ingest with --replace"
        )
    where = slice(None) if keep is None else keep
    arrays = {name: frame[name].to_numpy()[where].copy() for name in frame.columns if name != SPLIT}
    return Interactions(
        arrays[USER], arrays[ITEM], n_users, n_items, weights=arrays.get(WEIGHT), times=arrays.get(TIME)
    )
