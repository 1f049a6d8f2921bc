"""A directory with a training store, its versions, and the record of who was erased from them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from recsys_unlearn.lock import locked

if TYPE_CHECKING:  # the command line imports this module before it knows what it will need
    from recsys_unlearn.erasure.key import Key
    from recsys_unlearn.erasure.ledger import Ledger
    from recsys_unlearn.erasure.requests import Requests
    from recsys_unlearn.erasure.suppression import Suppression
    from recsys_unlearn.interactions.report import IngestReport
    from recsys_unlearn.interactions.store import InteractionStore
    from recsys_unlearn.tracking.registry import Registry
    from recsys_unlearn.tracking.runs import Tracker


class Workspace:
    """Where everything of one data set lies.

    ::

        ROOT/data/store/      interactions by row, and the id vault
        ROOT/data/erasure/    requests, ledger, suppression list, receipts, and their key
        ROOT/data/temporary/  what is being built; emptied by the next writer
        ROOT/mlruns/          mlflow.db and artifacts/: runs, versions, the alias ``champion``
    """

    def __init__(self, root: str | Path = ".") -> None:
        self.root = Path(root)
        self._requests: Requests | None = None

    @property
    def store_dir(self) -> Path:
        """Directory of the training store."""
        return self.root / "data" / "store"

    @property
    def erasure_dir(self) -> Path:
        """Directory of requests, ledger, suppression list, receipts and key."""
        return self.root / "data" / "erasure"

    @property
    def temporary_dir(self) -> Path:
        """Directory of what is being built: on the workspace's disk, and nobody else's to read."""
        return self.root / "data" / "temporary"

    @property
    def has_ledger(self) -> bool:
        """Whether anything was ever recorded here; a reader asks, so as not to make the key."""
        names = ("ledger.jsonl", "ledger.head")  # one without the other is a loss: it will say so
        return any((self.erasure_dir / name).exists() for name in names)

    def store(self) -> "InteractionStore":
        """Open the training store; StoreError if there is none."""
        from recsys_unlearn.interactions.store import InteractionStore

        return InteractionStore.open(self.store_dir)

    def tracker(self) -> "Tracker":
        """Runs of this workspace."""
        from recsys_unlearn.tracking.runs import Tracker

        return Tracker(self.root)

    def registry(self) -> "Registry":
        """Versions of this workspace."""
        from recsys_unlearn.tracking.registry import Registry

        return Registry(self.tracker())

    def key(self) -> "Key":
        """Key of this workspace's hashes, made on first use."""
        from recsys_unlearn.erasure.key import Key

        return Key.of(self.erasure_dir)

    def sealed(self, store: "InteractionStore | IngestReport") -> str:
        """Return the store's digest under this workspace's key: what ledger and MLflow may say of it."""
        return self.key().data(store.digest)

    def ledger(self) -> "Ledger":
        """Record of versions and requests."""
        return self.requests().ledger

    def requests(self) -> "Requests":
        """Return the requests for erasure, as the ledger tells them.

        Always the same object, which verifies again only what the ledger has gained.
        """
        from recsys_unlearn.erasure.ledger import Ledger
        from recsys_unlearn.erasure.requests import Requests

        if self._requests is None:
            self._requests = Requests(self.erasure_dir, Ledger(self.erasure_dir, self.key()))
        return self._requests

    def suppression(self) -> "Suppression":
        """List of who must not come back with the next ingest."""
        from recsys_unlearn.erasure.suppression import Suppression

        return Suppression(self.erasure_dir, self.key())

    @contextmanager
    def locked(self, command: str = "a script", wait: float = 0.0) -> Iterator[None]:
        """Hold the right to change this workspace; readers need none.

        Parameters
        ----------
        command
            What for; whoever is kept out is told.
        wait
            Seconds to wait for another owner; ``inf`` for as long as it takes.

        Raises
        ------
        Locked
            If another living process holds it, and does for ``wait`` seconds.
        """
        with locked(self.root / "data" / ".lock", command, f"the workspace {self.root}", wait):
            shutil.rmtree(self.temporary_dir, ignore_errors=True)  # a dead writer's
            yield

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Yield a directory that is gone afterwards, or, after a crash, when the next writer comes.

        For the holder of the lock.
        """
        self.temporary_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with TemporaryDirectory(dir=self.temporary_dir) as name:
                yield Path(name)
        finally:
            shutil.rmtree(self.temporary_dir, ignore_errors=True)
