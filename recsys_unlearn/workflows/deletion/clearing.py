"""Superseded versions that hold the forgotten leave the disk; then everything is searched for a trace."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from recsys_unlearn import durable
from recsys_unlearn.erasure.requests import WORKING, Requests, State
from recsys_unlearn.erasure.residue import Residue, Target, scan
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.tracking.purge import Purged, purge
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.tracking.retention import Retention
from recsys_unlearn.tracking.versions import DIGEST_TAG
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.deletion.planning import batch_of
from recsys_unlearn.workflows.lineage import Lineage
from recsys_unlearn.workflows.version_files import STORE_TAG
from recsys_unlearn.workspace import Workspace

REASON, SUPERSEDED, VECTORS_FILE = "held users who were forgotten", "superseded.json", "vectors.safetensors"


def clear(
    workspace: Workspace, registry: Registry, requests: Requests, retention: Retention
) -> tuple[Purged, list[int]]:
    """Remove the versions that any deletion has made out of date, as far as the policy allows.

    What crashed publications have left goes in any case.

    Returns
    -------
    tuple
        What was removed, and which versions stay although they hold somebody who was forgotten.
    """
    old = outdated(workspace, registry, requests)
    removed = purge(registry, retention, old, REASON)
    return removed, sorted({number for number, _ in removed.kept} & {*old})


def superseded(batch: Batch, workspace: Workspace, registry: Registry, requests: Requests) -> list[int]:
    """Return what was outdated when a batch first came to its purge; a crash in the middle hides some."""
    path = batch.directory / SUPERSEDED
    if not path.exists():
        durable.write_json(path, outdated(workspace, registry, requests))
    return list(json.loads(path.read_bytes()))


def outdated(workspace: Workspace, registry: Registry, requests: Requests) -> list[int]:
    """Numbers of the versions that hold somebody who was forgotten, or that the ledger does not know."""
    lineage = Lineage(workspace.ledger().entries())
    deletions = dict(_deletions(requests))
    found = []
    for version in registry.versions():
        digest = version.tags.get(DIGEST_TAG, "")
        knows = (lineage.knows(digest, name, erased_at) for name, erased_at in deletions.items())
        if digest not in lineage or any(knows):
            found.append(version.number)
    return found


def remember(batch: Batch, user_table: np.ndarray) -> None:
    """Keep the rows of who goes until the search, with the request: the table itself is purged first."""
    with durable.replacing(batch.directory / VECTORS_FILE) as temporary:
        temporary.write_bytes(save({"vectors": user_table[batch.plan.accounts]}))


def targets(batch: Batch, store: InteractionStore, registry: Registry) -> list[Target]:
    """What the accounts of a batch would be recognised by.

    Rows are those of the store that the batch was planned on. In one that has replaced it since, rows of
    users and of items are others'.
    """
    planned_on, pairs = batch.details(State.PLANNED)["store_id"], batch.plan.pairs
    foreign = frozenset(
        version.directory.parents[1].name
        for version in registry.versions()
        if version.tags.get(STORE_TAG) != planned_on
    )
    path, accounts = batch.directory / VECTORS_FILE, batch.plan.accounts.tolist()
    vectors = load(path.read_bytes())["vectors"] if path.exists() else [np.zeros(0)] * len(accounts)
    return [
        Target(
            row=row,
            items=tuple(pairs.items_of(row).tolist()) if store.store_id == planned_on else (),
            vectors=(vector,) if vector.any() else (),
            store_id=planned_on,
            n_users=pairs.n_users,
            n_items=pairs.n_items,
            foreign_models=foreign,
        )
        for row, vector in zip(accounts, vectors, strict=True)
    ]


def search(workspace: Workspace, wanted: Sequence[Target]) -> Residue:
    """Search what belongs to the workspace; the requests' own directories go right after.

    What else lies beside it, such as the source, is the operator's: ``residue`` searches that too.
    """
    own = [workspace.store_dir, workspace.erasure_dir, workspace.temporary_dir, workspace.root / "mlruns"]
    others = [path for folder in (workspace.root, workspace.root / "data") for path in folder.iterdir()]
    beside = [path for path in others if path not in (*own, workspace.root / "data")]
    return scan(workspace.root, wanted, skip=[workspace.erasure_dir / WORKING, *beside])


def summary(found: Residue) -> dict[str, Any]:
    """Counts and places for the ledger and the receipt."""
    return {
        "hits": len(found.hits),
        "files": found.files,
        "bytes": found.bytes,
        "unread": len(found.unread),
        "places": sorted({f"{hit.path}: {hit.kind}" for hit in found.hits}),
    }


def _deletions(requests: Requests) -> Iterator[tuple[str, int]]:
    """Name of each batch that took training data, and the ledger's line which says so."""
    for request in requests.all():
        erased_at = request.sequences.get(State.DATA_ERASED)
        if erased_at is None:
            continue
        planned = request.details[State.PLANNED]
        if batch_of(request) == request.request_id and planned["train_interactions"]:
            yield request.request_id, erased_at
