"""``recsys-unlearn ingest``: from files of interactions to the training store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from recsys_unlearn.cli.command import command, wait_option
from recsys_unlearn.cli.output import facts, seconds, show
from recsys_unlearn.cli.progress import progress_bars

FORMATS = ("csv", "tsv", "parquet", "inter", "u.data", "dat", "lightgcn")
FILE = click.Path(path_type=Path)
SHARE = click.FloatRange(0, 1, max_open=True)

EXAMPLES = """
recsys-unlearn ingest ratings.csv --min-rating 4 --workspace shop
recsys-unlearn ingest ml-1m/ratings.dat --split time --k-core 5
recsys-unlearn ingest train.txt --test test.txt
"""


@command(EXAMPLES)
@click.argument("source", nargs=-1, required=True, type=FILE)
@click.option("--test", type=FILE, help="File with the test set; without it, one is split off.")
@click.option("--validation", type=FILE, help="File with the validation set.")
@click.option("--format", type=click.Choice(FORMATS), help="Format of the files; told from their content.")
@click.option("--user-column", metavar="NAME", help="Column of user ids; found by its usual names.")
@click.option("--item-column", metavar="NAME", help="Column of item ids.")
@click.option("--rating-column", metavar="NAME", help="Column of ratings.")
@click.option("--time-column", metavar="NAME", help="Column of times.")
@click.option("--min-rating", type=float, help="Keep the interactions rated this or higher.")
@click.option("--k-core", type=click.IntRange(0), help="Least interactions of each user and each item.")
@click.option(
    "--split",
    type=click.Choice(["time", "random", "provided"]),
    help="Each user's latest as test set, or any, or the files given; time if there is a time column.",
)
@click.option("--test-fraction", type=SHARE, help="Share of each user's interactions to test on. [.2]")
@click.option("--validation-fraction", type=SHARE, help="Share of the rest that decides when to stop. [.1]")
@click.option("--strangers", type=SHARE, help="Share of users held out from all training, for audits. [.05]")
@click.option("--seed", type=int, help="Seed of the split and of the choice of strangers. [0]")
@click.option("--n-buckets", type=click.IntRange(1, 4096), help="Files to spread the store over. [64]")
@click.option("--replace", is_flag=True, default=None, help="Take the place of a store that is there.")
@wait_option
def ingest_command(
    source: tuple[Path, ...], workspace: Path, as_json: bool, wait: float, **options: Any
) -> None:
    """Read files of interactions into the training store.

    They are checked, filtered and split. SOURCE is csv, tsv, parquet, RecBole .inter, MovieLens
    u.data or .dat, or LightGCN train.txt; several are read as one. Bad input changes nothing. Users
    who were erased from this workspace before, and single items that were, are left out, and counted as
    suppressed.
    """
    from recsys_unlearn.interactions import IngestOptions
    from recsys_unlearn.workflows.ingest import ingest
    from recsys_unlearn.workspace import Workspace

    chosen = IngestOptions(**{name: value for name, value in options.items() if value is not None})
    with progress_bars(as_json) as progress:
        report = ingest(Workspace(workspace), list(source), chosen, progress, wait).as_dict()
    show(report, as_json, lambda: _parts(report))


def _parts(report: dict[str, Any]) -> Iterator[Any]:
    yield f"Ingested {report['source']} in {seconds(report['seconds'])}."
    yield facts({_name(key): value for key, value in report.items() if key not in ("source", "seconds")})
    yield "Next: recsys-unlearn train"


def _name(key: str) -> str:
    return key.replace("_", " ")
