"""What is in a workspace: data, versions, and who was forgotten when, in numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recsys_unlearn.tracking import Version
from recsys_unlearn.workspace import Workspace

SHOWN = 10  # deletions, newest first


@dataclass(frozen=True)
class Status:
    """State of a workspace.

    Parameters
    ----------
    store
        Counts of the training store; None if nothing was ingested.
    champion
        Number of the version that serves; None if there is none.
    versions
        Of each version, newest first: ``version, kind, parent_version, created, aliases``.
    deletions
        The last ten that led to a version, newest first:
        ``version, created, method, users, interactions``.
    """

    store: dict[str, Any] | None
    champion: int | None
    versions: list[dict[str, Any]]
    deletions: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the state with stable keys, for JSON."""
        return asdict(self)


def status(workspace: Workspace) -> Status:
    """Read the state of a workspace; one that is empty, or not there, has none.

    Raises
    ------
    StoreError
        If there is a store and it is damaged.
    """
    versions = workspace.registry().versions()
    champions = [version.number for version in versions if "champion" in version.aliases]
    return Status(
        store=_store(workspace),
        champion=champions[0] if champions else None,
        versions=[_version(version) for version in versions],
        deletions=_deletions(versions),
    )


def _store(workspace: Workspace) -> dict[str, Any] | None:
    if not workspace.store_dir.exists():
        return None
    store = workspace.store()
    return {
        "store_id": store.store_id,
        "digest": store.digest,
        "users": len(store.known_rows()),
        "forgotten_users": store.n_users - len(store.known_rows()),
        "items": store.n_items,
        "interactions": sum(store.sizes.values()),
        **store.sizes,
        "erasures": store.generation,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "kind": version.tags.get("kind"),
        "parent_version": version.parent,
        "created": version.created.isoformat(timespec="seconds"),
        "aliases": list(version.aliases),
    }


def _deletions(versions: Sequence[Version]) -> list[dict[str, Any]]:
    made_by_forgetting = [version for version in versions if version.tags.get("kind") == "forget"]
    return [
        {
            "version": version.number,
            "created": version.created.isoformat(timespec="seconds"),
            "method": version.tags.get("method"),
            "users": int(version.metrics.get("deleted/users", 0)),
            "interactions": int(version.metrics.get("deleted/interactions", 0)),
        }
        for version in made_by_forgetting[:SHOWN]
    ]
