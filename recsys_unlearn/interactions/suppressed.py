"""Users who were erased and are in the source again, left out as if the source did not have them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from recsys_unlearn.errors import NothingLeft
from recsys_unlearn.interactions.assembly import Assembled
from recsys_unlearn.interactions.columns import USER
from recsys_unlearn.interactions.contract import UserId
from recsys_unlearn.interactions.sources import readable
from recsys_unlearn.interactions.staging import distinct

Suppressed = Callable[[Sequence[UserId]], np.ndarray]
"""Bool for each id: whether its user must not come in."""


@dataclass(frozen=True)
class LeftOut:
    """How much of a source was left out: users, and rows."""

    users: int = 0
    rows: int = 0


def without(assembled: Assembled, suppressed: Suppressed | None) -> tuple[Assembled, LeftOut]:
    """Leave suppressed users out of a source; it is read once more for that.

    Raises
    ------
    NothingLeft
        If nobody else is in it.
    """
    if suppressed is None:
        return assembled, LeftOut()
    with readable(assembled.name):
        users = distinct(assembled.frame, USER)
        out = users.filter(pl.Series(suppressed(users.to_list()), dtype=pl.Boolean))
        if not len(out):
            return assembled, LeftOut()
        # A filter and not a join: of duplicates without a time the first is kept, so order matters.
        frame = assembled.frame.filter(~pl.col(USER).is_in(out.implode()))
        rows = frame.select(pl.len()).collect(engine="streaming").item()
    if rows == 0:
        raise NothingLeft(f"everybody in {assembled.name} was erased from this workspace before")
    return replace(assembled, frame=frame, rows=rows), LeftOut(len(out), assembled.rows - rows)
