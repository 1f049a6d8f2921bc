"""``recsys-unlearn purge``: superseded versions off the disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command, wait_option
from recsys_unlearn.cli.output import seconds, show, table

EXAMPLES = """
recsys-unlearn purge --dry-run
recsys-unlearn purge --keep 30d
recsys-unlearn purge --all-superseded --json
"""


@command(EXAMPLES)
@click.option(
    "--keep",
    default="0",
    show_default=True,
    metavar="N|Nd",
    help="Keep the newest N, or each for N days.",
)
@click.option("--all-superseded", is_flag=True, help="Also versions that hold nobody who was forgotten.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@wait_option
def purge_command(workspace: Path, as_json: bool, wait: float, **choices: Any) -> None:
    """Remove superseded versions that still hold a forgotten user.

    Their weights, index, pictures and database rows go, and what crashed processes left. Their
    metrics stay as history. The champion is never touched.
    """
    from recsys_unlearn.workflows.purge import purge
    from recsys_unlearn.workspace import Workspace

    outcome = purge(Workspace(workspace), **choices, wait=wait).as_dict()
    show(outcome, as_json, lambda: _parts(outcome))


def _parts(outcome: Mapping[str, Any]) -> Iterator[Any]:
    count, files = len(outcome["versions"]), outcome["files"]
    what = f"{count:,} version{'' if count == 1 else 's'}, {files:,} files, {outcome['bytes'] / 1e6:,.1f} MB"
    if outcome["dry_run"]:
        yield f"Would remove {what}. Nothing was changed."
    else:
        yield f"Removed {what}, in {seconds(outcome['seconds'])}."
    if outcome["kept"]:
        yield table(("version", "stays because"), [(str(number), why) for number, why in outcome["kept"]])
