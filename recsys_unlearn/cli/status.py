"""``recsys-unlearn status``: what is in the workspace."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import facts, show, table

EXAMPLES = """
recsys-unlearn status
recsys-unlearn status --workspace shop --json
"""
ERASED_AGAIN = "{:,} users had been erased before and were in the data again; it is erased again."
TO_ERASE_AGAIN = "{:,} users were erased before and are in the data again; run `recsys-unlearn resume`."


@command(EXAMPLES)
def status_command(workspace: Path, as_json: bool) -> None:
    """Print what is in the workspace: data, versions, open requests, last deletions.

    Open requests come with the days that are left to answer them. If users who were erased are in
    the data again, as after a backup was restored, they are erased from it at once.
    """
    from recsys_unlearn.workflows.status import status
    from recsys_unlearn.workspace import Workspace

    found = status(Workspace(workspace)).as_dict()
    show(found, as_json, lambda: _parts(found))


def _parts(found: dict[str, Any]) -> Iterator[Any]:
    if found["store"] is None:
        yield "No training store. Next: recsys-unlearn ingest SOURCE"
    else:
        yield "Training store"
        yield facts({name.replace("_", " "): value for name, value in found["store"].items()})
    for name, sentence in (("erased_again", ERASED_AGAIN), ("to_erase_again", TO_ERASE_AGAIN)):
        if found[name]:
            yield sentence.format(found[name])
    if found["requests"]:
        yield _listed("Open requests", [_shortened(each) for each in found["requests"]])
    if not found["versions"]:
        yield "No versions. Next: recsys-unlearn train"
        return
    yield _listed("Versions", found["versions"])
    yield f"Champion: {found['champion'] or 'none'}"
    if found["deletions"]:
        yield _listed("Last deletions", found["deletions"])


def _listed(title: str, rows: list[dict[str, Any]]) -> Any:
    heads = [name.replace("_", " ") for name in rows[0]]
    return table(heads, [[_cell(value) for value in row.values()] for row in rows], title)


def _shortened(request: dict[str, Any]) -> dict[str, Any]:
    names = ("request_id", "kind", "state", "users", "days_left", "error")
    return {name: request[name] for name in names} | {"due_at": request["due_at"][:10]}


def _cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
