"""``recsys-unlearn audit``: measure what a version still knows of whom it should not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import facts, seconds, show, text
from recsys_unlearn.cli.progress import progress_bars

EXAMPLES = """
recsys-unlearn audit
recsys-unlearn audit --version 2 --json
"""


@command(EXAMPLES)
@click.option("--version", type=click.IntRange(1), metavar="N", help="Which version; the champion.")
def audit_command(workspace: Path, as_json: bool, version: int | None) -> None:
    """Measure the trace that users leave in a version's items.

    It is what would stay behind if a user's row alone were dropped. "remembered" is the usual verdict
    on users who are still there; `forget` audits those who have gone.
    """
    from recsys_unlearn.workflows.audit import audit
    from recsys_unlearn.workspace import Workspace

    with progress_bars(as_json) as progress:
        outcome = audit(Workspace(workspace), version, progress).as_dict()
    show(outcome, as_json, lambda: _parts(outcome))


def _parts(outcome: dict[str, Any]) -> Iterator[Any]:
    spent = seconds(outcome["seconds"]["total"])
    yield f"Version {outcome['version']}: its users against strangers, in {spent}."
    yield facts(audit_figures(outcome["audit"]) | outcome["utility"])


def audit_figures(audit: dict[str, Any]) -> dict[str, str]:
    """Name what an audit found; empty where nothing could be measured."""
    found = _membership(audit) if "auc" in audit else {}
    if audit.get("near_duplicates"):
        named = audit["near_duplicates"]  # rows; a receipt keeps their number alone
        count = named if isinstance(named, int) else len(named)
        found["near-duplicates"] = f"{count} accounts that stay have nearly the same items"
    if "verdict" in audit:
        found["verdict"] = f"{audit['verdict']} ({audit['users']} against {audit['strangers']} strangers)"
    return found


def _membership(audit: dict[str, Any]) -> dict[str, str]:
    found = {"membership AUC": f"{_estimate(audit, 'auc')} (0.5: like strangers)"}
    if audit.get("auc_before") is not None:
        found["membership AUC before"] = text(audit["auc_before"])
    if audit.get("adjusted_auc") is not None:
        found["difficulty taken out"] = f"{_estimate(audit, 'adjusted_auc')} (0.5: like strangers)"
    if audit.get("adjusted_auc_before") is not None:
        found["difficulty taken out, before"] = text(audit["adjusted_auc_before"])
    found["recall gap"] = f"{_estimate(audit, 'recall_gap')} (0: like strangers)"
    if audit.get("percentiles"):
        found["place among strangers"] = ", ".join(f"{place:.2f}" for place in audit["percentiles"])
    return found


def _estimate(audit: dict[str, Any], name: str) -> str:
    low, high = audit[f"{name}_interval"]
    interval = "" if low is None else f" [{text(low)}, {text(high)}]"
    return f"{text(audit[name])}{interval}"
