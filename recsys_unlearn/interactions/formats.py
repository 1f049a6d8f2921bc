"""Files of interactions: which of the usual formats one is in, and a lazy scan of its own columns.

Text is never guessed at: every field is read as text, so that ``007`` stays ``007``.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from recsys_unlearn.errors import InvalidValue, NothingLeft, UnreadableSource

FORMATS = ("csv", "tsv", "parquet", "inter", "u.data", "dat", "lightgcn")

_BOM = "\ufeff"
_MOVIELENS = ("user", "item", "rating", "timestamp")
_SEPARATORS = "\t,;|"
_TYPED_FIELD = re.compile(r".+:(token|float|token_seq|float_seq)\Z")
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*\Z", re.ASCII)
_LONGEST_FIRST_LINE = 1 << 20


def detect(path: Path) -> str:
    """Tell the format of a file from its first bytes.

    Returns
    -------
    str
        One of ``FORMATS``.

    Raises
    ------
    UnreadableSource
        No such file, or a content that fits none of the formats.
    NothingLeft
        The file is empty.
    """
    start = _first_bytes(path)
    if start.startswith(b"PAR1") or path.suffix in (".parquet", ".pq"):
        return "parquet"
    line = _first_line(path, start)
    for format, fits in _TEXT_FORMATS.items():
        if fits(line):
            return format
    raise UnreadableSource(
        f"cannot tell the format of {path}: pass --format with one of {', '.join(FORMATS)}"
    )


def scan(path: Path, format: str) -> pl.LazyFrame:
    """Scan a file lazily, under its own column names; fields of text files are text."""
    start = _first_bytes(path)
    if format == "parquet":
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return _SCANNERS[format](path, _first_line(path, start))


def looks_like_data(columns: list[str]) -> bool:
    """Whether what was taken for a header holds numbers; then it must not be quoted in a message."""
    return any(map(_NUMBER.match, columns))


def _first_bytes(path: Path) -> bytes:
    if not path.is_file():
        reason = "is a directory; name the file in it" if path.is_dir() else "does not exist; check the path"
        raise UnreadableSource(f"{path} {reason}")
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_FIRST_LINE)
    except OSError as error:
        raise UnreadableSource(f"cannot read {path}: {error.strerror}") from None
    if not start.strip():
        raise NothingLeft(f"{path} is empty: there is nothing to ingest")
    return start


def _first_line(path: Path, start: bytes) -> str:
    try:
        return start.lstrip().splitlines()[0].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableSource(f"{path} is neither parquet nor UTF-8 text: convert it first") from None


def _fields(line: str) -> list[str]:
    return line.split(_separator(line))


def _separator(line: str) -> str:
    return max(_SEPARATORS, key=line.count)


def _is_numbers(fields: list[str]) -> bool:
    return all(map(_NUMBER.match, fields))


# Tried in this order. A LightGCN line may hold one id alone: a user whose items are all in another split.
_TEXT_FORMATS: dict[str, Callable[[str], bool]] = {
    "inter": lambda line: all(map(_TYPED_FIELD.match, line.split("\t"))),
    "dat": lambda line: line.count("::") >= 2,
    "u.data": lambda line: line.count("\t") in (2, 3) and _is_numbers(line.split("\t")),
    "tsv": lambda line: "\t" in line and _separator(line) == "\t",
    "csv": lambda line: len(_fields(line)) > 1,
    "lightgcn": lambda line: bool(line.split()) and _is_numbers(line.split()),
}


def check_names(name: str, columns: Sequence[str]) -> None:
    """Refuse a name that two columns share: nobody can say which of them is meant.

    Raises
    ------
    InvalidValue
        If there is one. It is not quoted: without a header the names are somebody's data.
    """
    if looks_like_data([*columns]):
        return  # no header at all, which is said where the columns are looked for
    for place, column in enumerate(columns):
        first = columns.index(column)
        if column and first < place:
            raise InvalidValue(
                f"{name} names columns {first + 1} and {place + 1} alike: rename or remove one of them"
            )


def _scan_csv(path: Path, line: str) -> pl.LazyFrame:
    separator = _separator(line)
    _check_header(path, separator, '"')
    return pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)


def _scan_inter(path: Path, line: str) -> pl.LazyFrame:
    _check_header(path, "\t", None)
    frame = pl.scan_csv(path, separator="\t", quote_char=None, infer_schema=False, glob=False)
    return frame.rename(_untyped)


def _untyped(name: str) -> str:
    return name.rsplit(":", 1)[0]


def _check_header(path: Path, separator: str, quote: str | None) -> None:
    """Look at the names before polars makes ``user`` and ``user_duplicated_0`` of two that are alike."""
    first = pl.scan_csv(
        path,
        separator=separator,
        quote_char=quote,
        has_header=False,
        infer_schema=False,
        n_rows=1,
        glob=False,
    ).collect()
    names = [name or "" for row in first.rows() for name in row]
    check_names(str(path), names if quote else [*map(_untyped, names)])


def _scan_u_data(path: Path, line: str) -> pl.LazyFrame:
    names = _MOVIELENS[: line.count("\t") + 1]
    return pl.scan_csv(
        path,
        separator="\t",
        quote_char=None,
        has_header=False,
        schema=dict.fromkeys(names, pl.String),
        glob=False,
    )


def _scan_dat(path: Path, line: str) -> pl.LazyFrame:
    names = _MOVIELENS[: line.count("::") + 1]
    fields = pl.col("line").str.splitn("::", len(names)).struct.rename_fields(list(names))
    return _lines(path).select(fields).unnest("line")


def _scan_lightgcn(path: Path, line: str) -> pl.LazyFrame:
    ids = pl.col("line").str.extract_all(r"\S+")
    lines = _lines(path).select(user=ids.list.first(), item=ids.list.slice(1))
    return lines.filter(pl.col("item").list.len() > 0).explode("item")


def _lines(path: Path) -> pl.LazyFrame:
    lines = pl.scan_lines(path, glob=False, row_index_name="number")
    first = pl.col("number") == 0
    bare = pl.when(first).then(pl.col("line").str.strip_prefix(_BOM)).otherwise("line")
    return lines.select(line=bare).filter(pl.col("line").str.contains(r"\S"))


_SCANNERS: dict[str, Callable[[Path, str], pl.LazyFrame]] = {
    "csv": _scan_csv,
    "tsv": _scan_csv,
    "inter": _scan_inter,
    "u.data": _scan_u_data,
    "dat": _scan_dat,
    "lightgcn": _scan_lightgcn,
}
