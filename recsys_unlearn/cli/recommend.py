"""``recsys-unlearn recommend``: the champion's best items for a user."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import show, table

EXAMPLES = """
recsys-unlearn recommend --user 42
recsys-unlearn recommend --user 42 -k 5 --json
recsys-unlearn recommend --user newcomer --fallback popular
"""
SOURCES = {
    "model": "from version {version}",
    "fold-in": "from version {version}, fitted to their history: training did not see them",
    "popular": "popular items, as the user is not known here",
}


@command(EXAMPLES)
@click.option("--user", required=True, metavar="ID", help="The user's id, as it was ingested.")
@click.option("-k", "k", type=click.IntRange(1), default=20, show_default=True, help="How many items.")
@click.option("--fallback", type=click.Choice(["popular"]), help="What to print for a user who is not known.")
def recommend_command(workspace: Path, as_json: bool, user: str, k: int, fallback: str | None) -> None:
    """Print a user's top items, without those in their history.

    The champion answers. A user who was never ingested, or was forgotten, is an error (exit code
    3), unless --fallback.
    """
    from recsys_unlearn.workflows.recommend import recommend
    from recsys_unlearn.workspace import Workspace

    answer = recommend(Workspace(workspace), user, k, fallback).as_dict()
    show(answer, as_json, lambda: _parts(answer))


def _parts(answer: dict[str, Any]) -> Iterator[Any]:
    yield f"For {answer['user']}: " + SOURCES[answer["source"]].format(**answer)
    ranked = zip(answer["items"], answer["scores"], strict=True)
    yield table(("rank", "item", "score"), [(n, str(i), s) for n, (i, s) in enumerate(ranked, 1)])
