"""What a workspace holds, in a form in which two that ought to be equal are equal.

Bytes where bytes are promised: the store, and what each version serves from. The rest without what is
drawn at random or read off the clock. SQLite's own bytes are left out, as rows may lie in another order.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from reliability.faults import SCRATCH

_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[0-9a-f]{8,}|\d{4}-\d\d-\d\dT[0-9:.+Z]+")
_MEASURED = re.compile(r"^(seconds|clock|bytes|files|mlflow\..*)$")


def state(root: Path) -> dict[str, Any]:
    """Everything at once, by part: a difference then says where it lies."""
    return {
        "store": {name: _hash(path) for name, path in _files(root / "data" / "store")},
        "registry": registry(root),
        "erasure": erasure(root),
        "files": sorted({_plain(name) for name, _ in _files(root)}),
        "temporary": temporary(root),
    }


def registry(root: Path) -> dict[str, Any]:
    """Aliases, and each version's number, tags and the bytes that it serves from."""
    database = root / "mlruns" / "mlflow.db"
    if not database.exists():
        return {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        versions = connection.execute(
            "SELECT version, source FROM model_versions ORDER BY version"
        ).fetchall()
        tags = connection.execute(
            "SELECT version, key, value FROM model_version_tags ORDER BY 1, 2"
        ).fetchall()
        aliases = connection.execute("SELECT alias, version FROM registered_model_aliases").fetchall()
        unfinished = connection.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0]
    return {
        "aliases": dict(aliases),
        "versions": {number: _model(root, source) for number, source in versions},
        "tags": [[number, key, _plain(value)] for number, key, value in tags],
        "unfinished runs": unfinished,
    }


def erasure(root: Path) -> dict[str, Any]:
    """Ledger, receipts and the number of the suppressed."""
    directory = root / "data" / "erasure"
    ledger = directory / "ledger.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return {
        "ledger": [[line["kind"], _normal(line["body"])] for line in map(json.loads, lines)],
        "receipts": sorted(
            (_normal(json.loads(path.read_text())) for path in directory.glob("receipts/*.json")),
            key=json.dumps,
        ),
        "open": sorted(path.name for path in directory.glob("requests/*")),
    }


def temporary(root: Path) -> list[str]:
    """What a dead process left: half-made files, journals, scratch, models that are of no version."""
    marks = (".tmp-", "-journal", "-wal", ".uploading", "~", "data/temporary")
    left = [name for name, _ in _files(root) if any(mark in name for mark in marks)]
    scratch = [f"{SCRATCH}/{path.name}" for path in (root.parent / SCRATCH).glob("*")]
    return sorted(left + scratch + _orphans(root))


def _orphans(root: Path) -> list[str]:
    database = root / "mlruns" / "mlflow.db"
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        sources = {source for (source,) in connection.execute("SELECT source FROM model_versions")}
        runs = {run for (run,) in connection.execute("SELECT run_uuid FROM runs")}
    artifacts = database.parent / "artifacts"
    models = [path for path in artifacts.glob("models/*") if f"models:/{path.name}" not in sources]
    others = [path for path in artifacts.glob("*") if path.name not in {*runs, "models"}]
    return [str(path.relative_to(root)) for path in models + others]


def holding(root: Path, text: str) -> list[str]:
    """Files whose name or bytes hold ``text``; tables of this size are small enough to lie open."""
    needle = text.encode()
    return [name for name, path in _files(root) if needle in name.encode() or needle in path.read_bytes()]


def _model(root: Path, source: str) -> dict[str, str]:
    directory = (
        root / "mlruns" / "artifacts" / "models" / source.removeprefix("models:/") / "artifacts" / "files"
    )
    return {name: _hash(path) for name, path in _files(directory)}


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(directory)), path


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(text: str) -> str:
    return _RANDOM.sub("#", text)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _normal(each) for key, each in sorted(value.items()) if not _MEASURED.match(key)}
    if isinstance(value, list):
        return [_normal(each) for each in value]
    if isinstance(value, float):
        return round(value, 6)
    return _plain(value) if isinstance(value, str) else value
