"""What lies in a directory, down to the byte: to see that nothing changed, and that nobody is left."""

import hashlib
import io
from pathlib import Path

import polars as pl

from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.workspace import Workspace


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Path to hash and time of change, of every file and directory."""
    return {str(path.relative_to(root)): (_hash(path), path.stat().st_mtime_ns) for path in root.rglob("*")}


def hashes(root: Path) -> dict[str, str]:
    """Path to hash, of every file and directory."""
    return {name: digest for name, (digest, _) in tree(root).items()}


def holding(root: Path, text: str) -> list[str]:
    """Files whose bytes, name or, in a compressed table, values hold ``text``."""
    needle = text.encode()
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if needle in path.name.encode() or (path.is_file() and needle in _readable(path))
    )


def recommender(workspace: Workspace, number: int | None = None) -> Factorization:
    """Load a version, or the champion."""
    registry = workspace.registry()
    version = registry.champion() if number is None else registry.version(number)
    return Factorization.load(version.open())


def model_files(workspace: Workspace, number: int | None = None) -> dict[str, str]:
    """Name to hash, of what a version, or the champion, serves from."""
    registry = workspace.registry()
    version = registry.champion() if number is None else registry.version(number)
    names = ("weights.safetensors", "readiness.safetensors", "index.faiss", "model.json")
    return {name: _hash(version.open() / name) for name in names}


def _hash(path: Path) -> str:
    return "directory" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def _readable(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".parquet":
        return content
    return content + pl.read_parquet(io.BytesIO(content)).write_csv().encode()
