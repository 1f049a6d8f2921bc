"""How much the item table of a version owes to its users: what dropping their rows would leave behind."""

from dataclasses import asdict, dataclass
from typing import Any

from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.report import audit as measure
from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import sample_users
from recsys_unlearn.progress import Progress
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workflows.train import utility
from recsys_unlearn.workflows.version_files import open_version
from recsys_unlearn.workspace import Workspace

MOST_USERS = 1000  # on either side; the AUC's interval is then about ± .025


@dataclass(frozen=True)
class AuditOutcome:
    """Members of a version against strangers.

    Parameters
    ----------
    version
        Which was measured.
    audit
        As in a deletion's report, with a sample of the version's own users in place of the forgotten.
        Their ``verdict`` is usually ``remembered``: the trace a deletion has to take out.
    utility
        Mean metrics at 20 on the test split.
    """

    version: int
    audit: dict[str, Any]
    utility: dict[str, float]
    seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def audit(workspace: Workspace, version: int | None = None, progress: Progress | None = None) -> AuditOutcome:
    """Measure a version, by default the champion.

    Raises
    ------
    UsageError
        If the data was ingested without strangers.
    VersionError, StoreError
        If there is no such version, or it belongs to another store.
    """
    clock = Stopwatch()
    store = workspace.store()
    opened = open_version(workspace.registry(), store, version)
    splits, recommender = store.splits(), opened.recommender()
    if not len(splits.strangers):
        raise UsageError("there are no strangers to compare with: ingest with --strangers above 0")
    if progress:
        progress("folding in", 0, 2)
    with clock.part("audit"):
        members = sample_users(splits.train, MOST_USERS, "audited members")
        strangers = sample_users(splits.strangers, MOST_USERS, "audited strangers")
        difficulty = Difficulty.of(members.union(strangers), splits.train, cross_fitted=False)
        report = measure(recommender, members, strangers, difficulty=difficulty)
    if progress:
        progress("ranking", 1, 2)
    with clock.part("utility"):
        metrics = utility(recommender, splits)
    if progress:
        progress("done", 2, 2)
    return AuditOutcome(opened.version.number, report.as_dict(), metrics, clock.seconds())
