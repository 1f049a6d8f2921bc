"""What is looked for in the contents of a file, compiled once for all targets.

Contents come in three shapes: bytes, text, and tables. Each finding is (target, kind, where); none of
them repeats what was found.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import polars as pl

from recsys_unlearn.erasure import fingerprint, naming
from recsys_unlearn.erasure.needles import SHORTEST, Needles
from recsys_unlearn.erasure.target import Target
from recsys_unlearn.erasure.tensors import is_in_use, is_over_users

Finding = tuple[int, str, str]
Data = bytes | memoryview

PIECE = 16  # bytes of a vector that are enough to know it by: 128 bits
FEWEST_VALUES = 5  # different bytes in a piece; a vector of zeros and ones is nobody's
FEW = 8  # lists of items; more are first compared with all that is there
DECIMALS, ELEMENTS = 3, 8  # so many of a vector's first elements must a text hold
DIGITS_OF_AN_ELEMENT = 7
BETWEEN = ";"  # cells: no part of a word, and no space, over which a word stands beside another

_TOKEN = re.compile(r"[^\s,;:|\[\]{}()\"'=]+")
_LONG_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?", re.IGNORECASE)
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_A_TIME = re.compile(
    r"(?:^|[^A-Za-z]|(?<=[a-z])(?=[A-Z]))(?i:(?:date)?time(?:stamp)?|date|ts|at)"
    r"(?i:[ _.-]?(?:s|ms|us|ns|unix[ _.-]?nano))?$"
)


class Search:
    """Looks for several people at once.

    Parameters
    ----------
    targets
        Whom; a finding's first part is a position in it.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = list(targets)
        self._by_text = _positions((number, each.text) for number, each in enumerate(targets))
        self._by_row = _positions((number, each.row) for number, each in enumerate(targets))
        self._spellings = _Patterns(targets, _spelled)
        self._anywhere = _Patterns(targets, _bytes_of)
        self._integers = _Patterns(targets, _integers_of)
        self._dead = _Patterns(targets, _encoded)
        self._decimals = _decimals(targets)
        self._lists = [each for number, target in enumerate(targets) for each in _lists(number, target)]
        self._words = {word for _, words, _ in self._lists for word in words}
        self._highest = max((max(numbers, default=-1) for *_, numbers in self._lists), default=-1)

    # --- bytes -----------------------------------------------------------------------------------

    def in_bytes(self, data: Data, kinds: Container[str] = ("id", "vector")) -> Iterator[Finding]:
        """Look for distinctive ids in three encodings, and for vectors, whatever stands around them."""
        for target, kind, at, _ in self._anywhere.find(data):
            if kind in kinds:
                yield target, kind, f"byte {at}"

    def in_unknown(self, data: Data) -> Iterator[Finding]:
        """Look for all that bytes of no known format may hold: also numbers, alone and in a row."""
        yield from self.in_bytes(data)
        yield from self.integers_in(data)
        for kind in ("<i4", "<i8") if self._lists else ():
            size = np.dtype(kind).itemsize
            for shift in range(min(size, len(data))):
                yield from self.items_in(np.frombuffer(data, kind, (len(data) - shift) // size, shift))

    def integers_in(self, data: Data, least: int = 0) -> Iterator[Finding]:
        """Look for ids of 5 digits and more, of at least ``least``, as little-endian integers."""
        for target, kind, at, pattern in self._integers.find(data):
            if int.from_bytes(pattern, "little") >= least:
                yield target, kind, f"an integer at byte {at}"

    def surplus(self, data: bytes, clean: bytes) -> Iterator[Finding]:
        """Look for ids that the bytes of a database hold more often than its living rows account for.

        Parameters
        ----------
        clean
            The same database with nothing but its living rows.
        """
        there = Counter((target, pattern) for target, _, _, pattern in self._dead.find(data))
        alive = Counter((target, pattern) for target, _, _, pattern in self._dead.find(clean))
        yield from ((target, "id", "pages that hold no living row") for target, _ in there - alive)

    # --- text ------------------------------------------------------------------------------------

    def in_text(self, text: str) -> Iterator[Finding]:
        """Look for ids, for rows next to ``user row``, for lists of items, and for written vectors."""
        yield from self._spelled_in(text.encode(errors="surrogatepass"), "")
        if _ESCAPED.search(text):
            yield from self._spelled_in(unquote_plus(text).encode(errors="surrogatepass"), ", unescaped")
        for word in naming.ids_beside(text):
            yield from ((target, "id", "beside the word user") for target in self._by_text.get(word, ()))
        for row in naming.rows_beside(text):
            yield from ((target, "row", "beside the words user row") for target in self._by_row.get(row, ()))
        if self._lists:
            yield from self._lists_in(_TOKEN.findall(text))
        if self._decimals:
            yield from self._vectors_in(set(_LONG_NUMBER.findall(text)))

    def _spelled_in(self, data: bytes, how: str) -> Iterator[Finding]:
        for target, kind, at, pattern in self._spellings.find(data):
            end = at + len(pattern)
            if _is_edge(data, at) and _is_edge(data, end):
                yield target, kind, f"byte {at} of the text{how}"

    def _lists_in(self, words: list[str]) -> Iterator[Finding]:
        present = self._words.intersection(words)
        for target, codes, _ in self._lists:
            if len(present & codes.keys()) < fingerprint.fewest(len(codes)):
                continue
            found = np.array([codes.get(word, -place) for place, word in enumerate(words, 1)], np.int64)
            if fingerprint.run_of(found, codes.values()) is not None:
                yield target, "items", "a list in a text"

    def _vectors_in(self, numbers: set[str]) -> Iterator[Finding]:
        elements: dict[tuple[int, int], set[int]] = defaultdict(set)
        for written in numbers & self._decimals.keys():
            for target, vector, element in self._decimals[written]:
                elements[target, vector].add(element)
        for (target, _), there in elements.items():
            if len(there) >= DECIMALS:
                yield target, "vector", "decimal numbers"

    # --- tables ----------------------------------------------------------------------------------

    def in_table(self, frame: pl.DataFrame, fields: Iterable[str] = ()) -> Iterator[Finding]:
        """Look in every column; ``fields`` hold users' ids although their names do not say so."""
        users = [name for name in frame.columns if name in fields or _is_of_users(frame[name])]
        for name in users:
            yield from self.ids_in(frame[name], f"column {name!r}")
            yield from self.groups_in(frame, name)
        texts: list[str] = []
        for name in frame.columns:
            if name == "user_row":
                yield from self.rows_in(frame[name], f"column {name!r}")
            if name not in users or frame[name].dtype.is_nested():
                yield from self._in_column(frame[name], texts)
        yield from self.in_text(BETWEEN.join(texts))
        yield from self._vectors_across(frame)

    def ids_in(self, column: pl.Series, where: str) -> Iterator[Finding]:
        """Look for ids as whole values, or as elements of lists."""
        flat = _flat(column)
        if flat.dtype.is_float():  # integers, to a program that knows no integers with gaps
            flat = flat.filter(flat == flat.round()).cast(pl.Int64, strict=False)
        if self._by_text and flat.dtype != pl.Struct:
            present = flat.cast(pl.String, strict=False)
            for text in present.filter(present.is_in(pl.Series(list(self._by_text)).implode())).unique():
                yield from ((target, "id", where) for target in self._by_text[text])

    def rows_in(self, column: pl.Series, where: str, store_id: str | None = None) -> Iterator[Finding]:
        """Look for internal rows as whole values; those of another store are other people."""
        if not self._by_row or not column.dtype.is_integer():
            return
        wanted = pl.Series(list(self._by_row), dtype=pl.Int64).implode()
        found = column.cast(pl.Int64, strict=False)
        for row in found.filter(found.is_in(wanted)).unique():
            for target in self._by_row[row]:
                if store_id is None or self.targets[target].store_id in (None, store_id):
                    yield target, "row", where

    def in_fields(self, fields: Iterable[tuple[str, str]]) -> Iterator[Finding]:
        """Look in (name, value) pairs; the name of an element of a list ends in ``[]``."""
        for name, value in fields:
            plain = name.removesuffix("[]")
            if value in self._by_text and (
                naming.is_field(name) or (plain != name and naming.is_list_of(plain))
            ):
                yield from ((target, "id", f"field {plain!r}") for target in self._by_text[value])
            if plain in ("user_row", "user_rows") and value.isdecimal():
                yield from (
                    (target, "row", f"field {plain!r}") for target in self._by_row.get(int(value), ())
                )

    def in_array(self, name: str, array: np.ndarray, place: Path | None = None) -> Iterator[Finding]:
        """Look in an array of a file; one with a line for each user row must have none for the target."""
        for number, target in enumerate(self.targets):
            ours = not target.foreign_models.intersection(place.parts if place else ())
            over_users = is_over_users(name, array, target.n_users, target.n_items)
            if ours and target.row is not None and over_users and is_in_use(array[target.row]):
                yield number, "row", f"array {name!r}, a line that is in use"
        if array.dtype.kind in "iu":
            yield from self.in_numbers(array)
        elif array.dtype.kind == "f":
            yield from self.in_bytes(array.astype(np.float32).tobytes() if array.itemsize > 4 else b"")
        elif array.dtype.kind in "US":
            cells = array.ravel().tolist()
            texts = [each.decode(errors="replace") if isinstance(each, bytes) else each for each in cells]
            yield from self.ids_in(pl.Series(texts, dtype=pl.String), "an array of texts")
            yield from self.in_text(BETWEEN.join(texts))

    def in_numbers(self, values: np.ndarray) -> Iterator[Finding]:
        """Look in an array of integers for ids of many digits, and for items in a row."""
        for text, targets in self._by_text.items():
            value = naming.as_number(text)
            if value is not None and (values == value).any():
                yield from ((target, "id", "an array of integers") for target in targets)
        yield from self.items_in(values.ravel())

    def items_in(self, values: np.ndarray) -> Iterator[Finding]:
        """Look for items in a row, among integers (n,)."""
        possible = values[(values >= 0) & (values <= self._highest)]
        present = set(np.unique(possible).tolist()) if len(self._lists) > FEW else None
        for target, _, wanted in self._lists:
            if not wanted or len(possible) < fingerprint.fewest(len(wanted)):
                continue
            if present is not None and len(present & wanted) < fingerprint.fewest(len(wanted)):
                continue
            if fingerprint.run_of(values, wanted) is not None:
                yield target, "items", "an array of integers"

    def groups_in(self, frame: pl.DataFrame, by: str) -> Iterator[Finding]:
        """Look for rows of one value of ``by`` that hold the items and little else."""
        for name in frame.columns if self._lists else ():
            kind = frame[name].dtype
            if name == by or not (kind.is_integer() or kind == pl.String):
                continue
            present = set(frame[name].unique())
            for target, words, numbers in self._lists:
                wanted = numbers if kind.is_integer() else words.keys()
                if not wanted or len(present & wanted) < fingerprint.fewest(len(wanted)):
                    continue
                if fingerprint.groups_of(frame, by, name, list(wanted)):
                    yield target, "items", f"a group of column {by!r}"

    def _in_column(self, column: pl.Series, texts: list[str]) -> Iterator[Finding]:
        flat = _flat(column)
        if flat.dtype == pl.Struct:
            flat = flat.struct.json_encode()
        if flat.dtype in (pl.Categorical, pl.Enum):
            flat = flat.cast(pl.String)
        if flat.dtype == pl.String:
            texts.append(BETWEEN.join(flat))
        elif flat.dtype == pl.Binary:
            yield from self.in_unknown(b"\n".join(flat))
        elif flat.dtype.is_integer():
            yield from self.items_in(flat.cast(pl.Int64, strict=False).drop_nulls().to_numpy())
            if not _A_TIME.search(column.name):  # seconds since 1970 have as many digits
                long = flat.filter(flat.cast(pl.Float64).abs() >= 10 ** (naming.DIGITS - 1))
                yield from self.ids_in(long, f"column {column.name!r}")
        elif flat.dtype.is_float():
            yield from self.in_bytes(flat.to_numpy().astype(np.float32).tobytes())

    def _vectors_across(self, frame: pl.DataFrame) -> Iterator[Finding]:
        floats = [name for name in frame.columns if frame[name].dtype.is_float()]
        if len(floats) > 1:
            yield from self.in_bytes(frame.select(floats).to_numpy().astype(np.float32).tobytes())


class _Patterns:
    """Byte strings by which targets are known, each with its target and kind."""

    def __init__(
        self, targets: Sequence[Target], of: Callable[[Target], Iterable[tuple[str, bytes]]]
    ) -> None:
        found = [
            (number, kind, pattern)
            for number, target in enumerate(targets)
            for kind, pattern in dict.fromkeys(of(target))
            if len(pattern) >= SHORTEST
        ]
        self._meaning = [(number, kind) for number, kind, _ in found]
        self._needles = Needles([pattern for *_, pattern in found])

    def find(self, data: Data) -> Iterator[tuple[int, str, int, bytes]]:
        """Target, kind, offset and the string itself, wherever one occurs."""
        for place, offset in self._needles.find(data):
            yield *self._meaning[place], offset, self._needles.patterns[place]


def _spelled(target: Target) -> Iterator[tuple[str, bytes]]:
    if target.text is not None and naming.is_distinctive(target.text):
        yield from (("id", spelling.encode()) for spelling in naming.spellings(target.text))


def _bytes_of(target: Target) -> Iterator[tuple[str, bytes]]:
    yield from _spelled(target)
    if target.text is not None and naming.is_distinctive(target.text):
        yield from (("id", target.text.encode(encoding)) for encoding in ("utf-16-le", "utf-16-be"))
    yield from (("vector", piece) for vector in target.vectors for piece in _pieces(vector))


def _integers_of(target: Target) -> Iterator[tuple[str, bytes]]:
    value = naming.as_number(target.text)
    if value is not None:
        yield "id", value.to_bytes(4 if value < 1 << 32 else 8, "little")


def _encoded(target: Target) -> Iterator[tuple[str, bytes]]:
    if target.text is not None and len(target.text) > SHORTEST:
        yield from (("id", target.text.encode(how)) for how in ("utf-8", "utf-16-le", "utf-16-be"))


def _pieces(vector: np.ndarray) -> Iterator[bytes]:
    """Beginning and end of a vector in three widths, unless too plain to be known again."""
    for kind in ("<f4", "<f2", "<f8"):
        whole = np.asarray(vector).astype(kind).tobytes()
        yield from (piece for piece in (whole[:PIECE], whole[-PIECE:]) if len(set(piece)) >= FEWEST_VALUES)


def _decimals(targets: Sequence[Target]) -> dict[str, list[tuple[int, int, int]]]:
    """The first elements of each vector as text: (target, vector, element) by each way of writing one."""
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for target, each in enumerate(targets):
        for number, vector in enumerate(each.vectors):
            for element, value in enumerate(np.asarray(vector, np.float32)[:ELEMENTS]):
                for written in {repr(float(value)), str(value), f"{value:.8g}"}:
                    if sum(character.isdigit() for character in written) >= DIGITS_OF_AN_ELEMENT:
                        found[written].append((target, number, element))
    return dict(found)


def _lists(number: int, target: Target) -> Iterator[tuple[int, dict[str, int], frozenset[int]]]:
    """A target's items, as ids and as rows: codes of the words, and the numbers if they tell something."""
    if len(target.items) < fingerprint.FEWEST_ITEMS:
        return
    numbers = [naming.as_number(text, digits=1) for text in target.item_ids]
    for words, values in (
        (target.item_ids, [value for value in numbers if value is not None]),
        ([str(row) for row in target.items], target.items),
    ):
        telling = len(values) == len(words) and fingerprint.telling(values)
        if telling or not all(map(str.isdigit, words)):
            codes = {word: code for code, word in enumerate(words)}
            yield number, codes, frozenset(values) if telling else frozenset()


def _is_of_users(column: pl.Series) -> bool:
    lists = isinstance(column.dtype, pl.List | pl.Array)
    return naming.is_list_of(column.name) if lists else naming.is_field(column.name)


def _flat(column: pl.Series) -> pl.Series:
    """All that is in a column, its lists taken apart."""
    while isinstance(column.dtype, pl.List | pl.Array):
        column = column.explode()
    return column.drop_nulls()


def _positions(pairs: Iterable[tuple[int, Any]]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = defaultdict(list)
    for number, key in pairs:
        if key is not None:
            found[key].append(number)
    return dict(found)


def _is_edge(data: bytes, at: int) -> bool:
    """Whether a word begins or ends before the byte ``at``; bytes above 127 are letters of UTF-8."""
    return not (0 < at < len(data) and _is_letter(data[at - 1]) and _is_letter(data[at]))


def _is_letter(byte: int) -> bool:
    return byte > 127 or chr(byte).isalnum()
