"""Every open request carried on, from wherever a crash, a full disk or a failed audit has left it."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Self

from recsys_unlearn.erasure.requests import Requests
from recsys_unlearn.errors import LostRequest
from recsys_unlearn.progress import Progress
from recsys_unlearn.workflows.deletion.erasing import settle
from recsys_unlearn.workflows.deletion.open_requests import Carried, Carrier
from recsys_unlearn.workflows.deletion.outcome import ForgetOutcome
from recsys_unlearn.workflows.deletion.planning import waiting
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workspace import Workspace


@dataclass(frozen=True)
class Failure:
    """Requests that could not be carried to their end, why, and the exit code which that is."""

    requests: list[str]
    error: str
    exit_code: int

    @classmethod
    def of(cls, carried: Carried) -> Self:
        """Describe what stopped them."""
        code = carried.error.exit_code if carried.error else 0
        return cls(list(carried.ids), str(carried.error or ""), code)


@dataclass(frozen=True)
class ResumeOutcome:
    """What was carried on.

    Parameters
    ----------
    requests
        Each as ``forget`` tells it.
    erased_again
        Users who, or whose items, had been erased before and were in the store once more, as after a
        restored backup.
    failed
        What could not be carried to its end.
    """

    requests: list[ForgetOutcome]
    erased_again: int
    failed: list[Failure]
    seconds: dict[str, float]

    @property
    def exit_code(self) -> int:
        """0, or the highest of what failed."""
        return max((each.exit_code for each in self.failed), default=0)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; names no user."""
        return asdict(self)


def resume(
    workspace: Workspace,
    method: str | None = None,
    progress: Progress | None = None,
    wait: float = 0.0,
) -> ResumeOutcome:
    """Carry on whatever is open, queued requests included, each on the terms that it came with.

    Parameters
    ----------
    method
        By which to forget instead; ``retrain`` is the way out of a failed audit.

    Raises
    ------
    UsageError
        If there is no such method.
    Locked
        If another process is changing the workspace.
    """
    Terms().by(method)  # refuses an unknown one
    clock = Stopwatch()
    with workspace.locked("resume", wait):
        if workspace.has_ledger:
            workspace.ledger().settle()
        returned = []
        with suppress(LostRequest):  # told below, of the request that it stops
            returned = settle(workspace)
        requests = workspace.requests()
        carrier = Carrier(workspace, method, progress=progress)
        queued = waiting(requests)
        done = list(chain(carrier.begun(requests.open()), carrier.new(queued)))
    return ResumeOutcome(
        requests=outcomes(workspace.requests(), done),
        erased_again=sum(len(each.subject) for each in returned),
        failed=[Failure.of(each) for each in done if each.error],
        seconds=clock.seconds(),
    )


def outcomes(requests: Requests, done: list[Carried]) -> list[ForgetOutcome]:
    """What has become of each request by now."""
    now = {each.request_id: each for each in requests.all()}
    return [ForgetOutcome.of(requests, now[name], {}) for each in done for name in each.ids]
