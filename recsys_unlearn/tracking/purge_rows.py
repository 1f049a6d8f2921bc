"""The rows that a purge removes, and what it leaves of the runs behind them: figures, and a note.

Written for the tables of MLflow 3 (3.13 to 3.17). MLflow itself never removes a version's row, nor
those that lead from a run to its model and its data.
"""

import sqlite3
from collections.abc import Collection
from datetime import datetime

from recsys_unlearn.tracking.purge_plan import Plan
from recsys_unlearn.tracking.registry import MODEL

PURGED_TAG, REASON_TAG, NOTE_TAG = "purged", "purged_reason", "mlflow.note.content"
TRACES = ("dataset_digest", "deletion_fingerprint")
"""Tags of a run that go with its version: hashes without a key, by which a guess could be confirmed."""

_NOTE = "Purged on {day}: {reason}. Metrics and settings are kept; weights, index and pictures are gone."

_OF_A_VERSION = (
    "DELETE FROM registered_model_aliases WHERE name = ? AND version = ?",
    "DELETE FROM model_version_tags WHERE name = ? AND version = ?",
    "DELETE FROM model_versions WHERE name = ? AND version = ?",
)
_OF_A_TOMBSTONE = (  # its row stays: it keeps its number from being given to another version
    "DELETE FROM model_version_tags WHERE name = ? AND version = ?",
    "UPDATE model_versions SET storage_location = NULL WHERE name = ? AND version = ?",
)
_OF_A_MODEL = (
    "DELETE FROM logged_model_tags WHERE model_id = ?1",
    "DELETE FROM logged_model_params WHERE model_id = ?1",
    "DELETE FROM logged_model_metrics WHERE model_id = ?1",
    "DELETE FROM logged_models WHERE model_id = ?1",
    "DELETE FROM inputs WHERE source_id = ?1 OR destination_id = ?1",
)
_DATA_OF_A_RUN = "FROM inputs WHERE source_type = 'DATASET' AND destination_id = ?"
_UNUSED_DATA = (
    "DELETE FROM datasets WHERE dataset_uuid = ? AND dataset_uuid NOT IN (SELECT source_id FROM inputs)"
)
_LABEL = (
    "INSERT OR REPLACE INTO tags (key, value, run_uuid) SELECT ?, ?, run_uuid FROM runs WHERE run_uuid = ?"
)


def remove_rows(database: sqlite3.Connection, plan: Plan) -> None:
    """Remove all rows of the plan's versions and models, and what tied them to their runs and data."""
    for statement in _OF_A_VERSION:
        database.executemany(statement, [(MODEL, number) for number in plan.versions])
    for statement in _OF_A_TOMBSTONE:
        database.executemany(statement, [(MODEL, number) for number in plan.tombstones])
    for statement in _OF_A_MODEL:
        database.executemany(statement, [(model,) for model in plan.models])
    for run in plan.runs:
        data = database.execute(f"SELECT source_id {_DATA_OF_A_RUN}", (run,)).fetchall()
        database.execute(f"DELETE {_DATA_OF_A_RUN}", (run,))
        database.executemany(_UNUSED_DATA, data)
    database.execute("DELETE FROM input_tags WHERE input_uuid NOT IN (SELECT input_uuid FROM inputs)")


def leave_history(database: sqlite3.Connection, runs: Collection[str], now: datetime, reason: str) -> None:
    """Mark runs as purged, when and why, and take the traces out of their tags."""
    traces = [(run, key) for run in runs for key in TRACES]
    database.executemany("DELETE FROM tags WHERE run_uuid = ? AND key = ?", traces)
    note = _NOTE.format(day=now.date(), reason=reason)
    said = {PURGED_TAG: now.isoformat(timespec="seconds"), REASON_TAG: reason, NOTE_TAG: note}
    database.executemany(_LABEL, [(key, value, run) for run in runs for key, value in said.items()])
