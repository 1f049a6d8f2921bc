"""Superseded versions taken out of the disk and the database, their figures kept as history.

    one transaction -> the files that no row names any more -> VACUUM

MLflow's own calls are not enough. ``delete_model_version`` keeps the row with its storage place and
tags, and the weights, which still load; ``mlflow gc`` leaves the inputs, the datasets, and the
versions of the runs it removed, and takes 3 s. So the rows go by SQL.

Each step follows from the state that the one before it left. A purge that was killed anywhere is
finished by the next one, which also collects what a crashed publication left: models that no version
names, and directories that no row names. The caller holds the workspace's lock, so that none of these
belongs to a publication under way.
"""

import re
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_unlearn import durable
from recsys_unlearn.errors import PartiallyDone, StoreError
from recsys_unlearn.tracking.purge_plan import Plan, plan_purge
from recsys_unlearn.tracking.purge_rows import PURGED_TAG, leave_history, remove_rows
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.tracking.retention import AtOnce, Retention
from recsys_unlearn.tracking.runs import Tracker

PATIENCE = 30.0  # seconds that another reader or writer of the database is waited for
_PENDING = 1  # PRAGMA user_version, which MLflow leaves at 0: rows were removed and not yet vacuumed
_MODEL_DIRECTORY = re.compile(r"m-[0-9a-f]{32}")
_RUN_DIRECTORY = re.compile(r"[0-9a-f]{32}")
_HALF_LOGGED = ".artifact.uploading.*"  # MLflow's own, left in a run's artifacts by a process that died


@dataclass(frozen=True)
class Purged:
    """What a purge removed, or with ``dry_run`` would remove.

    Parameters
    ----------
    versions
        Their numbers, ascending.
    unfinished
        Number of models that no version named: of crashed or refused publications.
    files, bytes
        Of everything removed from below ``mlruns``.
    kept
        (version, reason), newest first.
    """

    versions: tuple[int, ...] = ()
    unfinished: int = 0
    files: int = 0
    bytes: int = 0
    kept: tuple[tuple[int, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it with stable keys, for JSON."""
        return asdict(self)


def purge(
    registry: Registry,
    policy: Retention | None = None,
    versions: Collection[int] | None = None,
    reason: str = "superseded",
    now: datetime | None = None,
    dry_run: bool = False,
) -> Purged:
    """Remove superseded versions for good; the caller holds the workspace's lock.

    The champion and whatever is newer are never removed. A purged version's run stays, with its
    metrics, parameters and lineage, and the tags ``purged`` and ``purged_reason``.

    Parameters
    ----------
    policy
        Which superseded versions stay for now; none, unless given.
    versions
        Numbers to choose from; all, unless given. One that was purged before is passed over.
    reason
        Goes into the run's tag; holds no id.
    dry_run
        Work out the answer and change nothing.

    Raises
    ------
    VersionError
        If a number is not, and never was, a version; nothing was changed.
    StoreError
        If the database cannot be used; nothing was changed.
    PartiallyDone
        If the versions are gone from the database, and their files or the database's free pages are
        not; the same call carries on.
    """
    tracker, keep = registry.tracker, policy or AtOnce()
    if not tracker.exists:
        return Purged()
    today = (now or datetime.now(UTC)).astimezone(UTC)
    if dry_run:
        with _damage_named(tracker), _reading(tracker) as database:
            plan = plan_purge(database, keep, versions, today)
            return _purged(plan, *_measure(list(_stray(tracker, database, plan))))
    with _damage_named(tracker), _writing(tracker) as database:
        plan = plan_purge(database, keep, versions, today)
        if not plan.nothing:
            remove_rows(database, plan)
            leave_history(database, plan.runs, today, reason)
            database.execute(f"PRAGMA user_version = {_PENDING}")
    with _finishing():
        with _reading(tracker) as database:
            stray = list(_stray(tracker, database, plan))
        removed = _remove_files(stray)
        _vacuum(tracker)
    return _purged(plan, *removed)


def _purged(plan: Plan, files: int, size: int) -> Purged:
    return Purged(plan.versions, plan.unfinished, files, size, plan.kept)


# --- the files -----------------------------------------------------------------------------------


def _stray(tracker: Tracker, database: sqlite3.Connection, plan: Plan) -> Iterator[Path]:
    """Directories of models that have no row, of runs that have none or were purged; half-made files."""
    models = {model for (model,) in database.execute("SELECT model_id FROM logged_models")}
    runs = {run for (run,) in database.execute("SELECT run_uuid FROM runs")}
    query = "SELECT run_uuid FROM tags WHERE key = ?"
    history = {run for (run,) in database.execute(query, (PURGED_TAG,))}
    whole = [
        *_unnamed(tracker.artifacts / "models", _MODEL_DIRECTORY, models - set(plan.models)),
        *_unnamed(tracker.artifacts, _RUN_DIRECTORY, runs - history - set(plan.runs)),
    ]
    yield from whole
    half = sorted(tracker.artifacts.rglob(_HALF_LOGGED))
    yield from (path for path in half if not any(path.is_relative_to(top) for top in whole))
    yield from sorted(tracker.root.glob(f"{durable.TEMPORARY}*"))


def _unnamed(directory: Path, pattern: re.Pattern[str], named: Collection[str]) -> Iterator[Path]:
    entries = sorted(directory.iterdir()) if directory.is_dir() else []
    yield from (path for path in entries if pattern.fullmatch(path.name) and path.name not in named)


def _measure(paths: Collection[Path]) -> tuple[int, int]:
    """Count files and bytes at and below ``paths``; a link counts as itself."""
    sizes = [path.lstat().st_size for top in paths for path in _files(top)]
    return len(sizes), sum(sizes)


def _files(top: Path) -> Iterator[Path]:
    if top.is_symlink() or not top.is_dir():
        yield top
        return
    yield from (path for path in top.rglob("*") if path.is_symlink() or not path.is_dir())


def _remove_files(paths: Collection[Path]) -> tuple[int, int]:
    counted = _measure(paths)
    for path in paths:
        # A link is removed, and never what it leads to.
        remove = shutil.rmtree if path.is_dir() and not path.is_symlink() else Path.unlink
        remove(path)
    for parent in sorted({path.parent for path in paths}):
        durable.sync(parent)
    return counted


# --- the database --------------------------------------------------------------------------------


def _vacuum(tracker: Tracker) -> None:
    """Copy the living rows into a new file, if rows were removed since it was last done.

    If none were, take away the journal of a writer that was killed before it changed a page.

    ``secure_delete`` zeroes a removed cell, but not the copies of it in other pages' slack.
    """
    with closing(_connect(tracker)) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version != _PENDING:
            if tracker.database.with_name(f"{tracker.database.name}-journal").exists():
                database.execute(f"PRAGMA user_version = {version}")  # any write takes it away
            return
        database.execute("VACUUM")
        database.execute("PRAGMA user_version = 0")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # does nothing where there is no WAL
    durable.sync(tracker.database)


def _connect(tracker: Tracker) -> sqlite3.Connection:
    database = sqlite3.connect(tracker.database, timeout=PATIENCE, isolation_level=None)
    database.execute("PRAGMA secure_delete = ON")
    database.execute("PRAGMA temp_store = MEMORY")  # else VACUUM copies all rows into a temporary file
    return database


@contextmanager
def _reading(tracker: Tracker) -> Iterator[sqlite3.Connection]:
    # Not made where it is gone; and not `ro`, which may not roll back what a killed process left undone.
    address = f"{tracker.database.as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as database:
        yield database


@contextmanager
def _writing(tracker: Tracker) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it, or after an error nothing."""
    with closing(_connect(tracker)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")


@contextmanager
def _damage_named(tracker: Tracker) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{tracker.database} cannot be used ({error}); nothing was purged") from error


@contextmanager
def _finishing() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise PartiallyDone(
            f"the versions are gone from the registry, and not yet all of their files: {error}. "
            "Run the same command again"
        ) from error
