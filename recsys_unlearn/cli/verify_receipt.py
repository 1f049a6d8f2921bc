"""``recsys-unlearn verify-receipt``: check a deletion receipt, offline."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import facts, show
from recsys_unlearn.errors import VerificationFailed

EXAMPLES = """
recsys-unlearn verify-receipt receipt.json
recsys-unlearn verify-receipt receipt.json --workspace shop --json
"""
UNCHECKED = "not checked"


@command(EXAMPLES)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def verify_receipt_command(workspace: Path, as_json: bool, file: Path) -> int:
    """Check a deletion receipt.

    By itself; with the workspace's key, if it is there; and against its ledger. Exit code 5 if
    anything is wrong. A receipt attests the procedure, and is not proof of absence.
    """
    from recsys_unlearn.workflows.verify_receipt import verify_receipt
    from recsys_unlearn.workspace import Workspace

    found = verify_receipt(Workspace(workspace), file).as_dict()
    show(found, as_json, lambda: _parts(found))
    return 0 if found["passed"] else VerificationFailed.exit_code


def _parts(found: Mapping[str, Any]) -> Iterator[Any]:
    yield "The receipt is in order, as far as it was checked." if found["passed"] else "The receipt is WRONG."
    yield facts(
        {
            "fits together": found["consistent"],
            "issued with this key": UNCHECKED if found["mac"] is None else found["mac"],
            "borne out by the ledger": UNCHECKED if found["ledger"] is None else found["ledger"],
        }
    )
    yield from found["problems"]
