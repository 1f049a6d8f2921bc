"""What was erased and is in the source again, left out as if the source did not have it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import polars as pl

from recsys_unlearn.errors import NothingLeft
from recsys_unlearn.interactions.assembly import Assembled
from recsys_unlearn.interactions.columns import ITEM, USER
from recsys_unlearn.interactions.contract import ItemId, UserId
from recsys_unlearn.interactions.sources import readable
from recsys_unlearn.interactions.staging import distinct


class Suppressed(Protocol):
    """Tells what must not come in: whole users, and single pairs of a user and an item."""

    def filter(self, ids: Sequence[UserId], /) -> np.ndarray:
        """Bool for each id: whether its user must not come in."""
        ...

    def filter_partly(self, ids: Sequence[UserId], /) -> np.ndarray:
        """Bool for each id: whether there are pairs of this user that must not come in."""
        ...

    def filter_pairs(self, users: Sequence[UserId], items: Sequence[ItemId], /) -> np.ndarray:
        """Bool for each pair: whether it must not come in."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """How much of a source was left out: users, single pairs of others, and the rows of both."""

    users: int = 0
    pairs: int = 0
    rows: int = 0


def without(assembled: Assembled, suppressed: Suppressed | None) -> tuple[Assembled, LeftOut]:
    """Leave suppressed users and pairs out of a source; it is read once more for that, twice for pairs.

    Raises
    ------
    NothingLeft
        If there is nothing else in it.
    """
    if suppressed is None:
        return assembled, LeftOut()
    with readable(assembled.name):
        ids = distinct(assembled.frame, USER)
        users = _marked(ids, suppressed.filter(ids.to_list()))
        pairs = _pairs(assembled.frame, ids, suppressed)
        if not len(users) and not len(pairs):
            return assembled, LeftOut()
        # Filters and not joins: of duplicates without a time the first is kept, so order matters.
        frame = assembled.frame.filter(~pl.col(USER).is_in(users.implode()))
        if len(pairs):
            pairs = pairs.filter(~pairs[USER].is_in(users.implode()))
            frame = frame.filter(~pl.struct(USER, ITEM).is_in(pairs.to_struct().implode()))
        rows = frame.select(pl.len()).collect(engine="streaming").item()
    if rows == 0:
        raise NothingLeft(f"everything in {assembled.name} was erased from this workspace before")
    return replace(assembled, frame=frame, rows=rows), LeftOut(len(users), len(pairs), assembled.rows - rows)


def _pairs(frame: pl.LazyFrame, ids: pl.Series, suppressed: Suppressed) -> pl.DataFrame:
    """Distinct pairs of a user and an item that are suppressed; reads nothing where no user has any."""
    users = _marked(ids, suppressed.filter_partly(ids.to_list()))
    if not len(users):
        return pl.DataFrame()
    theirs = frame.filter(pl.col(USER).is_in(users.implode())).select(USER, ITEM).unique()
    found = theirs.collect(engine="streaming")
    return found.filter(_mask(suppressed.filter_pairs(found[USER].to_list(), found[ITEM].to_list())))


def _marked(ids: pl.Series, mask: np.ndarray) -> pl.Series:
    return ids.filter(_mask(mask))


def _mask(mask: np.ndarray) -> pl.Series:
    return pl.Series(mask, dtype=pl.Boolean)
