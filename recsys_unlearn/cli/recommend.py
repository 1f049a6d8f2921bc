"""``recsys-unlearn recommend``: the champion's best items for a user, or for everybody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import show, table
from recsys_unlearn.cli.progress import progress_bars

EXAMPLES = """
recsys-unlearn recommend --user 42
recsys-unlearn recommend --user 42 -k 5 --json
recsys-unlearn recommend --user newcomer --fallback popular
recsys-unlearn recommend --all --out lists.parquet
"""
SOURCES = {
    "model": "from version {version}",
    "fold-in": "from version {version}, fitted to their history: training did not see them",
    "popular": "popular items, as the user is not known here",
}


@command(EXAMPLES)
@click.option("--user", metavar="ID", help="The user's id, as it was ingested.")
@click.option("--all", "everybody", is_flag=True, help="Everybody with a history; needs --out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Parquet file for --all.")
@click.option(
    "-k",
    "k",
    type=click.IntRange(1),
    help="How many items.  [default: 20, with --all 100]",
    show_default=False,
)
@click.option("--fallback", type=click.Choice(["popular"]), help="What to print for a user who is not known.")
def recommend_command(
    workspace: Path,
    as_json: bool,
    user: str | None,
    everybody: bool,
    out: Path | None,
    k: int | None,
    fallback: str | None,
) -> None:
    """Print a user's top items, without those in their history; or write everybody's to a file.

    The champion answers. A user who was never ingested, or was forgotten, is an error (exit code
    3), unless --fallback.
    """
    if everybody == (user is not None):
        raise click.UsageError("say for whom: --user ID, or --all with --out FILE.parquet")
    if everybody != (out is not None):
        raise click.UsageError("--all and --out go together: lists of everybody go to a file")
    if out is not None:
        if fallback:
            raise click.UsageError("--fallback is for one --user; --all serves whom the workspace knows")
        _everybody(workspace, as_json, out, k or 100)
        return
    from recsys_unlearn.workflows.recommend import recommend
    from recsys_unlearn.workspace import Workspace

    answer = recommend(Workspace(workspace), str(user), k or 20, fallback).as_dict()
    show(answer, as_json, lambda: _parts(answer))


def _everybody(workspace: Path, as_json: bool, out: Path, k: int) -> None:
    from recsys_unlearn.workflows.recommend_all import recommend_all
    from recsys_unlearn.workspace import Workspace

    with progress_bars(as_json) as progress:
        written = recommend_all(Workspace(workspace), out, k, progress).as_dict()
    show(written, as_json, lambda: _summary(written))


def _summary(written: dict[str, Any]) -> Iterator[str]:
    yield "{rows:,} lines for {users:,} users in {path}, from version {version} in {seconds:.1f} s".format(
        **written
    )
    if written["left_out"]:
        yield f"{written['left_out']:,} forgotten users left out: `recsys-unlearn resume` erases them"


def _parts(answer: dict[str, Any]) -> Iterator[Any]:
    yield f"For {answer['user']}: " + SOURCES[answer["source"]].format(**answer)
    ranked = zip(answer["items"], answer["scores"], strict=True)
    yield table(("rank", "item", "score"), [(n, str(i), s) for n, (i, s) in enumerate(ranked, 1)])
