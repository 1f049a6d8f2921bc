"""Where versions come from and what they were made to forget, as the ledger remembers it after a purge."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recsys_unlearn.erasure.ledger import STORE_DIGEST
from recsys_unlearn.errors import VersionError

if TYPE_CHECKING:
    from recsys_unlearn.erasure.ledger import Entry
    from recsys_unlearn.erasure.merkle import SortedTree
    from recsys_unlearn.interactions.store import InteractionStore
    from recsys_unlearn.tracking.versions import Version
    from recsys_unlearn.workspace import Workspace

KIND = "version"


@dataclass(frozen=True)
class Origin:
    """How a version came about.

    Parameters
    ----------
    from_scratch
        Whether it was fitted to the store's data, rather than made from another version.
    batch
        The deletion that made it, by the id of the first of its requests.
    forgotten
        Number of training interactions which that deletion took out.
    """

    from_scratch: bool
    batch: str | None = None
    forgotten: int = 0


class Lineage:
    """The versions of a workspace by the digest of their files, oldest first.

    Numbers would not do: they start again at 1 where somebody has removed ``mlruns``.

    Parameters
    ----------
    entries
        Of the ledger, verified.
    """

    def __init__(self, entries: Iterable["Entry"]) -> None:
        self._versions = {each.body["files_sha256"]: each for each in entries if each.kind == KIND}

    def __contains__(self, digest: object) -> bool:
        return digest in self._versions

    def __len__(self) -> int:
        return len(self._versions)

    def body(self, digest: str) -> dict[str, Any]:
        """What was recorded of a version."""
        return dict(self._versions[digest].body)

    def digest_of(self, number: int | None) -> str | None:
        """Digest of the latest version of that number; None if none was recorded."""
        found = [digest for digest, entry in self._versions.items() if entry.body["version"] == number]
        return found[-1] if found else None

    def back_from(self, digest: str | None) -> Iterator["Entry"]:
        """Return the version, the one it was made from, and so on to one that was fitted to the data."""
        entry = self._versions.get(digest or "")
        while entry is not None:
            yield entry
            parent = None if entry.body["from_scratch"] else entry.body["parent"]
            entry = self._versions.get(parent or "")

    def knows(self, digest: str | None, batch: str, erased_at: int) -> bool:
        """Whether a version may hold what a deletion took out of the data.

        It does not if the deletion made it, or made one that it comes from; nor if it was fitted to the
        data after that was erased.

        Parameters
        ----------
        erased_at
            Sequence number of the ledger's line that the data was erased.
        """
        fitted_at = -1
        for entry in self.back_from(digest):
            if entry.body["batch"] == batch:
                return False
            fitted_at = entry.sequence
        return fitted_at < erased_at

    def spent(self, digest: str | None, more: int = 0) -> float:
        """Share of the interactions a version was once fitted to that deletions have taken out since.

        Parameters
        ----------
        more
            Interactions that are about to be taken out as well.
        """
        entries = list(self.back_from(digest))
        if not entries or not entries[-1].body["interactions"]:
            return 0.0
        # What the one that was fitted took out is not in it: it started without.
        forgotten = sum(each.body["forgotten"] for each in entries[:-1])
        return (forgotten + more) / entries[-1].body["interactions"]


def record(workspace: "Workspace", version: "Version", store: "InteractionStore", origin: Origin) -> None:
    """Write a version into the ledger; until then it is not opened. Once is enough, twice is harmless."""
    from recsys_unlearn.tracking.versions import DIGEST_TAG

    ledger, users = workspace.ledger(), remaining(workspace, store)
    lineage, digest = Lineage(ledger.entries()), version.tags[DIGEST_TAG]
    if digest in lineage:
        return
    ledger.append(
        KIND,
        {
            "version": version.number,
            "files_sha256": digest,
            "parent": lineage.digest_of(version.parent),
            "from_scratch": origin.from_scratch,
            "batch": origin.batch,
            "forgotten": origin.forgotten,
            "interactions": store.sizes["train"],
            "store_id": store.store_id,
            STORE_DIGEST: workspace.sealed(store),
            "recall@20": _recall(lineage, version),
            "users": len(users),
            "users_root": users.root,
        },
    )


def recorded_recall(workspace: "Workspace", version: "Version") -> float:
    """Recall@20 of a version; of one that was not measured, its parent's; 0 if that was not either."""
    from recsys_unlearn.tracking.versions import DIGEST_TAG

    lineage = Lineage(workspace.ledger().entries())
    digest = version.tags.get(DIGEST_TAG, "")
    return lineage.body(digest)["recall@20"] if digest in lineage else 0.0


def _recall(lineage: Lineage, version: "Version") -> float:
    measured = version.metrics.get("recall@20", math.nan)
    if math.isfinite(measured):
        return measured
    parent = lineage.digest_of(version.parent)
    return lineage.body(parent)["recall@20"] if parent else 0.0


def remaining(workspace: "Workspace", store: "InteractionStore") -> "SortedTree":
    """Tree over the keyed hashes of everybody in the store; who is not in it can be shown not to be."""
    from recsys_unlearn.erasure.merkle import SortedTree

    key = workspace.key()
    return SortedTree(key.user(user) for user in store.user_ids().values())


def check_model(workspace: "Workspace") -> None:
    """Refuse a workspace that has lost the versions which its ledger knows; one that never had any passes.

    Without them nothing can be unlearned, and a receipt would say that no model held the users.

    Raises
    ------
    VersionError
        If MLflow's database is gone, or is another one.
    """
    registry = workspace.registry()
    if not registry.exists and workspace.has_ledger and len(Lineage(workspace.ledger().entries())):
        raise VersionError(
            f"the versions of this workspace are gone: {registry.tracker.database} does not know them. "
            "Nothing was changed. Restore mlruns from a backup, or run `recsys-unlearn train`"
        )


def check_recorded(workspace: "Workspace", version: "Version") -> None:
    """Refuse a version that this workspace's ledger does not name with these files.

    Raises
    ------
    VersionError
        If it does not: a foreign version, or one whose making was interrupted.
    """
    from recsys_unlearn.tracking.versions import DIGEST_TAG

    known = Lineage(workspace.ledger().entries()) if workspace.has_ledger else ()
    if version.tags.get(DIGEST_TAG) not in known:
        raise VersionError(
            f"version {version.number} is not in this workspace's ledger, so it is not opened: it comes "
            "from elsewhere, or its making was interrupted; train a new version"
        )
