"""A thousand deletions in a row, one at a time, as they arrive in life: does the model drift?

Accounts and single items mixed. At every quarter the model is put against a retrain for exactly that prefix
(the protocol of ERASE, 2603.08341), on the users who are gone by then.

Examples
--------
python pipelines/benchmark_streams.py                                        # the demo's synthetic data
python pipelines/benchmark_streams.py --dataset ../shared/data/ml-1m-lcfn --recipe ml-1m --deletions 1000
python pipelines/benchmark_streams.py --deletions 400 --checkpoints 2 --plots plots --out stream.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

from recsys_unlearn.cli import environment

environment.prepare()  # before numpy and torch are loaded

import numpy as np
from rich.console import Console
from rich.table import Table

from recsys_unlearn.experiments.cohorts import COHORTS
from recsys_unlearn.experiments.figures import Measured
from recsys_unlearn.experiments.pictures import sequence
from recsys_unlearn.experiments.preparations import Prepared, prepared
from recsys_unlearn.experiments.recipes import RECIPES
from recsys_unlearn.experiments.setting import Original, Setting, train_original
from recsys_unlearn.experiments.streams import Checkpoint, draw_requests, stream


def main() -> None:
    options = parse()
    original = train_original(options.dataset, options.recipe, options.seed, options.keep)
    start = prepared("natural", original)
    asked = draw_requests(original, options.cohort, options.deletions, options.items)
    rows = []
    for checkpoint in stream(start, original.splits.train, asked, options.checkpoints):
        rows.append(against_a_retrain(checkpoint, original, start, options))
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows)) if options.json else show(rows)
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
        sequence(rows).savefig(options.plots / f"stream-{rows[0]['dataset']}.png")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", help="folder with train.txt and test.txt, `synthetic` (default) or `synthetic-sparse`")
    add("--recipe", choices=RECIPES, default="default", help="how the original is trained")
    add("--cohort", choices=COHORTS, default="random", help="who asks")
    add("--deletions", type=int, default=200, help="how many requests, one user each")
    add("--items", type=float, default=0.2, metavar="SHARE", help="share of requests that name items only")
    add("--checkpoints", type=int, default=4, help="how often to compare with a retrain of that prefix")
    add("--seed", type=int, default=0)
    add("--keep", type=Path, metavar="DIR", help="keep trained models there, and use those that are there")
    add("--out", type=Path, metavar="FILE.json", help="write the rows there, after every checkpoint")
    add("--plots", type=Path, metavar="DIR", help="draw the sequence there")
    add("--json", action="store_true", help="print rows instead of a table")
    return parser.parse_args()


def against_a_retrain(
    checkpoint: Checkpoint, original: Original, start: Prepared, options: argparse.Namespace
) -> dict[str, Any]:
    left = original.splits.train.without(checkpoint.forget_set)
    name = f"stream-{options.cohort}-{options.items:g}-{options.deletions}-{checkpoint.deletions}"
    oracle, seconds = original.trained.get(name, lambda: original.recommender.retrain(left))
    setting = Setting(original, options.cohort, checkpoint.accounts, oracle, seconds)
    row = Measured(setting, start).row("natural, one by one", checkpoint.recommender, None)
    spent = len(checkpoint.forget_set) / len(original.splits.train)
    times = {f"seconds_{name}": float(np.quantile(checkpoint.seconds, q)) for name, q in QUANTILES.items()}
    return row | {"deletions": checkpoint.deletions, "share_forgotten": spent} | times


QUANTILES = {"median": 0.5, "p95": 0.95, "max": 1.0}


def show(rows: list[dict[str, Any]]) -> None:
    columns = ("forgotten", "retained R@20", "retrain's", "fold-in / retrain's", "AUC - retrain's", "ToW")
    shown = Table("deletions", *columns, "ms, median", "ms, 95 %", title=f"{rows[0]['dataset']}, one by one")
    for row in rows:
        shown.add_row(
            f"{row['deletions']:,}",
            f"{100 * row['share_forgotten']:.1f} %",
            f"{row['retained_recall@20']:.4f}",
            f"{row['retained_recall@20_oracle']:.4f}",
            f"{row['fold_in_recall']:.3f} / {row['fold_in_recall_oracle']:.3f}",
            f"{row['auc'] - row['auc_oracle']:+.3f}",
            f"{row['tow']:.3f}",
            f"{1000 * row['seconds_median']:.1f}",
            f"{1000 * row['seconds_p95']:.1f}",
        )
    Console(width=140).print(shown)


if __name__ == "__main__":
    main()
