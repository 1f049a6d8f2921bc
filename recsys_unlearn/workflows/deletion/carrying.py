"""The road from a plan to a receipt: every step in its order, from wherever a batch stands."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from recsys_unlearn.erasure.requests import STEPS as STATES
from recsys_unlearn.erasure.requests import Requests, State
from recsys_unlearn.erasure.residue import Residue, Target
from recsys_unlearn.errors import PartiallyDone, RecsysUnlearnError, VerificationFailed, refusal
from recsys_unlearn.interactions.contract import Splits
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.workflows.deletion import candidate as candidates
from recsys_unlearn.workflows.deletion import clearing, receipts
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.deletion.candidate import Candidate
from recsys_unlearn.workflows.deletion.erasing import erase
from recsys_unlearn.workflows.deletion.serving import BATCH_TAG, Service, digests
from recsys_unlearn.workflows.lineage import Lineage
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workflows.version_files import Opened, open_version
from recsys_unlearn.workspace import Workspace

Step = Callable[[], Mapping[str, Any]]

STEPS = {
    State.DATA_ERASED: "erasing",
    State.MODEL_UPDATED: "unlearning",
    State.INDEX_REBUILT: "indexing",
    State.VERIFIED: "auditing",
    State.PURGED: "purging",
    State.RECEIPTED: "writing the receipt",
}
"""What is told of each step while it is being done."""


class Deletion:
    """One batch on its way; the caller holds the workspace's lock.

    Parameters
    ----------
    clock
        That has been running since the request came in.
    """

    def __init__(
        self,
        workspace: Workspace,
        batch: Batch,
        clock: Stopwatch | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.workspace, self.batch = workspace, batch
        self.clock, self.progress = clock or Stopwatch(), progress
        self.requests: Requests = workspace.requests()
        self.registry = workspace.registry()
        self._steps: dict[State, Step] = {
            State.DATA_ERASED: self._erase,
            State.MODEL_UPDATED: self._unlearn,
            State.INDEX_REBUILT: self._index,
            State.VERIFIED: self._serve,
            State.PURGED: self._clear,
        }

    def carry_out(self) -> Batch:
        """Go to the end.

        Raises
        ------
        VerificationFailed
            If the audit fails; the requests are recorded as failed, and can be resumed.
        PartiallyDone
            If anything else does; the requests are as far as they came, and can be resumed.
        """
        try:
            for state, step in self._steps.items():
                if STATES.index(self.batch.reached) < STATES.index(state):
                    self._tell(state)
                    self.batch = self.batch.advanced(self.requests, state, step())
            self._tell(State.RECEIPTED)
            receipts.write(self.workspace, self.requests, self.batch.requests)
        except VerificationFailed as error:
            for name in self.batch.ids:
                self.requests.fail(name, str(error))
            raise
        except Exception as error:
            raise PartiallyDone(self._stopped(error)) from error
        return self.batch

    def _erase(self) -> Mapping[str, Any]:
        with self.clock.part("data"):
            return erase(self.workspace, self.batch)

    def _unlearn(self) -> Mapping[str, Any]:
        made = self._make()
        return {} if made is None else {"parent_version": made.parent, "made_by": made.made_by}

    def _index(self) -> Mapping[str, Any]:
        made = self._candidate()
        if made is not None:
            with self.clock.part("index"):
                candidates.index(made)
        return {}

    def _serve(self) -> Mapping[str, Any]:
        made = self._candidate()
        if made is None or made.files is None:
            return self._unchanged(made)
        parent = self._opened(made.parent)
        knowing = parent.recommender()
        if isinstance(knowing, EmbeddingRecommender):
            clearing.remember(self.batch, knowing.user_table)
        service = Service(self.workspace, self.registry, self.batch, self._splits, self.clock)
        details = service.begin(made, parent)
        return details | {"made_by": _without_parameters(made), "seconds": self.clock.seconds()}

    def _clear(self) -> Mapping[str, Any]:
        with self.clock.part("purge"):
            retention = self.batch.terms.retention()
            old = clearing.superseded(self.batch, self.workspace, self.registry, self.requests)
            purged, left = clearing.clear(self.workspace, self.registry, self.requests, retention)
            wanted = [] if left else self._targets()
            found = clearing.search(self.workspace, wanted) if wanted else Residue()
        return {
            "versions": sorted({*old} - {each.number for each in self.registry.versions()}),
            "kept": [list(each) for each in purged.kept],
            "older_versions": left,
            "residue": clearing.summary(found) if wanted else None,
        }

    def _targets(self) -> list[Target]:
        return clearing.targets(self.batch, self.workspace.store(), self.registry)

    def _candidate(self) -> Candidate | None:
        """Return what was made before, or make it anew where another version serves by now."""
        made, champion = candidates.find(self.batch), self._champion
        if made is None or champion is None:
            return self._remade()
        if self.batch.terms.method not in (None, made.made_by["method"]):
            return self._remade()
        promoted = champion.version.tags.get(BATCH_TAG) == self.batch.name
        return made if promoted or champion.version.number == made.parent else self._remade()

    def _remade(self) -> Candidate | None:
        made = self._make()
        if made is not None:
            candidates.index(made)
        return made

    def _make(self) -> Candidate | None:
        """Unlearn from the champion; None if no version serves."""
        parent = self._champion
        if parent is None:
            candidates.discard(self.batch)
            return None
        lineage = Lineage(self.requests.ledger.entries())
        with self.clock.part("model"):
            return candidates.make(self.batch, parent, self._splits, lineage)

    def _unchanged(self, made: Candidate | None) -> Mapping[str, Any]:
        """Particulars where the model held nothing of what goes."""
        version = None if self._champion is None else self._champion.version
        same = {"version": None} if version is None else digests(version)
        number = None if version is None else version.number
        nothing: dict[str, Any] = {"before": same, "after": same, "audit": {}, "utility": {}}
        return nothing | {
            "version": number,
            "parent_version": number,
            "made_by": None if made is None else _without_parameters(made),
            "seconds": self.clock.seconds(),
        }

    @cached_property
    def _champion(self) -> Opened | None:
        with self.clock.part("load"):
            if self.registry.champion() is None:
                return None
            return open_version(self.registry, self.workspace.store())

    @cached_property
    def _splits(self) -> Splits:
        """What is left of the data."""
        with self.clock.part("load"):
            return self.workspace.store().splits()

    def _opened(self, number: int) -> Opened:
        champion = self._champion
        if champion is not None and champion.version.number == number:
            return champion
        return open_version(self.registry, self.workspace.store(), number)

    def _tell(self, state: State) -> None:
        if self.progress:
            self.progress(STEPS[state], list(STEPS).index(state) + 1, len(STEPS))

    def _stopped(self, error: Exception) -> str:
        name, reached = self.batch.name, self.requests.get(self.batch.name).reached
        return f"{name} is at {reached}, and not done: {reason_of(error)}. Run `recsys-unlearn resume`"


def reason_of(error: Exception) -> str:
    """What went wrong, in words that quote nothing of what was being worked on."""
    if isinstance(error, RecsysUnlearnError):
        return str(error).rstrip(".")
    return refusal(error) or f"unexpected {type(error).__name__}"


def _without_parameters(made: Candidate) -> dict[str, Any]:
    return {name: value for name, value in made.made_by.items() if name != "parameters"}
