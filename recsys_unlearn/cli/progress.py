"""Progress bars on standard error, and nowhere when nobody is looking."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from recsys_unlearn.progress import Progress


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


def _drawer(bars: object) -> Progress:
    tasks: dict[str, object] = {}

    def draw(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    return draw
