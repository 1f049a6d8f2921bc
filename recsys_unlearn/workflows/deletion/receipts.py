"""The last step: working directories go, and everybody's receipt is written from what the ledger tells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_unlearn.erasure.receipt import DIRECTORY, issue
from recsys_unlearn.erasure.requests import Request, Requests, State
from recsys_unlearn.workflows.deletion.planning import batch_of
from recsys_unlearn.workflows.lineage import remaining
from recsys_unlearn.workspace import Workspace


def write(workspace: Workspace, requests: Requests, purged: Sequence[Request]) -> None:
    """Close requests that are purged; their particulars are those of the batch that they went with."""
    ledger, users = requests.ledger, remaining(workspace, workspace.store())
    digests: dict[str, Mapping[str, Any]] = {}
    with ledger.locked():
        for request in purged:
            requests.discard(request.request_id)
            of = _particulars(requests, request)
            receipt = issue(ledger, request, **of, users=users)
            receipt.write(requests.directory)
            digests[request.request_id] = {"receipt": receipt.digest}
        requests.advance_each(digests, State.RECEIPTED)


def path_of(directory: Path, request_id: str) -> Path:
    """Where a request's receipt lies, or will; ``directory`` is the workspace's ``data/erasure``."""
    return directory / DIRECTORY / f"{request_id}.json"


def _particulars(requests: Requests, request: Request) -> dict[str, Mapping[str, Any]]:
    first = requests.get(batch_of(request) or request.request_id)
    verified, purged = (first.details[state] for state in (State.VERIFIED, State.PURGED))
    planned, erased = (first.details[state] for state in (State.PLANNED, State.DATA_ERASED))
    interactions, trained = planned["counts"][request.request_id]
    done = {"interactions": interactions, "train_interactions": trained, "store": dict(erased)}
    return {
        "before": verified["before"],
        "after": {**verified["after"], "made_by": verified["made_by"], "erased": done},
        "audit": {"found": verified["audit"], "utility": verified["utility"]},
        "purge": {name: purged[name] for name in ("versions", "kept", "residue")},
    }
