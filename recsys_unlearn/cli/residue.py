"""``recsys-unlearn residue``: what is left of a user, in every file of the workspace."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import seconds, show, table
from recsys_unlearn.cli.progress import progress_bars
from recsys_unlearn.errors import VerificationFailed

EXAMPLES = """
recsys-unlearn residue --user 42
recsys-unlearn residue --user 42 --json
recsys-unlearn residue --user 42 --target before.json
"""
LOOKED_FOR = {"id": "their id", "row": "their row", "vector": "the row's vectors", "items": "their items"}


@command(EXAMPLES)
@click.option("--user", required=True, metavar="ID", help="The user's id, as it was ingested.")
@click.option(
    "--target",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What to look for, saved before the user was forgotten; keep it outside the workspace.",
)
def residue_command(workspace: Path, as_json: bool, user: str, target: Path | None) -> int:
    """Search every file of the workspace for a user.

    Looks for the id, the row, the row's vectors and the set of items. Of a user who is forgotten
    only the id is known, unless --target. Exit code 5 if anything is found.
    """
    from recsys_unlearn.workflows.residue import Target, residue
    from recsys_unlearn.workspace import Workspace

    known = None if target is None else Target.load(target)
    with progress_bars(as_json) as progress:
        found = residue(Workspace(workspace), user, known, progress=progress).as_dict()
    show(found, as_json, lambda: _parts(found))
    return VerificationFailed.exit_code if found["hits"] else 0


def _parts(found: dict[str, Any]) -> Iterator[Any]:
    kinds = [words for kind, words in LOOKED_FOR.items() if kind in found["searched"]]
    yield (
        f"Searched {found['files']:,} files, {found['bytes'] / 1e6:,.1f} MB, in {seconds(found['seconds'])} "
        f"for {', '.join(kinds)}."
    )
    if "row" not in found["searched"]:
        yield "The user is not known here, so that nothing else could be looked for."
    if found["unread"]:
        yield table(["searched as bytes only"], [[each] for each in found["unread"]])
    if not found["hits"]:
        yield "Nothing was found."
        return
    rows = [[hit["path"], LOOKED_FOR[hit["kind"]], hit["where"]] for hit in found["hits"]]
    yield table(["file", "holds", "where"], rows)
