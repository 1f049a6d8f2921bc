"""How an id is written, and where its writing can be taken for the id.

An id that is *distinctive* means the person wherever it stands: it has letters and something else in
at least 5 characters, or at least 9 digits, or at least 16 characters. ``7``, ``2048`` and ``anna``
are numbers and words that any file holds. They are taken for the id only in a user's field: a column,
a key or a word such as ``user`` or ``customer_id`` with the value next to it.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

LETTERS_AND_MORE, DIGITS, ANYTHING = 5, 9, 16  # fewest characters of a distinctive id
FEWEST_DIGITS = 5  # of a number that is looked for as binary integer in files of unknown format

_USER = r"(?:user|customer|account|member|visitor|reviewer|subject|person|login)"
_FIELD = re.compile(rf"(?:^|.*[^a-z]){_USER}(?:[ _.-]?(?:id|key|name|no|number))?$|(?:.*[^a-z])?uid$")
_FIELDS = re.compile(rf"(?:^|.*[^a-z]){_USER}(?:s|[ _.-]?ids)$|(?:.*[^a-z])?uids$")
_COUNT = re.compile(r"(?:n|num|number|count|total)[ _.-]")
_NEXT_TO = re.compile(
    rf"(?<![a-z])(?<!\bn_){_USER}(?:[ _-]?(?:id|key|name|no|number))?[\"']?(?:\s*[:=#,]\s*|\s+|\t)[\"']?"
    r"(?P<id>[^\s\"',;\])}]+)",
    re.IGNORECASE,
)
_ROW = re.compile(r"(?<![a-z])user[ _-]?row[\"']?\s*[:=#,]?\s*(?P<row>\d+)(?![\w.])", re.IGNORECASE)


def is_distinctive(text: str) -> bool:
    """Whether the text means the person wherever it stands."""
    letters = sum(character.isalpha() for character in text)
    if letters and letters < len(text) and len(text) >= LETTERS_AND_MORE:
        return True
    return len(text) >= ANYTHING or sum(character.isdigit() for character in text) >= DIGITS


def spellings(text: str) -> list[str]:
    """The id as JSON, CSV, a URL and Unicode's two normal forms may have it; most ids have only one."""
    forms = {text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))}
    found = set(forms)
    for form in forms:
        found |= {json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]}
        found |= {form.replace('"', '""'), quote(form), quote(form, safe=""), quote_plus(form)}
    return sorted(found)


def is_field(name: str) -> bool:
    """Whether a column or key of this name holds a user's id."""
    return bool(_FIELD.fullmatch(_plain(name)))


def is_list_of(name: str) -> bool:
    """Whether a key of this name holds users' ids if its value is a list; a number there is a count."""
    return bool(_FIELDS.fullmatch(_plain(name))) or is_field(name)


def as_number(text: str | None, digits: int = FEWEST_DIGITS) -> int | None:
    """The id as a number of at least so many digits; None if it is none, or does not fit 64 bits."""
    if text is None or not re.fullmatch(r"0|[1-9][0-9]*", text) or len(text) < digits:
        return None
    return int(text) if int(text) < 1 << 63 else None


def ids_beside(text: str) -> Iterator[str]:
    """Words of a text that stand next to ``user`` or the like."""
    for match in _NEXT_TO.finditer(text):
        yield match["id"]
        yield match["id"].rstrip(".:!?")


def rows_beside(text: str) -> Iterator[int]:
    """Numbers of a text that stand next to ``user row``."""
    yield from (int(match["row"]) for match in _ROW.finditer(text))


def _plain(name: str) -> str:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()  # userId, as user_id
    return "" if _COUNT.match(parted) else parted
