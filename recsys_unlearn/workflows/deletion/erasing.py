"""Data leaves the store for good: what was planned, and whoever came back with an old copy of it.

Every writer begins here (:func:`settle`), so that nothing is ever trained on data that is to go.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recsys_unlearn.erasure.requests import Request, State
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.deletion.intake import Asked, receive
from recsys_unlearn.workflows.deletion.planning import begun, plan
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workspace import Workspace

RESTORED = "erased before, and back with restored data"


def erase(workspace: Workspace, batch: Batch) -> Mapping[str, Any]:
    """Take a batch out of the store, and keep its accounts from coming back; particulars for the ledger."""
    workspace.suppression().add(batch.subjects)
    store = workspace.store()
    if batch.details(State.PLANNED)["store_id"] == store.store_id:
        store.erase(batch.plan.accounts, batch.plan.pairs)
    elif back := returned_users(workspace):  # the store was replaced since
        store.erase(back.rows)
    return {"store_digest": store.digest, "generation": store.generation}


def settle(workspace: Workspace) -> list[Request]:
    """Finish the erasures that were planned, and start one for who came back; for the lock's holder.

    Returns
    -------
    list of Request
        About those who had been erased before and were in the store again, as after a backup was
        restored. Their data is gone when this returns, and the request is open: a model that was
        restored with it may know them too.
    """
    finish_erasures(workspace)
    returned = returned_users(workspace)
    if returned is None:
        return []
    requests = workspace.requests()
    request = receive(workspace, returned, Terms(), RESTORED)
    batch = plan(workspace, requests, [requests.get(request.request_id)], Terms())
    batch.advanced(requests, State.DATA_ERASED, erase(workspace, batch))
    return [requests.get(request.request_id)]


def finish_erasures(workspace: Workspace) -> None:
    """Erase the data of what was planned by a process that has died, and clear up after it."""
    if not workspace.has_ledger:
        return
    requests = workspace.requests()
    requests.sweep()
    for name in begun(requests):
        first = requests.get(name)
        if first.reached == State.PLANNED:
            batch = Batch.load(requests, first).advanced(requests, State.PLANNED, {})
            batch.advanced(requests, State.DATA_ERASED, erase(workspace, batch))


def returned_users(workspace: Workspace) -> Asked | None:
    """Return who is on the suppression list and in the store; None if nobody is. Changes nothing."""
    if not workspace.has_ledger or not workspace.store_dir.exists():
        return None
    suppression, store = workspace.suppression(), workspace.store()
    if not len(suppression):
        return None
    ids = store.user_ids()
    back = suppression.filter(list(ids.values()))
    if not back.any():
        return None
    found = [pair for pair, is_back in zip(ids.items(), back, strict=True) if is_back]
    rows, users = zip(*found, strict=True)
    return Asked(store, np.array(rows, np.int64), None, (tuple(users), ()))
