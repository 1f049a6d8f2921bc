"""A person's items, recognised wherever they stand together: a group of a table, a run of numbers.

Two sets match when each holds at least nine tenths of the other, so that the long history of somebody
else, which has everything in it, is no match.
"""

from collections.abc import Collection
from math import ceil, floor
from typing import Any

import numpy as np
import polars as pl

from recsys_unlearn.erasure.target import FEWEST_ITEMS

SHARE = 0.9


def fewest(n_items: int) -> int:
    """How many of ``n_items`` must be there."""
    return ceil(SHARE * n_items)


def most(n_items: int) -> int:
    """How many may stand where ``n_items`` of them are."""
    return floor(n_items / SHARE)


def telling(rows: Collection[int]) -> bool:
    """Whether item rows can be told in a run of numbers.

    Fewer than 5 cannot; nor can rows that stand side by side, for every count from 0 upwards holds
    them.
    """
    return len(rows) >= FEWEST_ITEMS and max(rows) - min(rows) + 1 > most(len(rows))


def run_of(values: np.ndarray, wanted: Collection[int]) -> int | None:
    """Place where ``wanted`` stand together among ``values``, in any order; None if they do not.

    Parameters
    ----------
    values
        Integers (n,). What is repeated counts once.
    """
    need, width = fewest(len(wanted)), most(len(wanted))
    changes = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    values = values[changes]
    places = np.flatnonzero(np.isin(values, np.fromiter(wanted, np.int64)))
    if len(places) < need:
        return None
    # The first and the last of `need` members must lie within one window.
    near = places[need - 1 :] - places[: len(places) - need + 1] < width
    for first in np.flatnonzero(near).tolist():
        end = np.searchsorted(places, places[first] + width)
        if len(np.unique(values[places[first:end]])) >= need:
            return int(changes[places[first]])
    return None


def groups_of(frame: pl.DataFrame, by: str, of: str, wanted: Collection[Any]) -> list[object]:
    """Values of column ``by`` whose rows hold ``wanted``, and little else, in column ``of``."""
    need, width = fewest(len(wanted)), most(len(wanted))
    values = pl.Series(list(wanted), dtype=frame[of].dtype, strict=False).implode()
    held = frame.filter(pl.col(of).is_in(values)).group_by(by).agg(pl.col(of).n_unique().alias("held"))
    near = held.filter(pl.col("held") >= need)[by]
    if not len(near):
        return []
    sizes = (
        frame.filter(pl.col(by).is_in(near.implode())).group_by(by).agg(pl.col(of).n_unique().alias("all"))
    )
    return sizes.filter(pl.col("all") <= width)[by].to_list()
