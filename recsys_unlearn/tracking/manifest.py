"""SHA-256 and size of every file of a model, so that a version is used only as it was published.

``files.json`` maps each file's path to its hash and its number of bytes. The hash of ``files.json``
itself is a tag of the version, in the database: to alter a file unnoticed one has to alter all three.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from recsys_unlearn.durable import write_json
from recsys_unlearn.errors import VersionError

MANIFEST_FILE = "files.json"
LATER_FILES = {MANIFEST_FILE, "registered_model_meta"}  # the second MLflow adds at each load by name
LARGEST_MANIFEST = 1 << 20  # bytes; ours has some ten lines


def write_manifest(root: Path) -> str:
    """Write ``files.json`` for everything below ``root``; return the SHA-256 of it."""
    write_json(root / MANIFEST_FILE, {name: _described(root / name) for name in list_files(root)})
    return _digest(root / MANIFEST_FILE)


def list_files(root: Path) -> list[str]:
    """Paths of all files below ``root``, relative to it, with ``/`` on every system.

    Raises
    ------
    VersionError
        If something is neither a file nor a directory: a link leads out of what was hashed.
    """
    paths = [path for path in sorted(root.rglob("*")) if path.is_symlink() or not path.is_dir()]
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise VersionError(f"{path} is a link or a device, which a model never holds; remove it")
    return [path.relative_to(root).as_posix() for path in paths]


def verify(root: Path, digest: str) -> None:
    """Check that the files below ``root`` are those of the manifest whose SHA-256 is ``digest``.

    Raises
    ------
    VersionError
        If a file, or the manifest, is missing, altered, or not listed.
    """
    if not (root / MANIFEST_FILE).is_file():
        raise VersionError(f"{root} holds no {MANIFEST_FILE}: the files of this version are gone. {_REMEDY}")
    small = (root / MANIFEST_FILE).stat().st_size <= LARGEST_MANIFEST
    if not small or _digest(root / MANIFEST_FILE) != digest:
        raise VersionError(f"{root / MANIFEST_FILE} is not the one that was published. {_REMEDY}")
    listed = json.loads((root / MANIFEST_FILE).read_text())
    _check_names(listed, set(list_files(root)) - LATER_FILES, root)
    for name, expected in listed.items():
        hashed, _, size = expected.partition(" ")  # release 0.1 kept no sizes
        # The size first: nobody should have to read a petabyte to learn that it is not ours.
        if (size and (root / name).stat().st_size != int(size)) or _digest(root / name) != hashed:
            raise VersionError(f"{root / name} was altered after it was published. {_REMEDY}")


_REMEDY = "Restore it from a backup, or train a new version."


def _check_names(listed: Mapping[str, str], present: set[str], root: Path) -> None:
    for name in listed:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise VersionError(f"the manifest of {root} names a file outside of it. {_REMEDY}")
    for name in sorted(set(listed) - present):
        raise VersionError(f"{root / name} is missing. {_REMEDY}")
    for name in sorted(present - set(listed)):
        raise VersionError(f"{root / name} was not published with this version; remove it")


def _described(path: Path) -> str:
    return f"{_digest(path)} {path.stat().st_size}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
