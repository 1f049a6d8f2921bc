"""``recsys-unlearn compare``: versions side by side."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import show, table

SHOWN = 6  # versions that fit a terminal; --json has them all
EXAMPLES = """
recsys-unlearn compare
recsys-unlearn compare 1 2
recsys-unlearn compare --json
"""


@command(EXAMPLES)
@click.argument("versions", nargs=-1, type=click.IntRange(1))
def compare_command(workspace: Path, as_json: bool, versions: tuple[int, ...]) -> None:
    """Put versions side by side.

    All of them, unless VERSIONS names some.
    """
    from recsys_unlearn.workflows.compare import compare
    from recsys_unlearn.workspace import Workspace

    comparison = compare(Workspace(workspace), versions).as_list()
    show(comparison, as_json, lambda: comparison_parts(comparison))


def comparison_parts(
    comparison: Sequence[dict[str, Any]], metrics: Collection[str] | None = None
) -> Iterator[Any]:
    """Lay out the newest versions as columns, with all metrics that any of them has, or those named."""
    if not comparison:
        yield "No versions yet. Next: recsys-unlearn train"
        return
    shown = comparison[-SHOWN:]
    rows = [
        ("kind", *(each["kind"] for each in shown)),
        ("made from", *(each["parent_version"] for each in shown)),
        ("alias", *(", ".join(each["aliases"]) or None for each in shown)),
        *_metric_rows(shown, metrics),
    ]
    yield table(("", *(f"version {each['version']}" for each in shown)), rows)
    if len(shown) < len(comparison):
        yield f"The newest {SHOWN} of {len(comparison)}; name others, or use --json for all."


def _metric_rows(
    shown: Sequence[dict[str, Any]], metrics: Collection[str] | None
) -> Iterator[tuple[Any, ...]]:
    for name in shown[0]["metrics"] if metrics is None else metrics:
        values = [each["metrics"][name] for each in shown]
        if any(value is not None for value in values):
            yield name, *(_count(name, value) for value in values)


def _count(name: str, value: float | None) -> float | int | None:
    return int(value) if name.startswith("deleted/") and value is not None else value
