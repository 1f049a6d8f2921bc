"""From a source's own columns to ``user, item, weight, time`` of one type each, checked in one pass."""

from dataclasses import dataclass

import polars as pl

from recsys_unlearn.errors import InvalidValue, NothingLeft
from recsys_unlearn.interactions import columns
from recsys_unlearn.interactions.ids import IdKind
from recsys_unlearn.interactions.mapping import find_columns
from recsys_unlearn.interactions.options import IngestOptions
from recsys_unlearn.interactions.sources import Table, readable

_RAW = "raw_"  # prefix of a column as it was read, beside its typed form
_ISO_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class Typed:
    """A lazy frame of ``user, item, weight?, time?`` whose every value has been checked.

    Parameters
    ----------
    frame
        Users and items as text or whole numbers, weight float64, time int64 (seconds).
    kinds
        Kind of the user and of the item ids.
    rows
        Number of rows.
    name
        What messages call the source.
    """

    frame: pl.LazyFrame
    kinds: dict[str, IdKind]
    rows: int
    name: str


def typed(table: Table, options: IngestOptions) -> Typed:
    """Give a table's columns their types and check every value.

    Raises
    ------
    MissingColumn
        A column that is needed is not there.
    InvalidValue
        Ids that are missing or of a type that cannot round-trip; ratings or times that are not numbers.
    NothingLeft
        The table has no rows.
    """
    mapping = find_columns(table, options)
    with readable(table.name):
        source = table.load(list(dict.fromkeys(mapping.values())))
        schema = source.collect_schema()
        frame = source.select(**{role: pl.col(name) for role, name in mapping.items()})
        typed_as = {role: _expression(role, schema[name], name) for role, name in mapping.items()}
        both = frame.rename(lambda role: _RAW + role).with_columns(**typed_as)
        rows = _check(both, table, mapping)
    kinds: dict[str, IdKind] = {
        role: "int" if schema[mapping[role]].is_integer() else "str" for role in (columns.USER, columns.ITEM)
    }
    return Typed(both.select(list(mapping)), kinds, rows, table.name)


def _expression(role: str, dtype: pl.DataType, name: str) -> pl.Expr:
    make = {columns.WEIGHT: _weight, columns.TIME: _time}.get(role, _identifier)
    return make(pl.col(_RAW + role), dtype, name)


def _identifier(raw: pl.Expr, dtype: pl.DataType, name: str) -> pl.Expr:
    if dtype.is_integer() or dtype in (pl.String, pl.Null):
        return raw
    if dtype in (pl.Categorical, pl.Enum):
        return raw.cast(pl.String)
    if dtype.is_float():
        raise InvalidValue(
            f"the ids in column '{name}' are decimal numbers ({dtype}), which do not round-trip: drop the "
            "missing ones and convert the column to whole numbers or text"
        )
    raise InvalidValue(f"the ids in column '{name}' are {dtype}: convert them to whole numbers or text")


def _weight(raw: pl.Expr, dtype: pl.DataType, name: str) -> pl.Expr:
    if dtype == pl.String:
        raw = raw.str.strip_chars()
    elif not dtype.is_numeric() and dtype != pl.Null:
        raise InvalidValue(f"the ratings in column '{name}' are {dtype}: they must be numbers")
    return raw.cast(pl.Float64, strict=False)


def _time(raw: pl.Expr, dtype: pl.DataType, name: str) -> pl.Expr:
    if dtype in (pl.Date, pl.Datetime):
        return raw.dt.epoch("s")
    if dtype == pl.String:
        return _time_from_text(raw.str.strip_chars())
    if not dtype.is_numeric() and dtype != pl.Null:
        raise InvalidValue(f"the times in column '{name}' are {dtype}: they must be seconds or dates")
    return raw.cast(pl.Int64, strict=False)


def _time_from_text(text: pl.Expr) -> pl.Expr:
    whole, decimal = text.cast(pl.Int64, strict=False), text.cast(pl.Float64, strict=False)
    stamps = [text.str.to_datetime(form, time_unit="us", strict=False) for form in _ISO_FORMATS]
    dates = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    seconds = [stamp.dt.epoch("s") for stamp in (*stamps, dates)]
    return pl.coalesce(whole, decimal.cast(pl.Int64, strict=False), *seconds)


def _check(both: pl.LazyFrame, table: Table, mapping: dict[str, str]) -> int:
    problems = {
        (role, problem): bad
        for role in mapping
        for problem, bad in _problems(role, table.format, both.collect_schema()[role]).items()
    }
    counts = both.select(pl.len(), *(bad.sum().alias(f"{n}") for n, bad in enumerate(problems.values())))
    rows, *found = counts.collect(engine="streaming").row(0)
    if rows == 0:
        raise NothingLeft(f"{table.name} has no rows: there is nothing to ingest")
    for (role, problem), count in zip(problems, found, strict=True):
        if count:
            column = f"column '{mapping[role]}'"
            raise InvalidValue(f"{table.name}: {count:,} of {rows:,} rows have {problem} ({column})")
    return rows


def _problems(role: str, format: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    value, raw = pl.col(role), pl.col(_RAW + role)
    if role == columns.WEIGHT:
        return {
            "no rating": raw.is_null(),
            "a rating that is not a number": raw.is_not_null() & value.is_null(),
            "a rating that is NaN or infinite": ~value.cast(pl.Float32).is_finite(),
        }
    if role == columns.TIME:
        return {
            "no time": raw.is_null(),
            "a time that is neither seconds since 1970 nor an ISO date": raw.is_not_null() & value.is_null(),
        }
    return _id_problems(role, value, format, dtype)


def _id_problems(role: str, value: pl.Expr, format: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    problems = {f"no {role} id": value.is_null()}
    if dtype == pl.String:
        problems[f"an empty {role} id"] = value.str.len_bytes() == 0
        problems[f"a NUL character in the {role} id"] = value.str.contains("\0", literal=True)
    if format == "lightgcn":
        whole = (
            f"a{'n' if role == columns.ITEM else ''} {role} id that is not a whole number, as LightGCN's are"
        )
        problems[whole] = ~value.str.contains(r"^[0-9]+$")
    return problems
