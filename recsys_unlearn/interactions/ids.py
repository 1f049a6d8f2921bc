"""Ids as the caller writes them, and the one text each is stored as.

A column of ids is all whole numbers or all text. Its kind is kept, and every id as text, so that
``7`` and ``"007"`` stay different and an id of any width comes back exactly as it was given.
"""

import re
from numbers import Integral
from typing import Any, Literal

from recsys_unlearn.errors import UsageError

IdKind = Literal["int", "str"]

_CANONICAL = re.compile(r"(?:0|-?[1-9][0-9]*)\Z", re.ASCII)


def as_text(identifier: Any, kind: IdKind) -> str | None:
    """Text that ``identifier`` is stored as, or None if no id of that kind can equal it.

    Parameters
    ----------
    identifier
        A string or a whole number. For a column of whole numbers the text ``"7"`` stands for 7, as
        a command line has nothing but text; ``"007"``, ``" 7"`` and ``"7.0"`` stand for nothing.
    kind
        The kind of the column.

    Raises
    ------
    UsageError
        For anything but a string or a whole number.
    """
    if not _is_whole(identifier) and not isinstance(identifier, str):
        raise UsageError(f"an id is a string or a whole number, not {type(identifier).__name__}")
    text = identifier if isinstance(identifier, str) else _decimal(identifier)
    if text is None or (kind == "int" and not _CANONICAL.match(text)):
        return None
    return text if _is_storable(text) else None


def from_text(text: str, kind: IdKind) -> str | int:
    """Return the id in the caller's own type."""
    return int(text) if kind == "int" else text


def _is_whole(identifier: Any) -> bool:
    return isinstance(identifier, Integral) and not isinstance(identifier, bool)


def _decimal(number: Integral) -> str | None:
    try:
        return str(int(number))
    except ValueError:  # Python refuses to print numbers of more than 4300 digits, and none is stored
        return None


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: no file or frame can hold it
        return False
    return True
