"""The sources of one ingest as one checked lazy frame, with the split they came with."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from recsys_unlearn.errors import InvalidValue, NothingLeft
from recsys_unlearn.interactions.columns import ITEM, SPLIT, TEST, TRAIN, USER, VALIDATION, WEIGHT
from recsys_unlearn.interactions.ids import IdKind
from recsys_unlearn.interactions.options import IngestOptions
from recsys_unlearn.interactions.sources import Source, open_table, readable
from recsys_unlearn.interactions.typed import Typed, typed


@dataclass(frozen=True)
class Assembled:
    """Everything to be ingested, checked, at or above the threshold.

    Parameters
    ----------
    frame
        ``user, item, weight?, time?``, and ``split`` where splits are provided. Training first, then
        validation, then test: of a pair that is in two of them, the first is kept if there is no time.
    kinds
        Kind of the user and of the item ids.
    name, format
        Of the main source.
    rows_read, rows
        Number of rows before and after the threshold.
    """

    frame: pl.LazyFrame
    kinds: dict[str, IdKind]
    name: str
    format: str
    rows_read: int
    rows: int


def assemble(source: Source, options: IngestOptions) -> Assembled:
    """Open, type and check the source and the sets provided with it.

    Raises
    ------
    InputError
        Any of its leaves, with what is wrong and what to do about it.
    """
    given: dict[int, Any] = {TRAIN: source, VALIDATION: options.validation, TEST: options.test}
    tables = {split: open_table(part, options.format) for split, part in given.items() if part is not None}
    parts = {split: typed(table, options) for split, table in tables.items()}
    _agree(list(parts.values()))
    frame = _concatenated(parts, options.provides_splits)
    rows_read = sum(part.rows for part in parts.values())
    frame, rows = _above(frame, options.min_rating, rows_read, parts[TRAIN].name)
    return Assembled(frame, parts[TRAIN].kinds, parts[TRAIN].name, tables[TRAIN].format, rows_read, rows)


def _agree(parts: list[Typed]) -> None:
    first, *others = parts
    for part in others:
        if part.kinds != first.kinds:
            raise InvalidValue(
                f"ids are whole numbers in one and text in the other of {first.name} and {part.name}: "
                "convert them to one type"
            )


def _concatenated(parts: dict[int, Typed], provided: bool) -> pl.LazyFrame:
    frames = {split: part.frame for split, part in parts.items()}
    schemas = [frame.collect_schema() for frame in frames.values()]
    shared = [name for name in schemas[0] if all(name in schema for schema in schemas)]
    ids: Any = {name: _widest([schema[name] for schema in schemas]) for name in (USER, ITEM)}
    mark = {split: [pl.lit(split, pl.Int8).alias(SPLIT)] if provided else [] for split in frames}
    return pl.concat([frame.select(*shared, *mark[split]).cast(ids) for split, frame in frames.items()])


def _widest(dtypes: list[pl.DataType]) -> pl.DataType:
    if len(set(dtypes)) == 1:
        return dtypes[0]
    # Polars' own common type of signed and unsigned 64-bit numbers is a float, which loses digits.
    return pl.UInt128() if pl.UInt128 in dtypes else pl.Int128()


def _above(
    frame: pl.LazyFrame, min_rating: float | None, rows_read: int, name: str
) -> tuple[pl.LazyFrame, int]:
    if min_rating is None:
        return frame, rows_read
    frame = frame.filter(pl.col(WEIGHT) >= min_rating)
    with readable(name):
        rows = frame.select(pl.len()).collect(engine="streaming").item()
    if rows == 0:
        raise NothingLeft(f"none of {rows_read:,} rows is rated {min_rating:g} or higher: lower --min-rating")
    return frame, rows
