"""What is in a file, by its first bytes and not by its name, handed to the search in the right shape."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from recsys_unlearn.erasure import databases, naming, tensors
from recsys_unlearn.erasure.search import BETWEEN, Data, Finding, Search

COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")
OPAQUE = (b"\x89PNG", b"\xff\xd8\xff", b"%PDF")  # pictures: no numbers that mean anything
DIGEST_BYTES = 32  # which :mod:`recsys_unlearn.retrieval` puts at the end of an index
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = ("::", "\t", ",", ";", "|")
_ROW_OF_ITEMS = re.compile(r"\d+(?: \d+)+\s*")  # a user and their items, as LightGCN has it
_COLUMNS = ("user", "item", "weight", "time", "split")  # of a bucket; each item stands beside its user
_SAMPLE = 20  # lines by which a text is taken for a table


class Unreadable(Exception):
    """A file, or a part of one, that could only be searched as bytes; the message says why."""


@dataclass(frozen=True)
class Source:
    """A file, its bytes, and where in a workspace it lies."""

    path: Path
    data: memoryview

    def begins(self, *starts: bytes) -> bool:
        """Whether the file begins with one of the strings."""
        return any(self.data[: len(start)] == start for start in starts)

    @property
    def store(self) -> Path | None:
        """Directory of the training store that the file belongs to, if any."""
        near = (self.path.parent, self.path.parent.parent)
        return next((each for each in near if (each / "store.json").is_file()), None)

    @cached_property
    def store_id(self) -> str | None:
        """Name of that store."""
        try:
            return json.loads((self.store / "store.json").read_text())["store_id"] if self.store else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def findings(source: Source, search: Search) -> Iterator[Finding]:
    """Search one file in every shape that its format has.

    Raises
    ------
    Unreadable
        At the end, if a part of the file could only be searched as bytes.
    """
    yield from _reader(source)(source, search)


def _reader(source: Source) -> Callable[[Source, Search], Iterator[Finding]]:
    if source.begins(b"PAR1"):
        return _in_parquet
    if source.begins(databases.MAGIC):
        return _in_database
    if source.begins(*databases.JOURNALS, *OPAQUE):
        return _in_opaque
    if source.begins(*COMPRESSED):
        return _in_compressed
    if source.begins(b"\x93NUMPY"):
        return _in_npy
    if source.begins(b"Ix", b"Iw") and source.path.suffix == ".faiss":
        return _in_index
    if tensors.safetensors_header(source.data) is not None:
        return _in_safetensors
    return _in_rest


def _in_opaque(source: Source, search: Search) -> Iterator[Finding]:
    yield from search.in_bytes(source.data)


def _in_compressed(source: Source, search: Search) -> Iterator[Finding]:
    yield from search.in_bytes(source.data)
    raise Unreadable("compressed")


def _in_parquet(source: Source, search: Search) -> Iterator[Finding]:
    yield from search.in_bytes(source.data)
    try:
        frame = pl.read_parquet(io.BytesIO(source.data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        yield from search.in_unknown(source.data)
        raise Unreadable(f"damaged parquet ({type(error).__name__})") from None
    if source.store and source.path.parent != source.store:
        yield from _in_bucket(source, frame, search)
    else:
        yield from search.in_table(frame)


def _in_bucket(source: Source, frame: pl.DataFrame, search: Search) -> Iterator[Finding]:
    """Look for a row of a store, and for its items under a row that is nobody's."""
    if "user" not in frame.columns or not frame["user"].dtype.is_integer():
        yield from search.in_table(frame)
        return
    yield from search.rows_in(frame["user"], "column 'user'", source.store_id)
    yield from search.in_table(frame.drop(*_COLUMNS, strict=False))
    known = pl.Series(sorted(databases.rows_of_vault(source.store)), dtype=pl.Int64).implode()
    nobodys = frame.filter(~pl.col("user").cast(pl.Int64, strict=False).is_in(known))
    if nobodys.height:
        yield from search.groups_in(nobodys, "user")


def _in_database(source: Source, search: Search) -> Iterator[Finding]:
    data = bytes(source.data)
    yield from search.in_bytes(data, kinds=("vector",))  # an id may be the beginning of somebody else's
    log = source.path.with_name(f"{source.path.name}-wal")
    images = [data, *([databases.with_log(data, log.read_bytes())] if log.is_file() else [])]
    for image in images:
        try:
            yield from search.surplus(image, databases.living(image))
            for table, frame, blobs in databases.tables(image):
                yield from _in_database_table(source, table, frame, search)
                yield from search.in_unknown(blobs)
        except databases.Damaged as error:
            yield from search.in_unknown(data)
            raise Unreadable(str(error)) from None


def _in_database_table(source: Source, table: str, frame: pl.DataFrame, search: Search) -> Iterator[Finding]:
    of_users = naming.is_list_of(table)
    yield from search.in_table(frame, fields=("id", "name", "key") if of_users else ())
    if of_users and "row" in frame.columns:
        yield from search.rows_in(frame["row"], f"column 'row' of {table!r}", source.store_id)
    for key, value in (("key", "value"), ("tag_key", "tag_value"), ("name", "value")):
        if {key, value} <= set(frame.columns):
            named = zip(frame[key].cast(pl.String), frame[value].cast(pl.String), strict=True)
            yield from search.in_fields((k, v) for k, v in named if k is not None and v is not None)


def _in_npy(source: Source, search: Search) -> Iterator[Finding]:
    yield from search.in_bytes(source.data)
    try:
        array = tensors.npy(source.data)
    except ValueError as error:
        yield from search.in_unknown(source.data)
        raise Unreadable(f"npy: {error}") from None
    yield from search.in_array(source.path.stem, array)


def _in_safetensors(source: Source, search: Search) -> Iterator[Finding]:
    yield from search.in_bytes(source.data)
    yield from search.in_text(json.dumps(tensors.safetensors_header(source.data), ensure_ascii=False))
    try:
        for name, tensor in tensors.safetensors(source.data):
            yield from search.in_array(name, tensor, source.path)
    except (ValueError, KeyError, TypeError):
        yield from search.in_unknown(source.data)
        raise Unreadable("damaged safetensors") from None


def _in_index(source: Source, search: Search) -> Iterator[Finding]:
    """Look in a faiss index; of its numbers only at the ids at its end, if they are not just places in it."""
    yield from search.in_bytes(source.data)
    size = int.from_bytes(source.data[8:16], "little")  # after the kind and the width
    ids = source.data[-(8 * size + DIGEST_BYTES) :]
    yield from search.integers_in(ids, least=size + 1)


def _in_rest(source: Source, search: Search) -> Iterator[Finding]:
    text = _text(source.data)
    if text is None:
        yield from search.in_unknown(source.data)
        return
    if source.begins(*_UTF_16):  # any bytes may happen to be UTF-16
        yield from search.in_bytes(source.data)
    yield from search.in_text(text)
    frame = _table(text)
    if frame is not None:
        yield from search.in_table(frame)
    yield from _in_json(text, search)


def _in_json(text: str, search: Search) -> Iterator[Finding]:
    for value in _json_values(text):
        try:
            fields = list(_fields(value, ""))
        except RecursionError:
            raise Unreadable("nested too deeply") from None
        yield from search.in_fields(fields)
        if "\\" in text:  # what stands beside an escape stands beside a letter
            yield from search.in_text(BETWEEN.join(inner for _, inner in fields))


def _text(data: Data) -> str | None:
    """Contents as text, None if they are something else."""
    raw = bytes(data)
    encoding = "utf-16" if raw[:2] in _UTF_16 else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _json_values(text: str) -> Iterator[Any]:
    """The document, or those of its lines that are documents."""
    if not text.lstrip().startswith(("{", "[")):
        return
    try:
        yield json.loads(text)
    except (ValueError, RecursionError):
        for line in text.splitlines():
            with suppress(ValueError, RecursionError):
                yield json.loads(line)


def _fields(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each scalar with the key it stands under; elements of a list with that key and ``[]``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{name}[]", key
            yield from _fields(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, name if isinstance(inner, dict) else f"{name.removesuffix('[]')}[]")
    else:
        yield name, str(value)


def _table(text: str) -> pl.DataFrame | None:
    """Text of lines with equally many fields as a table of strings, or None.

    Without a head the first column is taken for the user, as in all usual formats of interactions.
    """
    lines = [line for line in text.split("\n", _SAMPLE)[:_SAMPLE] if line.strip()]
    for separator in _SEPARATORS:
        counts = {line.count(separator) for line in lines}
        if len(counts) != 1 or counts == {0}:
            continue
        head = [part.strip('"\r ') for part in lines[0].split(separator)]
        has_head = any(map(naming.is_field, head)) or "user_row" in head
        if not has_head and not all(line.split(separator)[0].strip('"').isdigit() for line in lines):
            continue
        return _parsed(text, separator, has_head)
    if lines and all(_ROW_OF_ITEMS.fullmatch(line) for line in lines):
        return pl.DataFrame({"user": [line.partition(" ")[0] for line in text.splitlines()]})
    return None


def _parsed(text: str, separator: str, has_head: bool) -> pl.DataFrame | None:
    single = "\t" if separator == "::" else separator
    body = text.replace("::", "\t") if separator == "::" else text
    try:
        frame = pl.read_csv(
            body.encode(),
            separator=single,
            has_header=has_head,
            infer_schema_length=0,
            truncate_ragged_lines=True,
            ignore_errors=True,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return frame if has_head else frame.rename({frame.columns[0]: "user"})
