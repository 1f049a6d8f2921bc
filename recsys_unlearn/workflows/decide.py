"""What is decided about a request that is open: that it is denied, or needs more time."""

from datetime import datetime

from recsys_unlearn.erasure.request import MONTHS, MORE_MONTHS, Request, add_months
from recsys_unlearn.erasure.requests import State
from recsys_unlearn.errors import UsageError
from recsys_unlearn.workflows.deletion.intake import check_reason
from recsys_unlearn.workflows.deletion.planning import batch_of
from recsys_unlearn.workspace import Workspace


def deny(workspace: Workspace, request_id: str, reason: str, wait: float = 0.0) -> Request:
    """Close a request that will not be carried out.

    Raises
    ------
    UsageError
        If there is no such request, its data is erased already, it is under way together with others,
        or there is no usable reason.
    Locked
        If another process is changing the workspace.
    """
    check_reason(reason, is_needed=True)
    with workspace.locked("forget --deny", wait):
        requests = workspace.requests()
        name = batch_of(requests.get(request_id))
        if name and requests.get(name).details[State.PLANNED]["requests"] > 1:
            raise UsageError(f"{request_id} is under way together with others: run `recsys-unlearn resume`")
        return requests.deny(request_id, reason)


def extend(
    workspace: Workspace, request_id: str, reason: str, until: datetime | None = None, wait: float = 0.0
) -> Request:
    """Move a request's deadline; by default as far as the law allows, two months.

    Raises
    ------
    UsageError
        If there is no such request, it cannot be extended (so far), or there is no usable reason.
    Locked
        If another process is changing the workspace.
    """
    check_reason(reason, is_needed=True)
    with workspace.locked("forget --extend", wait):
        requests = workspace.requests()
        latest = add_months(requests.get(request_id).received_at, MONTHS + MORE_MONTHS)
        return requests.extend(request_id, until or latest, reason)
