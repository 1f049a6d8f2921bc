"""A directory with a training store and its versions, and the lock that keeps two writers apart."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_unlearn.errors import Locked

if TYPE_CHECKING:  # the command line imports this module before it knows what it will need
    from recsys_unlearn.interactions.store import InteractionStore
    from recsys_unlearn.tracking.registry import Registry
    from recsys_unlearn.tracking.runs import Tracker


class Workspace:
    """Where everything of one data set lies.

    ::

        ROOT/data/store/    interactions by row, and the id vault
        ROOT/mlruns/        mlflow.db and artifacts/: runs, versions, the alias ``champion``
    """

    def __init__(self, root: str | Path = ".") -> None:
        self.root = Path(root)

    @property
    def store_dir(self) -> Path:
        """Directory of the training store."""
        return self.root / "data" / "store"

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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the right to change this workspace; readers need none.

        The kernel releases the lock when its owner dies, however it dies.

        Raises
        ------
        Locked
            If another process holds it.
        """
        path = self.root / "data" / ".lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(
                    f"another process is changing the workspace {self.root}; wait for it and try again"
                ) from None
            yield
