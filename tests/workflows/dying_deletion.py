"""A deletion in a process that kills itself with SIGKILL at a named moment."""

import os
import signal
from collections.abc import Callable
from typing import Any

from recsys_unlearn.interactions.manifest import Manifest
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.interactions.vault import Vault
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workspace import Workspace

Moment = tuple[type, str, str]

MOMENTS: dict[str, Moment] = {
    "before publish": (Registry, "publish", "before"),
    "in the middle of publish": (Registry, "_register", "before"),
    "after publish": (Registry, "publish", "after"),
    "after promote": (Registry, "promote", "after"),
    "before the vault is rewritten": (Vault, "erase", "before"),
    "after the vault is rewritten": (Vault, "erase", "after"),
    "before the manifest counts": (Manifest, "write", "before"),
    "after erase": (InteractionStore, "erase", "after"),
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
