"""A deletion in a process that kills itself with SIGKILL at a named moment."""

import os
import signal
from collections.abc import Callable
from typing import Any

from recsys_unlearn.erasure.receipt import Receipt
from recsys_unlearn.erasure.requests import Requests
from recsys_unlearn.interactions.manifest import Manifest
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.interactions.vault import Vault
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.workflows.deletion import receipts, serving
from recsys_unlearn.workflows.deletion.carrying import Deletion
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workspace import Workspace

Moment = tuple[Any, str, str]

MOMENTS: dict[str, Moment] = {
    "before it is received": (Requests, "receive", "before"),
    "received": (Requests, "receive", "after"),
    "planned": (Deletion, "_erase", "before"),
    "suppressed": (InteractionStore, "erase", "before"),
    "after the vault is rewritten": (Vault, "erase", "after"),
    "before the manifest counts": (Manifest, "write", "before"),
    "erased and not recorded": (Deletion, "_erase", "after"),
    "data erased": (Deletion, "_unlearn", "before"),
    "unlearned and not recorded": (Deletion, "_unlearn", "after"),
    "indexed and not recorded": (Deletion, "_index", "after"),
    "in the middle of publish": (Registry, "_register", "before"),
    "published and not in the ledger": (serving, "record", "before"),
    "after promote": (Registry, "promote", "after"),
    "verified": (Deletion, "_clear", "before"),
    "purged and not recorded": (Deletion, "_clear", "after"),
    "purged": (receipts, "write", "before"),
    "receipt written and not recorded": (Receipt, "write", "after"),
}


def die(moment: str, root: str, *arguments: Any, **options: Any) -> None:
    """Start a deletion and be dead at ``moment``."""
    owner, name, when = MOMENTS[moment]
    setattr(owner, name, _deadly(getattr(owner, name), when))
    forget(Workspace(root), *arguments, **options)


def _deadly(function: Callable[..., Any], when: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> None:
        if when == "after":
            function(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    return call
