"""Where interactions come from: files or frames, behind one lazy table with the source's own columns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from recsys_unlearn.errors import InvalidValue, RecsysUnlearnError, UnreadableSource, UsageError
from recsys_unlearn.interactions import formats
from recsys_unlearn.interactions.options import source_name

Source: TypeAlias = Any  # path, list of paths, pandas.DataFrame, polars.DataFrame or polars.LazyFrame


@dataclass(frozen=True)
class Table:
    """A source before any meaning is given to its columns.

    Parameters
    ----------
    name
        What messages call it.
    format
        One of ``formats.FORMATS``, or ``frame``.
    columns
        Its own column names.
    load
        Returns the named columns lazily.
    """

    name: str
    format: str
    columns: list[str]
    load: Callable[[list[str]], pl.LazyFrame]


def open_table(source: Source, format: str | None = None) -> Table:
    """Open a source without reading its rows.

    Raises
    ------
    UnreadableSource
        A file that is absent, of an unknown format, or truncated.
    UsageError
        A source that is neither a path nor a frame.
    """
    name = source_name(source)
    if isinstance(source, str | Path):
        source = [source]
    with readable(name):
        if isinstance(source, list | tuple) and source:
            return _files(name, [Path(path) for path in source], format)
        if isinstance(source, pl.DataFrame | pl.LazyFrame):
            return _polars(name, source.lazy())
        if hasattr(source, "iloc"):  # a pandas frame, without importing pandas to ask
            return _pandas(name, source)
    raise UsageError(f"cannot ingest {name}: pass a path, a list of paths, or a pandas or polars frame")


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what polars raises into an error of ours. Its own text is dropped: it may quote an id."""
    try:
        yield
    except RecsysUnlearnError:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise UnreadableSource(
            f"cannot read {name}: truncated, damaged, or not in the stated format ({type(error).__name__})"
        ) from None


def _files(name: str, paths: Sequence[Path], format: str | None) -> Table:
    formats_found = [format or formats.detect(path) for path in paths]
    scans = [formats.scan(path, found) for path, found in zip(paths, formats_found, strict=True)]
    columns = list(scans[0].collect_schema())

    def load(names: list[str]) -> pl.LazyFrame:
        return pl.concat([scan.select(names) for scan in scans])

    return Table(name, formats_found[0], columns, load)


def _polars(name: str, frame: pl.LazyFrame) -> Table:
    schema = frame.collect_schema()
    if pl.Object in schema.values():
        return _objects(name, list(schema), lambda column: frame.select(column).collect()[column].to_list())
    return Table(name, "frame", list(schema), frame.select)


def _pandas(name: str, frame: Any) -> Table:
    formats.check_names(name, [*map(str, frame.columns)])
    named = dict(zip(map(str, frame.columns), frame.columns, strict=True))

    def load(names: list[str]) -> pl.LazyFrame:
        return pl.LazyFrame({column: _pandas_series(column, frame[named[column]]) for column in names})

    return Table(name, "frame", list(named), load)


def _pandas_series(name: str, values: Any) -> pl.Series:
    return python_series(name, values.tolist()) if values.dtype == object else pl.Series(name, values)


def _objects(name: str, columns: list[str], values: Callable[[str], list[Any]]) -> Table:
    def load(names: list[str]) -> pl.LazyFrame:
        return pl.LazyFrame({column: python_series(column, values(column)) for column in names})

    return Table(name, "frame", columns, load)


def python_series(name: str, values: list[Any]) -> pl.Series:
    """Column from Python objects: all text, or all whole numbers up to 128 bits, or what polars makes of it.

    Raises
    ------
    InvalidValue
        The objects are of more than one type.
    """
    present = [None if _is_missing(value) else value for value in values]
    kinds = {_kind(value) for value in present if value is not None}
    if len(kinds) > 1:
        raise InvalidValue(
            f"column '{name}' mixes {' and '.join(sorted(kinds))}: convert it to one type, such as text"
        )
    if kinds == {"whole numbers"}:
        return _whole_numbers(name, present)
    return pl.Series(name, present)


def _whole_numbers(name: str, values: list[Any]) -> pl.Series:
    for dtype in (pl.Int64, pl.UInt64, pl.Int128, pl.UInt128):
        try:
            return pl.Series(name, [None if value is None else int(value) for value in values], dtype=dtype)
        except (TypeError, OverflowError):
            continue
    raise InvalidValue(f"column '{name}' has whole numbers beyond 128 bits: convert them to text")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true/false"
    for kind, name in ((str, "text"), (Integral, "whole numbers"), (float, "decimal numbers")):
        if isinstance(value, kind):
            return name
    return type(value).__name__


def _is_missing(value: Any) -> bool:
    # NaN and NaT are not equal to themselves; pandas.NA refuses to be compared.
    return value is None or type(value).__name__ == "NAType" or bool(value != value)
