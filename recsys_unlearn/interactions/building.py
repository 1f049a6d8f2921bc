"""A directory that appears whole or not at all, and the sweeping of what a crash left of one."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from secrets import token_hex

from recsys_unlearn import durable
from recsys_unlearn.errors import StoreError

_RETIRED = f"{durable.TEMPORARY}retired-"


@contextmanager
def building(directory: Path, replace: bool = False) -> Iterator[Path]:
    """Yield an empty temporary directory; on success it becomes ``directory`` and is on the disk.

    A directory cannot be renamed onto another, so a replaced one is first renamed away. A crash
    between the two renames is mended by ``recover``.

    Raises
    ------
    StoreError
        ``directory`` is there already and ``replace`` was not asked for.
    """
    recover(directory)
    _refuse_occupied(directory, replace)
    directory.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (
        f"{durable.TEMPORARY}{escape(directory.name)}-????????",
        _RETIRED + escape(directory.name),
    ):
        sweep(directory.parent, leftover)
    temporary = directory.with_name(f"{durable.TEMPORARY}{directory.name}-{token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        durable.sync_tree(temporary)
        _publish(temporary, directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recover(directory: Path) -> None:
    """Bring back the old directory if a crash interrupted its replacement."""
    retired = directory.with_name(_RETIRED + directory.name)
    if retired.exists() and not directory.exists():
        retired.rename(directory)


def sweep(directory: Path, pattern: str = f"{durable.TEMPORARY}*", older_than: float = 0) -> None:
    """Remove what a crash left under a pattern, if nobody has touched it for ``older_than`` seconds."""
    for path in directory.glob(pattern):
        try:
            if time.time() - path.lstat().st_mtime < older_than:
                continue
            remove = shutil.rmtree if path.is_dir() and not path.is_symlink() else Path.unlink
            remove(path)
        except FileNotFoundError:  # its owner was quicker
            continue


def _refuse_occupied(directory: Path, replace: bool) -> None:
    if directory.is_dir() and not any(directory.iterdir()):
        return
    if directory.exists() and not replace:
        raise StoreError(f"{directory} already holds a store: pass --replace to put a new one in its place")


def _publish(temporary: Path, directory: Path) -> None:
    retired = directory.with_name(_RETIRED + directory.name)
    if directory.exists():
        directory.rename(retired)
    temporary.rename(directory)
    durable.sync(directory.parent)
    if retired.exists():
        shutil.rmtree(retired)
        durable.sync(directory.parent)
