"""From a user's id to a version that has forgotten them, and a receipt that says so.

    received -> planned -> data_erased -> model_updated -> index_rebuilt -> verified -> purged -> receipted

The data goes first, and the alias moves only to a version that was audited. Each step is on the disk
before the ledger says so; after a crash ``resume``, or the same command again, carries on. That somebody
was erased before is answered from the ledger, before torch or MLflow are imported.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from recsys_unlearn.erasure.requests import Request
from recsys_unlearn.errors import LostRequest, UsageError
from recsys_unlearn.interactions.contract import ItemId, UserId
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.progress import Progress
from recsys_unlearn.workflows.deletion.erasing import finish_erasures, is_restored, settle
from recsys_unlearn.workflows.deletion.intake import Asked, check_reason, mend, receive, recognise
from recsys_unlearn.workflows.deletion.outcome import ForgetOutcome, in_parts
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.deletion_plan import plan_rows
from recsys_unlearn.workflows.lineage import check_model
from recsys_unlearn.workflows.steady import steady
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workspace import Workspace

if TYPE_CHECKING:
    from recsys_unlearn.unlearning.contract import Unlearner

__all__ = ["ForgetOutcome", "Handling", "forget"]


@dataclass(frozen=True)
class Handling:
    """How a request is handled, beside the method.

    Parameters
    ----------
    keep
        See :class:`recsys_unlearn.workflows.deletion.terms.Terms`.
    reason
        For the record; must name nobody.
    queue
        Take the request in, durably, and leave the rest to ``nightly`` or ``resume``.
    wait
        Seconds to wait for another process that is changing the workspace.
    """

    keep: str = "0"
    reason: str = ""
    queue: bool = False
    wait: float = 0.0


def forget(
    workspace: Workspace,
    users: Sequence[UserId],
    items: Sequence[ItemId] | None = None,
    method: str | None = None,
    dry_run: bool = False,
    verify: bool = True,
    progress: Progress | None = None,
    handling: Handling | None = None,
) -> ForgetOutcome:
    """Forget whole accounts, or some items of one user, and serve the version that results.

    Asked for again, it carries on with what is under way, and says of whom it was done before that it was.

    Parameters
    ----------
    method
        One of :data:`recsys_unlearn.unlearning.registry.METHODS`; the one that the model names, unless
        given.
    dry_run
        Say what would be done; nothing is written.
    verify
        Measure before and after, and refuse to serve a version whose audit fails.

    Raises
    ------
    UnknownUser, UnknownItem, UsageError
        If the request makes no sense; nothing was changed.
    VersionError
        If the versions that the ledger knows are gone; nothing was changed.
    VerificationFailed
        If the audit fails: the data is erased, no version was made, and the champion serves on.
    PartiallyDone
        If it stopped on the way; ``resume`` carries on.
    Locked
        If another process is changing the workspace.
    """
    how = handling or Handling()
    call = _Call(workspace, Terms(method, verify, how.keep), how, progress)
    asked = call.recognised(users, items)
    if asked.is_done:
        return call.already_erased(asked)
    if dry_run:
        return steady(call.planned)(asked)
    with workspace.locked("forget --queue" if how.queue else "forget", how.wait):
        mend(workspace, asked, call.terms)
        back: list[Request] = []
        with suppress(LostRequest):  # of another request; `resume` tells of it
            if is_restored(workspace):
                back = settle(workspace)
            else:
                finish_erasures(workspace)
        asked = call.recognised(users, items)  # another process may have been at it meanwhile
        if not asked.is_done:
            return call.taken_in(asked, back)
        call.carry_out(back)
        return call.already_erased(asked)


class _Call:
    """One call of :func:`forget`."""

    def __init__(self, workspace: Workspace, terms: Terms, how: Handling, progress: Progress | None) -> None:
        self.workspace, self.terms, self.how, self.progress = workspace, terms, how, progress
        self.clock = Stopwatch()

    def recognised(self, users: Sequence[UserId], items: Sequence[ItemId] | None) -> Asked:
        check_reason(self.how.reason, users)
        return steady(recognise)(self.workspace, users, items)

    def already_erased(self, asked: Asked) -> ForgetOutcome:
        known = [each for each in asked.erased if each]
        if not known:  # only the suppression list knows
            return ForgetOutcome(None, "already erased", already_erased=len(asked.erased))
        latest = max(known, key=lambda each: each.received_at)
        return replace(self._outcome(asked, latest), status="already erased", seconds=self._seconds())

    def planned(self, asked: Asked) -> ForgetOutcome:
        """What a deletion would come to; reads and writes nothing."""
        check_model(self.workspace)
        store, champion = self.workspace.store(), self.workspace.registry().champion()
        plan = plan_rows(store, store.splits(), *asked.plannable())
        method = self._method(store)
        return ForgetOutcome(
            request_id=None,
            status="planned",
            version=champion.number if champion else None,
            parent_version=champion.number if champion else None,
            users=len(asked.rows),
            interactions=len(plan.pairs),
            already_erased=len(asked.erased),
            method=method.name if method else None,
            guarantee=method.guarantee if method else None,
            leaves_behind=method.leaves_behind if method else None,
            seconds=self._seconds(),
        )

    def taken_in(self, asked: Asked, back: Sequence[Request]) -> ForgetOutcome:
        """Receive what is asked, and carry it out, with the requests about who came ``back``."""
        chosen = list(asked.unfinished)
        if len(asked.rows):
            if not self.how.queue:
                check_model(self.workspace)  # while nothing has been written
            if self.terms.method:
                self._method(asked.store)  # refuses one that the model cannot be forgotten by
            chosen.insert(0, receive(self.workspace, asked, self.terms, self.how.reason))
        ours = {each.request_id for each in chosen}
        self.carry_out([*chosen, *(each for each in back if each.request_id not in ours)])
        return self._outcome(asked, chosen[0])

    def _method(self, store: InteractionStore) -> "type[Unlearner] | None":
        """Return the method; None if there is no model to forget from.

        Raises
        ------
        UsageError
            If it does not work on the kind of recommender that serves.
        """
        from recsys_unlearn.unlearning.registry import UNLEARNERS
        from recsys_unlearn.workflows.version_files import open_version

        registry = self.workspace.registry()
        if registry.champion() is None:
            return None
        recommender = open_version(registry, store).recommender()
        method = UNLEARNERS[self.terms.method or recommender.forgets_by]
        if not isinstance(recommender, method.forgets_from):
            raise UsageError(
                f"{method.name} does not work on {recommender.name!r} recommenders; "
                f"{recommender.forgets_by} and retrain do. Nothing was changed"
            )
        return method

    def carry_out(self, chosen: Sequence[Request]) -> None:
        """Carry requests to their receipts, unless they are to wait for the night."""
        if self.how.queue or not chosen:
            return
        from recsys_unlearn.workflows.deletion.open_requests import Carrier

        carrier = Carrier(self.workspace, self.terms.method, self.clock, self.progress)
        for carried in chain(carrier.begun(chosen), carrier.new(chosen, self.terms)):
            if carried.error:
                raise carried.error

    def _outcome(self, asked: Asked, request: Request) -> ForgetOutcome:
        requests = self.workspace.requests()
        now = requests.get(request.request_id)
        return ForgetOutcome.of(requests, now, self._seconds(), len(asked.erased))

    def _seconds(self) -> dict[str, float]:
        return in_parts(self.clock.seconds())
