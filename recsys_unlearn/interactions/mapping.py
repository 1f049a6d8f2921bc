"""Which of a source's columns is the user, the item, the rating and the time."""

import re
from collections.abc import Iterable

from recsys_unlearn.errors import MissingColumn
from recsys_unlearn.interactions import columns
from recsys_unlearn.interactions.formats import looks_like_data
from recsys_unlearn.interactions.options import IngestOptions
from recsys_unlearn.interactions.sources import Table

# The usual names, most specific first, without case and punctuation.
USUAL_NAMES = {
    columns.USER: "userid user uid users reviewerid customerid customer visitorid visitor accountid account "
    "memberid member",
    columns.ITEM: "itemid item iid items movieid movie productid product parentasin asin isbn bookid book "
    "trackid track songid song articleid article artistid artist venueid venue businessid"
    " locationid gameid game",
    columns.WEIGHT: "rating ratings score stars overall weight bookrating playcount plays count",
    columns.TIME: "timestamp time ts unixreviewtime datetime date createdat",
}
OPTIONS = {
    columns.USER: "user_column",
    columns.ITEM: "item_column",
    columns.WEIGHT: "rating_column",
    columns.TIME: "time_column",
}
_NEEDED = (columns.USER, columns.ITEM)


def find_columns(table: Table, options: IngestOptions) -> dict[str, str]:
    """Map ``user``, ``item`` and, where there are any, ``weight`` and ``time`` to the source's names.

    Raises
    ------
    MissingColumn
        The user, the item, or a column that an option names or needs is not there. The message
        lists the columns found, unless they look like data.
    """
    wanted = {role: getattr(options, option) for role, option in OPTIONS.items()}
    found = {role: name or _usual(table.columns, role) for role, name in wanted.items()}
    for role, name in found.items():
        if name is None and role not in _NEEDED and not _is_asked_for(role, options):
            continue
        if name not in table.columns:
            raise MissingColumn(_message(table, role, wanted[role]))
    return {role: name for role, name in found.items() if name is not None}


def _is_asked_for(role: str, options: IngestOptions) -> bool:
    if role == columns.WEIGHT:
        return options.min_rating is not None
    return options.split == "time"


def _usual(names: Iterable[str], role: str) -> str | None:
    bare = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in names}
    return next((bare[name] for name in USUAL_NAMES[role].split() if name in bare), None)


def _message(table: Table, role: str, wanted: str | None) -> str:
    if looks_like_data(table.columns):
        return (
            f"{table.name} has no column names: its first line holds numbers. "
            "Add a line such as user,item,rating,timestamp at the top"
        )
    what = "rating" if role == columns.WEIGHT else role
    missing = f"no column '{wanted}'" if wanted else f"no {what} column"
    option = "--" + OPTIONS[role].replace("_", "-")
    return (
        f"{table.name} has {missing}; it has {', '.join(table.columns)}. Name the {what} column with {option}"
    )
