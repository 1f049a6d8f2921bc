"""A benchmark's rows in MLflow: one run for the benchmark, one nested run for every row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_unlearn.tracking.runs import Tracker

LABELS = ("dataset", "method", "readiness", "cohort", "seed")


def record(rows: Sequence[Mapping[str, Any]], workspace: Path, name: str) -> None:
    """Log ``rows`` under the metric names that every other run of the workspace uses."""
    tracker = Tracker(workspace)
    with tracker.run(name, "benchmark", tags={"rows": str(len(rows))}) as parent:
        parent.dict({"rows": list(rows)}, "rows.json")
        for row in rows:
            labels = {label: row[label] for label in LABELS}
            title = f"{row['method']}, {row['readiness']}, {row['cohort']}, seed {row['seed']}"
            with tracker.run(title, "benchmark", labels, labels, parent=parent) as run:
                run.metrics(_metrics(row))


def _metrics(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        "recall@20": row["retained_recall@20"],
        "ndcg@20": row["ndcg@20"],
        "before/recall@20": row["retained_recall@20_original"],
        "audit/auc": row["auc"],
        "audit/auc_oracle": row["auc_oracle"],
        "audit/recall_gap": row["fold_in_recall"] - row["fold_in_recall_strangers"],
        "audit/fold_in_recall": row["fold_in_recall"],
        "audit/tow": row["tow"],
        "audit/residual": row["residual"],
        "deleted/users": row["users"],
        "seconds/per_user": row["seconds_per_user"],
        "seconds/retrain": row["seconds_retrain"],
        "seconds/readiness": row["seconds_training_overhead"],
    }
