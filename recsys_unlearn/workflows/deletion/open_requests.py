"""Whatever is open, carried on from where it stands: alone, together, or together again after a crash."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from recsys_unlearn.erasure.requests import Request, Requests, State
from recsys_unlearn.errors import RecsysUnlearnError
from recsys_unlearn.progress import Progress
from recsys_unlearn.workflows.deletion import receipts
from recsys_unlearn.workflows.deletion.batch import members
from recsys_unlearn.workflows.deletion.carrying import Deletion
from recsys_unlearn.workflows.deletion.intake import terms_of
from recsys_unlearn.workflows.deletion.planning import batch_of, begun, is_lost, plan, reopened, waiting
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.lineage import check_model
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workspace import Workspace


@dataclass(frozen=True)
class Carried:
    """Requests that went one way together, and what stopped them, if anything did."""

    ids: tuple[str, ...]
    error: RecsysUnlearnError | None = None


@dataclass(frozen=True)
class Carrier:
    """Carries requests on; the caller holds the workspace's lock.

    Parameters
    ----------
    method
        By which to forget, whatever the requests say; None to leave it as it is.
    """

    workspace: Workspace
    method: str | None = None
    clock: Stopwatch | None = None
    progress: Progress | None = None

    def begun(self, chosen: Sequence[Request]) -> Iterator[Carried]:
        """Carry on the batches that any of these requests is in."""
        requests = self.workspace.requests()
        wanted = {each.request_id for each in chosen}
        for name in begun(requests):
            together = _together(requests, name)
            if wanted & {each.request_id for each in together}:
                yield self._carry(requests, name, together)

    def new(self, chosen: Sequence[Request], terms: Terms | None = None) -> Iterator[Carried]:
        """Plan requests that are only received, and carry them out: one batch for each kind of terms.

        Parameters
        ----------
        terms
            For all of them, in one batch; None for the requests' own.
        """
        requests = self.workspace.requests()
        fresh = {each.request_id for each in waiting(requests)}
        by_terms: dict[tuple[Terms, str], list[Request]] = {}
        for request in (each for each in chosen if each.request_id in fresh):
            own = (terms or terms_of(requests, request)).by(self.method)
            alone = request.request_id if is_lost(requests, request) else ""  # to hold nobody else up
            by_terms.setdefault((own, alone), []).append(request)
        for (own, _), group in by_terms.items():
            yield self._guarded(group, lambda own=own, group=group: self._plan(requests, group, own))  # type: ignore[misc]

    def _plan(self, requests: Requests, group: Sequence[Request], terms: Terms) -> None:
        check_model(self.workspace)
        clock = self.clock or Stopwatch()
        with clock.part("load"):
            batch = plan(self.workspace, requests, group, terms)
        Deletion(self.workspace, batch, clock, self.progress).carry_out()

    def _carry(self, requests: Requests, name: str, together: Sequence[Request]) -> Carried:
        if all(each.reached == State.PURGED for each in together):
            return self._guarded(together, lambda: receipts.write(self.workspace, requests, together))
        return self._guarded(together, lambda: self._resume(requests, name))

    def _resume(self, requests: Requests, name: str) -> None:
        check_model(self.workspace)
        batch = reopened(requests, name, self.workspace).by(self.method)
        batch = batch.advanced(requests, State.PLANNED, {})  # a crash may have divided it there
        Deletion(self.workspace, batch, self.clock, self.progress).carry_out()

    def _guarded(self, group: Sequence[Request], act: Callable[[], None]) -> Carried:
        ids = tuple(each.request_id for each in group)
        try:
            act()
        except RecsysUnlearnError as error:
            return Carried(ids, error)
        return Carried(ids)


def _together(requests: Requests, name: str) -> list[Request]:
    """Return the open requests of a batch."""
    planned = [each.request_id for each in requests.open() if batch_of(each) == name]
    first = requests.get(name)
    also = members(requests, first) if first.is_open else ()
    return [each for each in map(requests.get, dict.fromkeys([*planned, *also])) if each.is_open]
