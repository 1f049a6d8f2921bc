"""What is left of a user in a workspace: what to look for, and the search of every file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys_unlearn.erasure import tensors
from recsys_unlearn.erasure.residue import Residue, Target, scan
from recsys_unlearn.errors import StoreError, UnknownUser
from recsys_unlearn.interactions.contract import UserId
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.progress import Progress
from recsys_unlearn.tracking.versions import Version
from recsys_unlearn.workflows.version_files import STORE_TAG
from recsys_unlearn.workspace import Workspace


@dataclass(frozen=True)
class ResidueOutcome:
    """Answer to "what is left of this user?".

    Parameters
    ----------
    searched
        Kinds of traces that were looked for. Of a user who is forgotten only the ``id`` is known,
        unless a target was saved before.
    """

    searched: list[str]
    found: Residue

    def as_dict(self) -> dict[str, Any]:
        """Return it with stable keys, for JSON; names nobody."""
        return {"searched": self.searched, **self.found.as_dict()}


def target_of(workspace: Workspace, user: UserId) -> Target:
    """Gather what can be looked for, before the user is deleted: id, row, items, and every vector.

    A user who is not in the store, because they were forgotten or never there, gives a target with
    nothing but the id.
    """
    try:
        store = workspace.store()
        row = store.user_row(user)
    except (StoreError, UnknownUser):
        return Target(user)
    items = store.history(row).items
    ours, others = _models(workspace, store)
    target = Target(
        user,
        row=row,
        items=tuple(items.tolist()),
        item_ids=tuple(map(str, store.item_ids(items.tolist()))),
        store_id=store.store_id,
        n_users=store.n_users,
        n_items=store.n_items,
        foreign_models=frozenset(_directory(version).name for version in others),
    )
    return replace(target, vectors=tuple(_vectors(ours, target)))


def residue(
    workspace: Workspace, user: UserId, target: Target | None = None, progress: Progress | None = None
) -> ResidueOutcome:
    """Search every file of the workspace for a user; changes nothing.

    Parameters
    ----------
    target
        What :func:`target_of` gave before the user was deleted; gathered now, unless given.
    """
    wanted = target or target_of(workspace, user)
    return ResidueOutcome(wanted.searched, scan(workspace.root, wanted, progress=progress))


def _models(workspace: Workspace, store: InteractionStore) -> tuple[list[Version], list[Version]]:
    """Versions that were trained on the store, and the others."""
    versions = workspace.registry().versions()
    ours = [version for version in versions if version.tags.get(STORE_TAG) == store.store_id]
    return ours, [version for version in versions if version not in ours]


def _directory(version: Version) -> Path:
    """Directory that bears the model's own name."""
    return version.directory.parents[1]


def _vectors(versions: list[Version], target: Target) -> Iterator[np.ndarray]:
    """The user's line in each table over users, of each version, if it is in use and more than a number."""
    for version in versions:
        for path in sorted(version.directory.rglob("*.safetensors")):
            for name, table in tensors.safetensors(memoryview(path.read_bytes())):
                over_users = tensors.is_over_users(name, table, target.n_users, target.n_items)
                if over_users and table.ndim > 1 and tensors.is_in_use(table[target.row]):
                    yield np.array(table[target.row], np.float32).ravel()
