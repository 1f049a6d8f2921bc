"""From requests to rows of the data: which interactions go, of which split, and who goes together."""

from collections.abc import Iterable, Sequence

import numpy as np

from recsys_unlearn.erasure.key import Key
from recsys_unlearn.erasure.requests import Request, Requests, State
from recsys_unlearn.errors import StoreError
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.workflows.deletion.batch import Batch, members
from recsys_unlearn.workflows.deletion.intake import asked_of
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


def plan(workspace: Workspace, requests: Requests, chosen: Sequence[Request], terms: Terms) -> Batch:
    """Plan requests as one batch, and record it; of the data nothing else goes yet."""
    store = workspace.store()
    splits = store.settled_splits()  # of an erasure that was killed half-way
    rows = [_rows(store, workspace.key(), requests, each) for each in chosen]
    accounts, codes = (np.concatenate([_NOBODY, *part]) for part in zip(*rows, strict=True))
    found = plan_rows(store, splits, accounts, codes)
    counts = {each.request_id: _count(found, *part) for each, part in zip(chosen, rows, strict=True)}
    directory = requests.working(chosen[0].request_id)
    batch = Batch(tuple(chosen), terms, found, counts, directory)
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


def trained_on(workspace: Workspace, requests: Requests, chosen: Sequence[Request]) -> int:
    """Return how many training interactions these requests would take out."""
    store, key = workspace.store(), workspace.key()
    rows = [_rows(store, key, requests, each) for each in chosen]
    accounts, codes = (np.concatenate([_NOBODY, *part]) for part in zip(*rows, strict=True))
    return len(plan_rows(store, store.splits(), accounts, codes).train)


def _rows(
    store: InteractionStore, key: Key, requests: Requests, request: Request
) -> tuple[np.ndarray, np.ndarray]:
    """Account rows, and codes of single pairs; looked up anew if the store was replaced meanwhile."""
    asked = asked_of(requests, request)
    if asked is None and request.kind == "items":
        raise StoreError(
            f"the working directory of {request.request_id} is gone, and the ledger does not tell which "
            "items it is about: ask for them once more"
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
