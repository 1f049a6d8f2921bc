"""``recsys-unlearn ui``: MLflow's pages on this workspace."""

from pathlib import Path

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import note, show

EXAMPLES = """
recsys-unlearn ui --workspace shop
recsys-unlearn ui --port 5050
"""


@command(EXAMPLES)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port.")
def ui_command(workspace: Path, as_json: bool, port: int) -> None:
    """Serve the MLflow UI to this machine only, until Ctrl-C."""
    from recsys_unlearn.tracking.ui import serve_ui
    from recsys_unlearn.workspace import Workspace

    def announce(address: str) -> None:
        show({"url": address}, as_json, lambda: [f"MLflow UI: {address}"])
        note("Ctrl-C ends it.")

    note("Starting the MLflow UI...")
    serve_ui(Workspace(workspace).tracker(), port=port, announce=announce)
