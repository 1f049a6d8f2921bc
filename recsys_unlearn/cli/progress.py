"""Progress bars on standard error, and nowhere when nobody is looking."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recsys_unlearn.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@contextmanager
def progress_bars(as_json: bool) -> Iterator[Progress | None]:
    """Yield a callback that draws a bar for each thing being done; None with --json or without a terminal."""
    if as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        yield _drawer(bars)


def _drawer(bars: "Bars") -> Progress:
    tasks: dict[str, TaskID] = {}

    def draw(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    return draw
