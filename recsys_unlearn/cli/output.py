"""Results on standard output, as tables for people or as JSON for programs; all else on standard error."""

import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 100  # where standard output is not a terminal


def show(result: Any, as_json: bool, people: Callable[[], Iterable[Any]]) -> None:
    """Print ``result`` as JSON, or the lines and tables that ``people`` yields."""
    if as_json:
        write_json(result)
    else:
        print_parts(people())


def write_json(value: Any) -> None:
    """Write one JSON value and a line end; numbers that JSON lacks, such as NaN, become null."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def note(text: str) -> None:
    """Tell the person at the terminal something that is not the result."""
    click.echo(text, err=True)


def print_parts(parts: Iterable[Any]) -> None:
    """Print lines and tables. Nothing in them is markup: an item's id may well hold brackets."""
    from rich.console import Console

    terminal, laid_out = sys.stdout.isatty(), io.StringIO()
    width = get_terminal_size((WIDTH, 24)).columns if terminal else WIDTH
    console = Console(
        file=laid_out, force_terminal=terminal, width=width, markup=False, highlight=False, emoji=False
    )
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    click.echo("\n".join(line.rstrip() for line in laid_out.getvalue().splitlines()))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> "Table":
    """Lay out rows under column heads, numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = list(rows)
    laid_out = Table(box=SIMPLE_HEAD, show_edge=False, title=title, title_justify="left", title_style="bold")
    for number, name in enumerate(columns):
        to_the_right = any(isinstance(row[number], int | float) for row in rows)
        laid_out.add_column(name, justify="right" if to_the_right else "left", overflow="fold")
    for row in rows:
        laid_out.add_row(*map(text, row))
    return laid_out


def facts(values: Mapping[str, Any], indent: int = 2) -> str:
    """Lay out names and values in two columns, long values over several lines."""
    column = max(map(len, values), default=0) + indent + 2
    lines = []
    for name, value in values.items():
        head = f"{'':{indent}}{name}".ljust(column)
        lines += wrap(text(value), WIDTH, initial_indent=head, subsequent_indent=" " * column)
    return "\n".join(lines)


def text(value: Any) -> str:
    """Write a value for people: 1,234 and 0.1234, and a dash for what was not measured."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def seconds(value: float | None) -> str:
    """Write a duration with a unit in which it can be read."""
    if value is None or math.isnan(value):
        return "–"
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.1f} s"


def durations(parts: Mapping[str, float]) -> str:
    """Write the seconds of each part on one line."""
    return ", ".join(f"{part} {seconds(value)}" for part, value in parts.items())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
