"""Who is meant by a request, who is gone already, and the request itself, taken in.

Nothing here needs torch or MLflow: that somebody is erased already is answered in a fraction of a second.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_unlearn import durable
from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.requests import STEPS, WORKING, Request, Requests, State, items_mac
from recsys_unlearn.errors import UnknownUser, UsageError
from recsys_unlearn.interactions.contract import ItemId, UserId
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.deletion_plan import check_had, check_named, unknown_users
from recsys_unlearn.workspace import Workspace

ASKED_FILE = "asked.json"
ASKED_KEYS = {"store_id", "rows", "items", "item_hashes", "terms"}
LONGEST_REASON = 200


@dataclass(frozen=True)
class Asked:
    """What a call asks for, by what is left to do.

    Parameters
    ----------
    rows
        int64: rows of the users who are in the store.
    items
        int64: item rows that these are to lose, or None for whole accounts.
    ids
        The same users' ids and, of a request for items, the items'.
    erased
        The latest request that took each of the others out; None for those of whom only the suppression
        list knows.
    """

    store: InteractionStore
    rows: np.ndarray
    items: np.ndarray | None
    ids: tuple[tuple[UserId, ...], tuple[ItemId, ...]]
    erased: tuple[Request | None, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether all of it was done before, to the end."""
        return not len(self.rows) and not self.unfinished

    @property
    def unfinished(self) -> list[Request]:
        """Requests that took somebody's data and have not come to their end."""
        found = {each.request_id: each for each in self.erased if each and each.is_open}
        return list(found.values())

    def plannable(self) -> tuple[np.ndarray, np.ndarray]:
        """Account rows, and codes of single pairs: ``user * n_items + item``."""
        if self.items is None:
            return self.rows, np.zeros(0, np.int64)
        return np.zeros(0, np.int64), (self.rows[:, None] * self.store.n_items + self.items).ravel()


def recognise(workspace: Workspace, users: Sequence[UserId], items: Sequence[ItemId] | None = None) -> Asked:
    """Tell who is in the store and who was erased from it before; changes nothing.

    Raises
    ------
    UnknownUser
        If any user is neither.
    UnknownItem, UsageError
        As :func:`recsys_unlearn.workflows.deletion_plan.plan_deletion`.
    """
    check_named(users, items)
    store = workspace.store()
    ids = list(dict.fromkeys(users))
    rows = store.user_rows(ids)
    gone = [user for user, row in zip(ids, rows, strict=True) if row < 0]
    erased = _erasures(workspace, gone)
    if len(erased) < len(gone):
        raise unknown_users(len(gone) - len(erased), len(users))
    here = tuple(user for user, row in zip(ids, rows, strict=True) if row >= 0)
    if items is None or not here:
        return Asked(store, np.unique(rows[rows >= 0]), None, (here, ()), tuple(erased))
    return _items_asked(workspace, store, (here[0], int(rows[0])), tuple(dict.fromkeys(items)))


def receive(workspace: Workspace, asked: Asked, terms: Terms, reason: str = "") -> Request:
    """Take in a request for whoever is in the store; the open one, if it was asked for before.

    Raises
    ------
    UsageError
        If the reason is too long, or names one of the users.
    """
    check_reason(reason, asked.ids[0])
    key, (users, items) = workspace.key(), asked.ids
    return workspace.requests().receive(
        "account" if asked.items is None else "items",
        [key.user(user) for user in users],
        reason,
        [key.item(item) for item in items],
        {ASKED_FILE: _as_file(asked, terms, key)},
    )


def mend(workspace: Workspace, asked: Asked, terms: Terms) -> None:
    """Write down once more what an open request is about, if that was lost and is asked for again.

    For the lock's holder. An account can be told from the ledger, items cannot.
    """
    if asked.items is None or not workspace.has_ledger:
        return
    key, requests, (users, items) = workspace.key(), workspace.requests(), asked.ids
    mac = items_mac(key, map(key.item, items))
    for each in requests.find(key.user(users[0])):
        if each.is_open and each.items_mac == mac and asked_of(requests, each) is None:
            with durable.replacing(requests.working(each.request_id) / ASKED_FILE) as temporary:
                temporary.write_bytes(_as_file(asked, terms, key))


def check_reason(reason: str, users: Iterable[UserId] = (), is_needed: bool = False) -> None:
    """Refuse a reason that is too long or quotes an id: the ledger keeps it for good; UsageError."""
    if is_needed and not reason.strip():
        raise UsageError("a reason is needed, which the person is told: pass --reason TEXT")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise UsageError(f"a reason is one line of at most {LONGEST_REASON} characters")
    words = set(re.split(r"[\s,;:()\"']+", reason)) - {""}
    if any(str(user) in words for user in users):
        raise UsageError("the reason names a user, and the ledger keeps it for good: leave the id out")


def terms_of(requests: Requests, request: Request) -> Terms:
    """Return the terms that a request came with; the usual ones if its directory was lost."""
    asked = asked_of(requests, request)
    return Terms(**asked["terms"]) if asked else Terms()


def asked_of(requests: Requests, request: Request) -> dict[str, Any] | None:
    """``store_id, rows, items, item_hashes, terms`` as they were written down; None if that was lost."""
    try:
        path = requests.directory / WORKING / request.request_id / ASKED_FILE
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= ASKED_KEYS else None


def _as_file(asked: Asked, terms: Terms, key: Key) -> bytes:
    content = {
        "store_id": asked.store.store_id,
        "rows": asked.rows.tolist(),
        "items": None if asked.items is None else asked.items.tolist(),
        "item_hashes": [key.item(item) for item in asked.ids[1]],  # rows change with the next ingest
        "terms": terms.as_dict(),
    }
    return json.dumps(content).encode()


def _items_asked(
    workspace: Workspace, store: InteractionStore, user: tuple[UserId, int], items: tuple[ItemId, ...]
) -> Asked:
    user_id, row = user
    wanted = np.unique([store.item_row(item) for item in items]).astype(np.int64)
    had = store.history(row).items
    if not np.isin(wanted, had).any():
        before = _same_items(workspace, user_id, items)
        if before:
            return Asked(store, np.zeros(0, np.int64), None, ((), ()), (before,))
    check_had(wanted, had)
    return Asked(store, np.array([row]), wanted, ((user_id,), items))


def _same_items(workspace: Workspace, user: UserId, items: Iterable[ItemId]) -> Request | None:
    """Return the latest request about just these items of this user."""
    if not workspace.has_ledger:
        return None
    key = workspace.key()
    mac = items_mac(key, (key.item(item) for item in items))
    about_them = workspace.requests().find(key.user(user))
    found = [each for each in about_them if _took_data(each) and each.items_mac == mac]
    return found[-1] if found else None


def _erasures(workspace: Workspace, users: Sequence[UserId]) -> list[Request | None]:
    if not users or not workspace.has_ledger:
        return []
    suppressed = frozenset(workspace.suppression().hashes())
    erased = _erased_accounts(workspace.requests())
    hashes = _hashes(workspace.key(), users)
    return [erased.get(each) for each in hashes if each in erased or each in suppressed]


def _erased_accounts(requests: Requests) -> dict[str, Request]:
    """Return the latest request that took each account's data: one pass, however many are asked about."""
    erasures = (each for each in requests.all() if each.kind == "account" and _took_data(each))
    return {subject: each for each in erasures for subject in each.subject}


def _took_data(request: Request) -> bool:
    """Whether it has, or may have: a crash can come between an erasure and the record of it."""
    return request.is_open or STEPS.index(request.reached) >= STEPS.index(State.DATA_ERASED)


def _hashes(key: Key, users: Iterable[UserId]) -> list[str]:
    """Keyed hashes, without those of what no source can hold."""
    hashes = []
    for user in users:
        try:
            hashes.append(key.user(user))
        except UnknownUser:
            continue
    return hashes
