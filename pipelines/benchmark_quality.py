"""Our recommenders beside other people's: the same data, the same evaluator, one process for each fit.

Every model is trained on all of train.txt and evaluated on all of test.txt, which no setting below was
chosen on. Seconds of a fit exclude imports and reading, the total does not; peak memory is the process's
before evaluation. Where others use the cores, compare cpu_seconds_fit. With --curve, models that learn in
passes are trained again with fewer of them, and closed forms that can be had for less with less: the seconds
to reach a level of recall are those of the cheapest training that reaches it.

EASE is left out, with a message, where items squared do not fit. RecTools does not install beside the pins
(0.19 asks for numpy 1.26, pandas 2 and its own build of implicit); RecBole brings ray and is not run here.

Examples
--------
    python pipelines/benchmark_quality.py --dataset ../shared/data/ml-1m-lcfn --out ml-1m.json
    python pipelines/benchmark_quality.py --dataset ../shared/data/gowalla --models spectral --peers gf_cf
    python pipelines/benchmark_quality.py --dataset ../shared/data/gowalla --curve --plot gowalla.png
"""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "2")  # before numpy; --threads sets them for the fits
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import resource
import subprocess
import time
from dataclasses import fields, replace
from pathlib import Path

from peers import ITERATIVE, PEERS

from recsys_unlearn.durable import write_json
from recsys_unlearn.errors import UsageError
from recsys_unlearn.experiments.published_split import read_published_split
from recsys_unlearn.experiments.recipes import RECIPES
from recsys_unlearn.interactions import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.implicit_options import BprOptions
from recsys_unlearn.recommenders.registry import OPTIONS, recommender_kind

OURS = ("spectral", "low_rank_ease", "factorization")
TUNED = {  # chosen on validation data of the data set; others get the defaults
    ("gowalla", "factorization"): RECIPES["gowalla"].options,
    ("ml-1m-lcfn", "factorization"): RECIPES["ml-1m"].options,
    ("gowalla", "light_gcn"): RECIPES["gowalla-light-gcn"].options,
    ("gowalla", "two_tower"): RECIPES["gowalla-two-tower"].options,
    ("ml-1m-lcfn", "light_gcn"): RECIPES["ml-1m-light-gcn"].options,
    ("ml-1m-lcfn", "two_tower"): RECIPES["ml-1m-two-tower"].options,
    ("gowalla", "bpr"): BprOptions(epochs=56),
    ("ml-1m-lcfn", "bpr"): BprOptions(epochs=16),
}
CHEAPER = {  # settings of trainings that take less time and rank a little worse, the cheapest first
    "spectral": (
        # The linear filter alone.
        ["spectral.low_pass=0", "spectral.damping=0", "spectral.item_exponent=0.37"],
        ["spectral.dim=64", "spectral.sweeps=3"],
        ["spectral.dim=128", "spectral.sweeps=3"],
    )
}
LEVELS = (0.15, 0.16, 0.17, 0.18, 0.185, 0.19, 0.25, 0.26, 0.27, 0.28)
COLUMNS = ("model", "library", "recall@20", "ndcg@20")
COLUMNS += ("seconds_fit", "cpu_seconds_fit", "seconds_total", "peak_memory_mb")


def main():
    options = parse()
    if options.only:
        print(json.dumps(fit_one(options)))
        return
    rows = []
    for model in [*options.models, *options.peers]:
        for passes, cheaper in trainings(model, options):
            row = in_its_own_process(model, passes, cheaper, options)
            print(line(row), file=sys.stderr)
            rows.append(row)
    report = {"rows": full(rows), "seconds_to_recall": seconds_to_recall(rows), "curve": curve(rows)}
    print_table(report)
    if options.out:
        write_json(options.out, report)
    if options.plot:
        plot(rows, options.plot)


def parse():
    title, _, rest = __doc__.partition("\n\n")
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=title, epilog=rest, formatter_class=layout)
    parser.add_argument("--dataset", type=Path, required=True, metavar="DIR", help="has train.txt, test.txt")
    parser.add_argument("--models", nargs="*", default=OURS, choices=OPTIONS, help="ours (%(default)s)")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of every fit (%(default)s)")
    parser.add_argument("--set", nargs="*", default=[], metavar="MODEL.OPTION=VALUE", help="of ours")
    parser.add_argument("--passes", type=int, help="of every model that learns in passes")
    parser.add_argument("--curve", action="store_true", help="also train with fewer passes or for less")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="quality against time")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- one fit -------------------------------------------------------------------------------------


def in_its_own_process(model, passes, cheaper, options):
    """Run this script for one model alone, so that memory and threads are its own."""
    command = [sys.executable, __file__, "--dataset", str(options.dataset), "--only", model]
    command += ["--threads", str(options.threads), "--set", *options.set, *cheaper]
    command += ["--passes", str(passes)] if passes else []
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(options.threads))
    if model.startswith("implicit") or model == "spectral":
        threads["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for, and the command line sets
    own, start = os.environ | threads, time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=own)  # noqa: S603 this script
    if done.returncode:
        return {"dataset": options.dataset.name, "model": model, "error": f"exit code {done.returncode}"}
    return json.loads(done.stdout) | {"seconds_total": time.perf_counter() - start}


def fit_one(options):
    train, test = read_published_split(options.dataset)
    row = {"dataset": options.dataset.name, "model": options.only, "passes": options.passes}
    row["set"] = [each for each in options.set if each.startswith(f"{options.only}.")]
    library, fit = side(options)
    try:
        fit(toy())  # imports, and what libraries set up on their first call
        start, cpu = time.perf_counter(), time.process_time()
        scorer = fit(train)
    except (MemoryError, UsageError) as error:
        return row | {"library": library, "error": str(error)}
    row |= {"library": library, "seconds_fit": time.perf_counter() - start}
    row["cpu_seconds_fit"] = time.process_time() - cpu
    row["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = evaluate(scorer, test, exclude=train, k=20).mean()
    row |= {name: found[name] for name in ("recall@20", "ndcg@20", "coverage@20")}
    return row


def side(options):
    """The library of a model, and a function from training data to something that scores."""
    if options.only in PEERS:
        library, fit = PEERS[options.only]
        return library, lambda train: fit(train, options.passes, options.threads)
    import torch

    torch.set_num_threads(options.threads)
    kind, chosen = recommender_kind(options.only), settings(options)
    return "recsys_unlearn", lambda train: kind(chosen).fit(train).given(train)


def toy():
    draw = generator(0, "toy")
    return Interactions.from_pairs(draw.integers(0, 40, 400), draw.integers(0, 30, 400), 40, 30)


def settings(options):
    """Tuned or default options, with what --passes, --threads and --set say."""
    name = options.only
    chosen = TUNED.get((options.dataset.name, name), OPTIONS[name]())
    known = {field.name for field in fields(chosen)}
    given = {"epochs": options.passes, "threads": options.threads}
    for each in options.set:
        place, _, value = each.partition("=")
        if place.startswith(f"{name}."):
            given[place.removeprefix(f"{name}.")] = json.loads(value)
    known_and_given = {key: value for key, value in given.items() if key in known and value is not None}
    return replace(chosen, **known_and_given)


# --- many rows -----------------------------------------------------------------------------------


def trainings(model, options):
    """What to train, in passes and further settings: as the settings say, and with --curve also for less."""
    options.only = model
    if model in PEERS:
        whole = ITERATIVE.get(model) and (options.passes or ITERATIVE[model])
    else:
        whole = getattr(settings(options), "epochs", None)
    options.only = None
    if not options.curve:
        return [(whole, [])]
    if not whole:
        return [(whole, settings) for settings in (*CHEAPER.get(model, ()), [])]
    return [(2**power, []) for power in range(20) if 2**power < whole] + [(whole, [])]


def full(rows):
    """The last row of each model: with all its passes and settings."""
    return list({row["model"]: row for row in rows}.values())


def curve(rows):
    """Points (seconds, recall) of each model, by its number of passes and its settings."""
    keys = ("passes", "set", "seconds_fit", "recall@20")
    points = {}
    for row in rows:
        if "error" not in row:
            points.setdefault(row["model"], []).append({key: row[key] for key in keys})
    return points


def seconds_to_recall(rows):
    """For each level that anybody reaches, and for ALS's best, the fewest seconds of each model."""
    levels = {str(level): level for level in LEVELS}
    als = [row["recall@20"] for row in rows if row["model"] == "implicit_als" and "error" not in row]
    if als:
        levels["best of implicit_als"] = max(als)
    reached = {}
    for name, level in levels.items():
        good = [row for row in rows if row.get("recall@20", -1) >= level]
        cheapest = {}
        for row in good:
            seconds = cheapest.get(row["model"], row["seconds_fit"])
            cheapest[row["model"]] = min(seconds, row["seconds_fit"])
        if cheapest:
            reached[name] = cheapest
    return reached


def line(row):
    if "error" in row:
        return f"{row['model']:16} {row['error']}"
    figures = f"{row['recall@20']:.4f} {row['ndcg@20']:.4f} {row['seconds_fit']:9.1f} s fit"
    passes = f" ({row['passes']} passes)" if row["passes"] else ""
    given = "".join(f" {each}" for each in row["set"])
    return f"{row['model']:16} {figures} {row['peak_memory_mb']:8.0f} MB{passes}{given}"


def print_table(report):
    print(" ".join(f"{name:>{max(14, len(name))}}" for name in COLUMNS))
    for row in sorted(report["rows"], key=lambda row: -row.get("recall@20", -1)):
        shown = [row.get(name, "-") for name in COLUMNS]
        cells = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in shown]
        print(" ".join(f"{cell:>{max(14, len(name))}}" for cell, name in zip(cells, COLUMNS, strict=True)))
        if "error" in row:
            print(f"{'':14} {row['error']}")
    for level, models in report["seconds_to_recall"].items():
        seconds = ", ".join(f"{model} {seconds:.1f}" for model, seconds in models.items())
        print(f"seconds to recall {level}: {seconds}")


def plot(rows, path):
    """Recall against seconds of training, on a log scale; ours are filled."""
    from recsys_unlearn.tracking.figures import BLUE, ORANGE, new_figure

    figure, axes = new_figure(f"Recall@20 on {rows[0]['dataset']}")
    for model, points in curve(rows).items():
        mine = model not in PEERS
        seconds, recalls = [p["seconds_fit"] for p in points], [p["recall@20"] for p in points]
        fill = {} if mine else {"markerfacecolor": "none"}
        axes.plot(seconds, recalls, "o-", color=BLUE if mine else ORANGE, **fill)
        axes.annotate(model, (seconds[-1], recalls[-1]), xytext=(6, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlabel("seconds of training, log scale")
    axes.margins(x=0.2)
    figure.savefig(path)


if __name__ == "__main__":
    main()
