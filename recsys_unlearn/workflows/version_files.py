"""What a version consists of on disk, and how it is opened again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recsys_unlearn.errors import StoreError, VersionError
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.readiness.natural import FILE as READINESS_FILE
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.registry import load_recommender
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.tracking.versions import Version
from recsys_unlearn.workflows.lineage import check_recorded
from recsys_unlearn.workspace import Workspace

INDEX_FILE = "index.faiss"
STORE_TAG = "store_id"


@dataclass(frozen=True)
class Files:
    """A version's files, of which none is read before it is asked for."""

    directory: Path

    def recommender(self) -> Recommender:
        """Of whichever kind was saved."""
        return load_recommender(self.directory)

    def readiness(self) -> NaturalReadiness | None:
        """Slope and curvature, for the next deletion; None for a kind that forgets without."""
        return NaturalReadiness.load(self.directory) if (self.directory / READINESS_FILE).exists() else None

    def index(self) -> ItemIndex | None:
        """The faiss index over the item table; None where there is no such table."""
        path = self.directory / INDEX_FILE
        return ItemIndex.load(path) if path.exists() else None


@dataclass(frozen=True)
class Opened(Files):
    """A version whose files were found whole, and to be those that the ledger names."""

    version: Version


def open_version(registry: Registry, store: InteractionStore, number: int | None = None) -> Opened:
    """Verify and open version ``number``, or the champion.

    Raises
    ------
    VersionError
        If there is no such version, the ledger does not name it, or its files are not what was published.
    StoreError
        If it was trained on another store: its rows would be other people's.
    """
    version = registry.champion() if number is None else registry.version(number)
    if version is None:
        raise VersionError("no version serves yet: run `recsys-unlearn train` first")
    if version.tags.get(STORE_TAG) != store.store_id:
        raise StoreError(
            f"version {version.number} was trained on another ingest, so its rows mean other users; "
            "run `recsys-unlearn train` on the present store"
        )
    check_recorded(Workspace(registry.tracker.workspace), version)
    return Opened(version.open(), version)


def index_of(recommender: Recommender) -> ItemIndex | None:
    """Index the item table, where there is one; other kinds are searched by their own scores."""
    if not isinstance(recommender, EmbeddingRecommender):
        return None
    return ItemIndex.build(recommender.item_table)


def write_files(
    directory: Path,
    recommender: Recommender,
    readiness: NaturalReadiness | None,
    index: ItemIndex | None = None,
) -> None:
    """Write what a version consists of; the index may follow later."""
    recommender.save(directory)
    if readiness is not None:
        readiness.save(directory)
    if index is not None:
        index.save(directory / INDEX_FILE)


@contextmanager
def staged(
    workspace: Workspace,
    recommender: Recommender,
    readiness: NaturalReadiness | None,
    index: ItemIndex | None,
) -> Iterator[Path]:
    """Write a version's files to a temporary directory of the workspace that is gone afterwards."""
    with workspace.temporary() as directory:
        write_files(directory, recommender, readiness, index)
        yield directory
