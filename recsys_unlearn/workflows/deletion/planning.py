"""From requests to rows of the data: which interactions go, of which split, and who goes together."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.requests import Request, Requests, State
from recsys_unlearn.errors import LostRequest
from recsys_unlearn.interactions.contract import Splits
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.workflows.deletion.batch import Batch, members
from recsys_unlearn.workflows.deletion.intake import asked_of, terms_of
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.deletion_plan import DeletionPlan, plan_rows
from recsys_unlearn.workspace import Workspace

_NOBODY = np.zeros(0, np.int64)


def begun(requests: Requests) -> list[str]:
    """Names of the batches that were planned and have not come to their end, oldest first."""
    return list(dict.fromkeys(name for each in requests.open() if (name := batch_of(each))))


def batch_of(request: Request) -> str | None:
    """Name of the batch that a request goes with; None before it was planned."""
    planned = request.details.get(State.PLANNED)
    return None if planned is None else planned["batch"]


def waiting(requests: Requests) -> list[Request]:
    """Return requests that are received and in no batch that was begun."""
    spoken_for = {each for name in begun(requests) for each in members(requests, requests.get(name))}
    return [
        each
        for each in requests.open()
        if each.reached == State.RECEIVED and each.request_id not in spoken_for
    ]


def is_lost(requests: Requests, request: Request) -> bool:
    """Whether nothing tells any more which items a request is about."""
    return request.kind == "items" and asked_of(requests, request) is None


def plan(workspace: Workspace, requests: Requests, chosen: Sequence[Request], terms: Terms) -> Batch:
    """Plan requests as one batch, and record it; of the data nothing else goes yet."""
    store = workspace.store()
    splits = store.settled_splits()  # of an erasure that was killed half-way
    rows = [_rows(store, workspace.key(), requests, each) for each in chosen]
    batch = _batch(store, requests, chosen, terms, splits, rows)
    found, counts = batch.plan, batch.counts
    batch.save()
    details = {
        "batch": batch.name,
        "requests": len(chosen),
        "interactions": len(found.pairs),
        "train_interactions": len(found.train),
        "counts": counts,
        "store_id": store.store_id,
        "method": terms.method,
    }
    return batch.advanced(requests, State.PLANNED, details)


def reopened(requests: Requests, name: str, workspace: Workspace) -> Batch:
    """Return a batch that was planned before; where what was kept of it is damaged, planned once more.

    The ledger tells which requests go together and how many interactions they had. If the data does not
    hold all of these any more, the forget set is lost.

    Raises
    ------
    LostRequest
        If a request is about items, and nothing tells any more about which.
    """
    first = requests.get(name)
    try:
        return Batch.load(requests, first)
    except LostRequest:
        pass
    others = [each for each in requests.open() if batch_of(each) == name and each.request_id != name]
    chosen, store, key = [first, *others], workspace.store(), workspace.key()
    splits = store.splits()
    # Whoever has data and no id was being erased: one deletion at a time takes ids away.
    nameless = np.setdiff1d(splits.user_rows(), store.known_rows())
    rows = [_rows_left(store, key, requests, each, nameless) for each in chosen]
    batch = _batch(store, requests, chosen, terms_of(requests, first), splits, rows)
    planned = first.details[State.PLANNED]["counts"]
    fewer = any(batch.counts[each.request_id][0] < planned[each.request_id][0] for each in chosen)
    if not fewer:
        batch.save()  # before the data goes, and with it the last place to tell it from
    return replace(batch, resumed=True, is_lost=fewer)


def _rows_left(
    store: InteractionStore, key: Key, requests: Requests, request: Request, nameless: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``_rows`` of a request whose erasure may have begun, or be done."""
    if is_lost(requests, request) and request.reached != State.PLANNED:
        return _NOBODY, _NOBODY
    accounts, codes = _rows(store, key, requests, request)
    return (np.union1d(accounts, nameless) if request.kind == "account" else accounts), codes


def _batch(
    store: InteractionStore,
    requests: Requests,
    chosen: Sequence[Request],
    terms: Terms,
    splits: Splits,
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Batch:
    accounts, codes = (np.concatenate([_NOBODY, *part]) for part in zip(*rows, strict=True))
    found = plan_rows(store, splits, accounts, codes)
    counts = {each.request_id: _count(found, *part) for each, part in zip(chosen, rows, strict=True)}
    directory = requests.working(chosen[0].request_id)
    return Batch(tuple(chosen), terms, found, counts, directory, _hashed_pairs(requests, chosen))


def _hashed_pairs(requests: Requests, chosen: Iterable[Request]) -> list[tuple[str, str]]:
    about_items = ((each, asked_of(requests, each)) for each in chosen if each.kind == "items")
    return [(each.subject[0], item) for each, asked in about_items if asked for item in asked["item_hashes"]]


def trained_on(workspace: Workspace, requests: Requests, chosen: Sequence[Request]) -> int:
    """Return how many training interactions these requests would take out."""
    store, key = workspace.store(), workspace.key()
    rows = [_rows(store, key, requests, each) for each in chosen if not is_lost(requests, each)]
    accounts, codes = (
        np.concatenate([_NOBODY, *part]) for part in zip((_NOBODY, _NOBODY), *rows, strict=True)
    )
    return len(plan_rows(store, store.splits(), accounts, codes).train)


def _rows(
    store: InteractionStore, key: Key, requests: Requests, request: Request
) -> tuple[np.ndarray, np.ndarray]:
    """Account rows, and codes of single pairs; looked up anew if the store was replaced meanwhile."""
    asked = asked_of(requests, request)
    if is_lost(requests, request):
        raise LostRequest(
            f"the working directory of {request.request_id} is gone, and the ledger does not tell which "
            "items it is about: ask for them once more, for the same user and the same items, or close it "
            f"with `recsys-unlearn forget --deny {request.request_id}`"
        )
    if asked is None or asked["store_id"] != store.store_id:
        subjects = set(request.subject)
        users = np.array(
            [row for row, user in store.user_ids().items() if key.user(user) in subjects], np.int64
        )
        items = None if asked is None or asked["items"] is None else asked["item_hashes"]
        return (users, _NOBODY) if items is None else (_NOBODY, _pairs(store, key, users, items))
    rows = np.array(asked["rows"], np.int64)
    if asked["items"] is None:
        return rows, _NOBODY
    return _NOBODY, (rows[:, None] * store.n_items + np.array(asked["items"], np.int64)).ravel()


def _pairs(store: InteractionStore, key: Key, users: np.ndarray, hashes: Iterable[str]) -> np.ndarray:
    """Codes of what these users have to do with items of these keyed hashes."""
    wanted, codes = set(hashes), []
    for user in users.tolist():
        rows = store.history(user).items.tolist()
        ids = zip(rows, store.item_ids(rows), strict=True)
        codes += [user * store.n_items + row for row, item in ids if key.item(item) in wanted]
    return np.array(codes, np.int64)


def _number_among(codes: np.ndarray, ascending: np.ndarray) -> int:
    # Not numpy's isin: it hashes all the codes for each of a thousand requests.
    places = np.searchsorted(ascending, codes, side="right") - np.searchsorted(ascending, codes)
    return int(places.sum())


def _count(plan: DeletionPlan, accounts: np.ndarray, codes: np.ndarray) -> tuple[int, int]:
    """Interactions of one request, and of these the ones that were trained on."""
    return tuple(  # type: ignore[return-value]
        int(part.user_counts[accounts].sum() + _number_among(codes, part.pair_codes))
        for part in (plan.pairs, plan.train)
    )
