"""A published split as it stands: its numbers are the rows, and nothing is held out or left out."""

from pathlib import Path

import numpy as np
import polars as pl

from recsys_unlearn.interactions import Interactions
from recsys_unlearn.interactions.formats import scan


def read_published_split(directory: Path) -> tuple[Interactions, Interactions]:
    """Training and test pairs of ``train.txt`` and ``test.txt``, a user and their items on each line.

    Figures on such a split are comparable with published ones only when every pair of ``train.txt`` is
    trained on; :func:`recsys_unlearn.interactions.ingest` keeps strangers out of it.

    Raises
    ------
    UnreadableSource
        If a file is missing.
    NothingLeft
        If it is empty.
    """
    pairs = [_pairs(directory / name) for name in ("train.txt", "test.txt")]
    n_users, n_items = (int(size) for size in np.concatenate(pairs).max(axis=0) + 1)
    train, test = (Interactions.from_pairs(part[:, 0], part[:, 1], n_users, n_items) for part in pairs)
    return train, test


def _pairs(path: Path) -> np.ndarray:
    return scan(path, "lightgcn").select(pl.all().cast(pl.Int64)).collect().to_numpy()
