"""``forget --deny`` and ``forget --extend``: a request is closed undone, or given more time."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys_unlearn.cli.output import show
from recsys_unlearn.errors import UsageError


def decided(workspace: Path, as_json: bool, names_users: bool, **choices: Any) -> None:
    """Carry out the decision and print what has become of the request.

    Raises
    ------
    UsageError
        If both are asked for, or users are named as well.
    """
    if names_users or (choices["deny"] and choices["extend"]):
        raise UsageError("--deny and --extend go with one request each, and with no user: ask once for each")
    from recsys_unlearn.workflows.decide import deny, extend
    from recsys_unlearn.workspace import Workspace

    decide, request_id = (deny, choices["deny"]) if choices["deny"] else (extend, choices["extend"])
    request = decide(Workspace(workspace), request_id, choices["reason"], wait=choices["wait"])
    told = {
        "request_id": request.request_id,
        "state": str(request.state),
        "due_at": request.deadline.isoformat(),
        "days_left": request.days_left(),
    }
    show(told, as_json, lambda: _parts(told))


def _parts(told: Mapping[str, Any]) -> Iterator[str]:
    if told["state"] == "denied":
        yield f"Denied {told['request_id']}. Nothing was erased."
    else:
        yield f"Extended {told['request_id']}: due {told['due_at'][:10]}, {told['days_left']} days left."
