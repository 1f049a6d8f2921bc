"""The whole story on synthetic people: ingest, train, recommend, forget, audit, compare."""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys_unlearn import durable
from recsys_unlearn.errors import RecsysUnlearnError, StoreError, UnknownUser, UsageError
from recsys_unlearn.interactions import IngestOptions, InteractionStore, UserId, ingest
from recsys_unlearn.interactions.contract import sample_users
from recsys_unlearn.interactions.synthetic import SyntheticOptions, generate
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.factorization import FactorizationOptions
from recsys_unlearn.workflows.audit import audit
from recsys_unlearn.workflows.compare import compare
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace

MARKER = ".recsys-unlearn-demo"
K = 5
COHORT = 60


@dataclass(frozen=True)
class DemoOutcome:
    """What each step gave.

    Parameters
    ----------
    user
        Id of the synthetic user who was forgotten.
    ingest, train, recommended, forget, batch, audit
        As the commands of these names print them with ``--json``; ``batch`` is a deletion of ``COHORT``
        more users at once, enough of them for a verdict.
    refused
        What recommending for the forgotten user gave: ``type, message, exit_code``.
    versions
        As ``compare --json`` prints them; those that a deletion has purged too, as they were before.
    """

    workspace: str
    user: UserId
    ingest: dict[str, Any]
    train: dict[str, Any]
    recommended: dict[str, Any]
    forget: dict[str, Any]
    batch: dict[str, Any]
    refused: dict[str, Any]
    audit: dict[str, Any]
    versions: list[dict[str, Any]]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the story with stable keys, for JSON."""
        return asdict(self)


def demo(
    root: Path,
    data: SyntheticOptions | None = None,
    training: FactorizationOptions | None = None,
    progress: Progress | None = None,
) -> DemoOutcome:
    """Run the story in ``root``, which must be new, empty, or an earlier demo's.

    Raises
    ------
    UsageError
        If ``root`` holds anything that a demo did not make. Nothing is touched then.
    """
    started = time.perf_counter()
    workspace = _fresh_workspace(Path(root))
    ingested = _ingest(workspace, data, progress)
    trained = train(workspace, training or FactorizationOptions(), progress).as_dict()
    user = _typical_user(workspace.store())
    recommended = recommend(workspace, user, K).as_dict()
    before = compare(workspace).as_list()
    forgotten = forget(workspace, [user], progress=progress).as_dict()
    between = compare(workspace).as_list()
    batch = forget(workspace, _cohort(workspace.store()), progress=progress).as_dict()
    return DemoOutcome(
        workspace=str(root),
        user=user,
        ingest=ingested,
        train=trained,
        recommended=recommended,
        forget=forgotten,
        refused=_refusal(workspace, user),
        batch=batch,
        audit=audit(workspace, progress=progress).as_dict(),
        versions=_all_versions(before, between, compare(workspace).as_list()),
        seconds=time.perf_counter() - started,
    )


def _fresh_workspace(root: Path) -> Workspace:
    _refuse_foreign(root)
    workspace = Workspace(root)
    if not (root / MARKER).exists():
        durable.write_json(root / MARKER, {"store_id": None})
    with workspace.locked():
        for directory in (workspace.store_dir, workspace.erasure_dir, workspace.tracker().root):
            if directory.exists():
                shutil.rmtree(directory)
    return workspace


def _refuse_foreign(root: Path) -> None:
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise UsageError(f"{root} is not a directory; choose another --workspace for the demo")
    if root.exists() and any(root.iterdir()) and not _is_demo(root):
        raise UsageError(f"{root} was not made by the demo, so it is left alone; choose another --workspace")


def _is_demo(root: Path) -> bool:
    """Whether the marker is there, and any store is the one that it names: nobody ingested over it."""
    try:
        marked = json.loads((root / MARKER).read_text())["store_id"]
        workspace = Workspace(root)
        return not workspace.store_dir.exists() or workspace.store().store_id == marked
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return False


def _ingest(workspace: Workspace, data: SyntheticOptions | None, progress: Progress | None) -> dict[str, Any]:
    # From memory: a file of interactions would still name the user after the deletion.
    frame = generate(data).frame
    with workspace.locked():
        report = ingest(frame, workspace.store_dir, IngestOptions(min_rating=3), progress)
        durable.write_json(workspace.root / MARKER, {"store_id": report.store_id})
    return report.as_dict()


def _typical_user(store: InteractionStore) -> UserId:
    """Id of the training user whose number of interactions is the median."""
    train_split = store.splits().train
    users = train_split.active_users
    order = np.argsort(train_split.user_counts[users], kind="stable")
    return store.user_id(int(users[order[len(order) // 2]]))


def _cohort(store: InteractionStore) -> list[UserId]:
    chosen = sample_users(store.splits().train, COHORT, "demo cohort").active_users
    return [store.user_id(int(row)) for row in chosen]


def _all_versions(*lists: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each version as it was seen last; one that is not in the last list serves no more."""
    seen = {each["version"]: each for found in lists for each in found}
    there = {each["version"] for each in lists[-1]}
    return [each if number in there else each | {"aliases": []} for number, each in sorted(seen.items())]


def _refusal(workspace: Workspace, user: UserId) -> dict[str, Any]:
    try:
        recommend(workspace, user, K)
    except UnknownUser as error:
        return {"type": "UnknownUser", "message": str(error), "exit_code": error.exit_code}
    raise RecsysUnlearnError("the user is still served after the deletion; please report this as a bug")
