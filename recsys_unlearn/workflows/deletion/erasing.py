"""Data leaves the store for good: what was planned, and whoever came back with an old copy of it.

Every writer begins here (:func:`settle`), so that nothing is ever trained on data that is to go.
"""

from collections.abc import Mapping
from itertools import compress
from typing import Any

import numpy as np

from recsys_unlearn.erasure.ledger import STORE_DIGEST
from recsys_unlearn.erasure.requests import Request, State
from recsys_unlearn.errors import LostRequest
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.deletion.intake import Asked, receive
from recsys_unlearn.workflows.deletion.planning import begun, plan, reopened
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.deletion_plan import plan_rows
from recsys_unlearn.workspace import Workspace

RESTORED = "erased before, and back with restored data"


def erase(workspace: Workspace, batch: Batch) -> Mapping[str, Any]:
    """Take a batch out of the store, and keep it from coming back; particulars for the ledger."""
    workspace.suppression().add(batch.subjects, batch.pairs)
    store = workspace.store()
    if batch.details(State.PLANNED)["store_id"] == store.store_id:
        store.erase(batch.plan.accounts, batch.plan.pairs)
    else:  # the store was replaced since
        for back in returned(workspace):
            _take_out(store, back)
    return {STORE_DIGEST: workspace.sealed(store), "generation": store.generation}


def settle(workspace: Workspace) -> list[Request]:
    """Finish the erasures that were planned, and start one for who came back; for the lock's holder.

    Returns
    -------
    list of Request
        About those who, or whose items, had been erased before and were in the store again, as after a
        backup was restored. Their data is gone when this returns, and the requests are open: a model
        that was restored with it may know them too.

    Raises
    ------
    LostRequest
        As :func:`finish_erasures`.
    """
    finish_erasures(workspace)
    back = returned(workspace)
    if not back:
        return []
    requests = workspace.requests()
    received = []
    for each in back:
        request = receive(workspace, each, Terms(), RESTORED)
        received.append(request.request_id)
        if request.reached == State.RECEIVED:
            batch = plan(workspace, requests, [request], Terms())
            batch.advanced(requests, State.DATA_ERASED, erase(workspace, batch))
        else:  # an older one that is under way, and perhaps with others
            _take_out(workspace.store(), each)
    return [requests.get(each) for each in received]


def _take_out(store: InteractionStore, asked: Asked) -> None:
    found = plan_rows(store, store.splits(), *asked.plannable())
    store.erase(found.accounts, found.pairs)


def finish_erasures(workspace: Workspace) -> None:
    """Erase the data of what was planned by a process that has died, and clear up after it.

    Raises
    ------
    LostRequest
        If nothing tells any more what one of them is about; the others are done.
    """
    if not workspace.has_ledger:
        return
    requests, lost = workspace.requests(), []
    requests.sweep()
    for name in begun(requests):
        if requests.get(name).reached != State.PLANNED:
            continue
        try:
            batch = reopened(requests, name, workspace).advanced(requests, State.PLANNED, {})
            batch.advanced(requests, State.DATA_ERASED, erase(workspace, batch))
        except LostRequest as error:
            lost.append(error)
    if lost:
        raise lost[0]


def is_restored(workspace: Workspace) -> bool:
    """Whether the store is another than the ledger's last word of it, as after a backup was restored.

    :func:`settle` looks at every user; this tells a single deletion that it need not.
    """
    if not workspace.has_ledger or not workspace.store_dir.exists():
        return False
    bodies = [entry.body for entry in workspace.ledger().entries()]
    said = [body.get(STORE_DIGEST) or body.get("details", {}).get(STORE_DIGEST) for body in bodies]
    last = next(filter(None, reversed(said)), None)
    return last != workspace.sealed(workspace.store())


def returned(workspace: Workspace) -> list[Asked]:
    """Who, and what of whom, is on the suppression list and in the store; changes nothing.

    Returns
    -------
    list of Asked
        Of all accounts together, then of each user's items.
    """
    if not workspace.has_ledger or not workspace.store_dir.exists():
        return []
    suppression, store = workspace.suppression(), workspace.store()
    if not len(suppression) and not suppression.has_pairs:
        return []
    ids = store.user_ids()
    rows, users = np.array([*ids], np.int64), list(ids.values())
    accounts, partly = suppression.filter(users), suppression.filter_partly(users)
    found = []
    if accounts.any():
        found.append(Asked(store, rows[accounts], None, (tuple(compress(users, accounts)), ())))
    for row in rows[partly & ~accounts].tolist():
        items = store.history(row).items
        names = store.item_ids(items.tolist())
        back = suppression.filter_pairs([ids[row]] * len(names), names)
        if back.any():
            ids_of = ((ids[row],), tuple(compress(names, back)))
            found.append(Asked(store, np.array([row]), items[back].astype(np.int64), ids_of))
    return found
