"""What a purge takes: the versions, models and runs whose rows go, and why the other versions stay."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking.registry import CHAMPION, MODEL, SOURCE
from recsys_unlearn.tracking.retention import Retention, Superseded

VERSION_TAG = "version"

_TOMBSTONE = "Deleted_Internal"  # the stage of a version that was deleted in MLflow


@dataclass(frozen=True)
class _Row:
    """A version as the database has it."""

    number: int
    model_id: str | None
    run_id: str
    created: datetime


@dataclass(frozen=True)
class Plan:
    """Everything that goes; worked out first, so that a dry run does the same and stops.

    Parameters
    ----------
    versions
        Numbers, ascending.
    models
        Ids of logged models: those of the versions, and those that no version names.
    runs
        Ids of the runs that made them, and made nothing that stays.
    tombstones
        Versions deleted in MLflow whose rows still tell something.
    unfinished
        How many of the models no version names.
    kept
        (version, reason), newest first.
    """

    versions: tuple[int, ...]
    models: tuple[str, ...]
    runs: tuple[str, ...]
    tombstones: tuple[int, ...]
    unfinished: int
    kept: tuple[tuple[int, str], ...]

    @property
    def nothing(self) -> bool:
        """Whether no row goes."""
        return not (self.versions or self.models or self.tombstones)


def plan_purge(
    database: sqlite3.Connection, policy: Retention, wanted: Collection[int] | None, now: datetime
) -> Plan:
    """Work out what goes, out of the versions ``wanted`` or, with None, of all.

    Raises
    ------
    VersionError
        If a number is not, and never was, a version.
    """
    rows = _versions(database)
    _check_known(database, rows, wanted)
    kept = _reasons_to_keep(rows, _champion(database), policy, wanted, now)
    going = [row for row in rows if row.number not in kept]
    stay = [row for row in rows if row.number in kept]
    found, makers = _unnamed_models(database, {row.model_id for row in stay})
    named = {row.model_id for row in going if row.model_id} - {row.model_id for row in stay}
    runs = {row.run_id for row in going} | makers
    return Plan(
        versions=tuple(sorted(row.number for row in going)),
        models=tuple(sorted(named | found)),
        runs=tuple(sorted(runs - {row.run_id for row in stay})),
        tombstones=_tombstones(database),
        unfinished=len(found - named),
        kept=tuple(kept.items()),
    )


def _versions(database: sqlite3.Connection) -> list[_Row]:
    """All versions, newest first, without those that were deleted in MLflow."""
    query = (
        "SELECT version, source, run_id, creation_time FROM model_versions "
        "WHERE name = ? AND current_stage IS NOT ? ORDER BY version DESC"
    )
    return [
        _Row(number, _model_id(source), run_id or "", datetime.fromtimestamp(created / 1000, UTC))
        for number, source, run_id, created in database.execute(query, (MODEL, _TOMBSTONE))
    ]


def _model_id(source: str | None) -> str | None:
    match = SOURCE.fullmatch(source or "")
    return match and match[1]


def _check_known(database: sqlite3.Connection, rows: list[_Row], wanted: Collection[int] | None) -> None:
    query = "SELECT value FROM tags WHERE key = ?"
    known = {str(row.number) for row in rows} | {v for (v,) in database.execute(query, (VERSION_TAG,))}
    for number in wanted or ():
        if str(number) not in known:
            raise VersionError(
                f"there is no version {number}; `recsys-unlearn compare` lists those there are"
            )


def _champion(database: sqlite3.Connection) -> int | None:
    query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
    found = database.execute(query, (MODEL, CHAMPION)).fetchone()
    return found and int(found[0])


def _reasons_to_keep(
    rows: list[_Row],
    champion: int | None,
    policy: Retention,
    wanted: Collection[int] | None,
    now: datetime,
) -> dict[int, str]:
    reasons, place, since = {}, 0, now
    for row in rows:
        found: str | None
        if champion is None or row.number >= champion:
            found = _protected(row.number, champion)
        else:
            named = wanted is None or row.number in wanted
            version = Superseded(row.number, since, place)
            found = policy.reason_to_keep(version, now) if named else "not asked for"
            place += 1
        if found:
            reasons[row.number] = found
        since = row.created
    return reasons


def _protected(number: int, champion: int | None) -> str:
    if champion is None:
        return "no version serves yet"
    return "it serves" if number == champion else "newer than the version that serves"


def _unnamed_models(database: sqlite3.Connection, named: Collection[str | None]) -> tuple[set[str], set[str]]:
    """Logged models of ours that no version to be kept names, and the runs that made them."""
    query = "SELECT model_id, source_run_id FROM logged_models WHERE name = ?"
    found = [(model, run) for model, run in database.execute(query, (MODEL,)) if model not in named]
    return {model for model, _ in found}, {run for _, run in found if run}


def _tombstones(database: sqlite3.Connection) -> tuple[int, ...]:
    """Versions deleted in MLflow, whose row still tells where the weights were, or has tags."""
    query = (
        "SELECT version FROM model_versions AS v WHERE name = ? AND current_stage = ? AND (storage_location "
        "IS NOT NULL OR EXISTS (SELECT 1 FROM model_version_tags AS t "
        "WHERE t.name = v.name AND t.version = v.version))"
    )
    return tuple(number for (number,) in database.execute(query, (MODEL, _TOMBSTONE)))
