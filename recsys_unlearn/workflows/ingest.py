"""Files of interactions into a workspace's store, without who and what it has erased before."""

from recsys_unlearn.erasure.ledger import STORE_DIGEST
from recsys_unlearn.erasure.suppression import FILE
from recsys_unlearn.interactions.ingest import ingest as read_in
from recsys_unlearn.interactions.options import IngestOptions
from recsys_unlearn.interactions.report import IngestReport
from recsys_unlearn.interactions.sources import Source
from recsys_unlearn.progress import Progress
from recsys_unlearn.workflows.deletion.erasing import finish_erasures
from recsys_unlearn.workspace import Workspace

KIND = "ingest"  # of the ledger's entry


def ingest(
    workspace: Workspace,
    source: Source,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
    wait: float = 0.0,
) -> IngestReport:
    """Read a source into the store; users and pairs on the suppression list stay out, and are counted.

    Deletions that were planned for the store that is there are finished before it is replaced.

    Raises
    ------
    InputError, StoreError
        As :func:`recsys_unlearn.interactions.ingest`.
    Locked
        If another process is changing the workspace.
    """
    with workspace.locked("ingest", wait):
        finish_erasures(workspace)
        erased = workspace.suppression() if (workspace.erasure_dir / FILE).exists() else None
        report = read_in(source, workspace.store_dir, options, progress, erased)
        if workspace.has_ledger:
            counts = {"users": report.users, "suppressed": report.suppressed}
            store = {"store_id": report.store_id, STORE_DIGEST: workspace.sealed(report)}
            workspace.ledger().append(KIND, store | counts)
    return report
