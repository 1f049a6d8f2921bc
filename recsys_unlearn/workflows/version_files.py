"""What a version consists of on disk, and how it is opened again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recsys_unlearn.errors import StoreError, VersionError
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.tracking.versions import Version

INDEX_FILE = "index.faiss"
STORE_TAG = "store_id"


@dataclass(frozen=True)
class Opened:
    """A version whose files were found whole."""

    version: Version
    directory: Path

    def recommender(self) -> Factorization:
        """Both tables."""
        return Factorization.load(self.directory)

    def readiness(self) -> NaturalReadiness:
        """Slope and curvature, for the next deletion."""
        return NaturalReadiness.load(self.directory)

    def index(self) -> ItemIndex:
        """The faiss index over the item table."""
        return ItemIndex.load(self.directory / INDEX_FILE)


def open_version(registry: Registry, store: InteractionStore, number: int | None = None) -> Opened:
    """Verify and open version ``number``, or the champion.

    Raises
    ------
    VersionError
        If there is no such version, or its files are not what was published.
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
    return Opened(version, version.open())


@contextmanager
def staged(recommender: Recommender, readiness: NaturalReadiness, index: ItemIndex) -> Iterator[Path]:
    """Write a version's files to a temporary directory that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        recommender.save(directory)
        readiness.save(directory)
        index.save(directory / INDEX_FILE)
        yield directory
