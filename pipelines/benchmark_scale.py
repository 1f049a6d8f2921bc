"""How training, forgetting, indexing and memory grow with the number of users; the items stay.

Each size is a process of its own: random histories over a long tail of items (what they are does not change
the time), with --ingest written to a parquet file and ingested; one epoch of row-wise Adagrad, readiness, the
index, and deletions of one user each, whose median is shown. The last line is the slope of log seconds over
log users: 0 is flat, 1 grows with the data.

Examples
--------
    python pipelines/benchmark_scale.py                                    # 10^4 and 10^5 users, a minute
    python pipelines/benchmark_scale.py --users 10000 100000 1000000 10000000 --out scale.json
    python pipelines/benchmark_scale.py --users 10000 100000 1000000 --untrained   # forgetting alone
    python pipelines/benchmark_scale.py --users 1000000 --history 25 --ingest   # 20 million rows from a file
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "2")  # before numpy and torch
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from recsys_unlearn.durable import write_json
from recsys_unlearn.interactions import IngestOptions, Interactions, InteractionStore, ingest
from recsys_unlearn.randomness import generator
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

SLOPES = ("train_us_per_interaction", "forget_ms_per_user", "index_s", "peak_memory_mb")


def main():
    options = parse()
    if options.only:
        print(json.dumps(measure(options.only, options)))
        return
    rows = []
    for users in options.users:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", str(users)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 this script
        rows.append(json.loads(done.stdout))
        print_row(rows[-1], first=len(rows) == 1)
    slopes = {name: slope(rows, name) for name in SLOPES if name in rows[0]} if len(rows) > 1 else {}
    for name, value in slopes.items():
        print(f"slope of log {name} over log users: {value:+.2f}")
    if options.out:
        write_json(options.out, {"rows": rows, "slopes": slopes})


def parse():
    title, _, rest = __doc__.partition("\n\n")
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=title, epilog=rest, formatter_class=layout)
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000], help="sizes (%(default)s)")
    parser.add_argument("--items", type=int, default=2_000, help="in the catalogue (%(default)s)")
    parser.add_argument("--history", type=int, default=20, help="interactions of a user (%(default)s)")
    parser.add_argument("--dim", type=int, default=32, help="width of the tables (%(default)s)")
    parser.add_argument("--deletions", type=int, default=20, help="one after the other (%(default)s)")
    parser.add_argument("--ingest", action="store_true", help="from a parquet file, and train on its split")
    parser.add_argument("--untrained", action="store_true", help="draw the tables instead of training them")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(n_users, options):
    train, seconds = timed(lambda: histories(n_users, options))
    row = {"users": n_users, "interactions": len(train), "generate_s": seconds}
    if options.ingest:
        train, row["ingest_s"] = ingested(train)
    settings = FactorizationOptions(
        dim=options.dim, optimizer="rowwise_adagrad", learning_rate=0.05, epochs=1, batch_size=8192
    )
    model = Factorization(settings).fit(train.where(np.arange(len(train)) < 1000))  # imports
    if options.untrained:
        model = model.with_tables(*(drawn(n, options.dim) for n in (n_users, options.items)))
    else:
        model, seconds = timed(lambda: Factorization(settings).fit(train))
        row["train_us_per_interaction"] = 1e6 * seconds / len(train)
    readiness, row["readiness_s"] = timed(lambda: NaturalReadiness.measure(model, train))
    _, row["index_s"] = timed(lambda: ItemIndex.build(model.item_table))
    row["forget_ms_per_user"] = 1e3 * deletion_seconds(model, train, readiness, options)
    row["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def ingested(interactions):
    """The training split of a store into which they were ingested from a file, and the seconds that took."""
    with tempfile.TemporaryDirectory() as directory:
        source, store = Path(directory) / "source.parquet", Path(directory) / "store"
        pl.DataFrame({"user": interactions.users, "item": interactions.items}).write_parquet(source)
        _, seconds = timed(lambda: ingest(source, store, IngestOptions()))
        return InteractionStore.open(store).splits().train, seconds


def drawn(rows, dim):
    """float32 (rows, dim), for tables of which only the size matters."""
    table = generator(0, "tables", rows).standard_normal((rows, dim), dtype=np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def histories(n_users, options):
    """Items by Zipf's law, drawn alike for everybody; repeated draws of an item count once."""
    draw = generator(0, "scale", n_users)
    mass = np.cumsum(1.0 / np.arange(1, options.items + 1))
    items = np.searchsorted(mass / mass[-1], draw.random(n_users * options.history))
    users = np.repeat(np.arange(n_users, dtype=np.int32), options.history)
    return Interactions.from_pairs(users, items.clip(max=options.items - 1), n_users, options.items)


def deletion_seconds(model, train, readiness, options):
    """Median over deletions one after the other; the first, which fills caches, is not counted."""
    forgetting = NaturalAscent(in_place=True)
    chosen = generator(0, "deleted").choice(train.n_users, options.deletions + 1, replace=False)
    seconds = []
    for user in chosen:
        request = ForgetRequest.of_accounts(train, np.array([user]))
        result, took = timed(lambda m=model, r=request, s=readiness: forgetting.forget(m, train, r, s))
        model, readiness = result.recommender, result.readiness
        seconds.append(took)
    return float(np.median(seconds[1:]))


def timed(job):
    start = time.perf_counter()
    result = job()
    return result, time.perf_counter() - start


def slope(rows, name):
    users, values = (np.log10([row[key] for row in rows]) for key in ("users", name))
    return float(np.polyfit(users, values, 1)[0])


def print_row(row, first):
    if first:
        print(" ".join(f"{name:>{max(12, len(name))}}" for name in row))
    cells = [f"{value:,}" if isinstance(value, int) else f"{value:.3f}" for value in row.values()]
    print(" ".join(f"{cell:>{max(12, len(name))}}" for cell, name in zip(cells, row, strict=True)))


if __name__ == "__main__":
    main()
