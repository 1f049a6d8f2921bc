"""``recsys-unlearn resume``: carry on with whatever is open."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command, wait_option
from recsys_unlearn.cli.output import note, seconds, show, table
from recsys_unlearn.cli.progress import progress_bars

EXAMPLES = """
recsys-unlearn resume
recsys-unlearn resume --method retrain --json
"""
COLUMNS = ("request", "status", "users", "interactions", "method", "version", "receipt")


@command(EXAMPLES)
@click.option(
    "--method",
    metavar="NAME",
    help="Forget by this method instead; retrain is the way out of a failed audit.",
)
@wait_option
def resume_command(workspace: Path, as_json: bool, method: str | None, wait: float) -> int:
    """Carry on every open request, from wherever a crash or a failed audit has left it.

    Queued requests are carried out too. Running it twice, or with nothing to do, is harmless.
    """
    from recsys_unlearn.workflows.resume import resume
    from recsys_unlearn.workspace import Workspace

    with progress_bars(as_json) as progress:
        outcome = resume(Workspace(workspace), method, progress, wait)
    told = outcome.as_dict()
    show(told, as_json, lambda: _parts(told))
    complain(told["failed"])
    return outcome.exit_code


def _parts(outcome: Mapping[str, Any]) -> Iterator[Any]:
    if again := outcome["erased_again"]:
        yield f"{again:,} users had been erased before and were in the data again."
    if not outcome["requests"]:
        yield "No request is open."
        return
    yield requests_table(outcome["requests"])
    yield f"Took {seconds(outcome['seconds']['total'])}."


def requests_table(requests: list[dict[str, Any]]) -> Any:
    """One line for each request that was carried on."""
    rows = [
        (
            each["request_id"],
            each["status"],
            each["users"],
            each["interactions"],
            each["method"],
            each["version"],
            each["receipt"] and Path(each["receipt"]).name,
        )
        for each in requests
    ]
    return table(COLUMNS, rows)


def complain(failed: list[dict[str, Any]]) -> None:
    """Say on standard error what could not be carried to its end."""
    for each in failed:
        note(f"error: {each['error']}")
