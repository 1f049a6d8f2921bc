"""Forgetting one user where the mathematics allows it: how much faster than a refit, and how far from it.

``ease`` and ``item_knn`` subtract users one after the other, and are then compared with a refit without all
of them: the largest difference between two scores, relative to the largest score. ``als`` is taken to its
fixed point and forgets single users by ``untrain_als``. That is compared with where accelerated sweeps end
from the same start; the refit is plain sweeps from scratch, until the scores are within the tolerance of it.

Examples
--------
    python pipelines/benchmark_exact.py                                          # the demo's synthetic data
    python pipelines/benchmark_exact.py --dataset ../shared/data/ml-1m-lcfn --models ease --deletions 1000
    python pipelines/benchmark_exact.py --dataset ../shared/data/ml-1m-lcfn --models als --users 3
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "2")  # before numpy
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import time
from itertools import islice
from pathlib import Path

import numpy as np

from recsys_unlearn.durable import write_json
from recsys_unlearn.experiments.setting import read_dataset
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.implicit_options import AlsOptions
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.registry import recommender_kind
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.exact import Exact
from recsys_unlearn.unlearning.untrain_als import UntrainAls, accelerated_sweeps, score_distance

COMPARED = 200  # users whose scores are compared
COLUMNS = ("model", "deletions", "refit_s", "forget_ms", "ratio", "difference")


def main():
    options = parse()
    name, splits = read_dataset(options.dataset, options.seed)
    print(f"{name}: {len(splits.train.active_users):,} users, {len(splits.train):,} interactions")
    print(" ".join(f"{column:>12}" for column in COLUMNS))
    rows = []
    for model in options.models:
        measure = als if model == "als" else closed_form
        for figures in measure(model, splits.train, options):
            rows.append({"dataset": name, "model": model, **figures})
            cells = (rows[-1][column] for column in COLUMNS)
            print(" ".join(f"{c:>12.3g}" if isinstance(c, float) else f"{c:>12}" for c in cells), flush=True)
    if options.out:
        write_json(options.out, rows)


def parse():
    title, _, rest = __doc__.partition("\n\n")
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=title, epilog=rest, formatter_class=layout)
    add = parser.add_argument
    add("--dataset", help="folder with train.txt and test.txt, `synthetic` (default) or `synthetic-sparse`")
    add("--models", nargs="+", choices=("ease", "item_knn", "als"), default=("ease", "item_knn", "als"))
    add("--deletions", type=int, default=100, help="one after the other, of the closed forms (%(default)s)")
    add("--users", type=int, default=3, help="that als forgets, each from the same model (%(default)s)")
    add("--dim", type=int, default=16, help="of als (%(default)s)")
    add("--tolerance", type=float, default=1e-4, help="of als (%(default)s)")
    add("--most-sweeps", type=int, default=2000, help="of als, to a fixed point (%(default)s)")
    add("--seed", type=int, default=0)
    add("--out", type=Path, metavar="FILE.json")
    return parser.parse_args()


def closed_form(name, train, options):
    """One row: the median of deletions one after the other, then a refit without all of them."""
    model, left, seconds = recommender_kind(name)().fit(train), train, []
    for user in drawn(train, options.deletions, options.seed):
        request = ForgetRequest.of_accounts(left, np.array([user]))
        result, took = timed(lambda m=model, d=left, r=request: Exact(in_place=True).forget(m, d, r))
        model, left = result.recommender, left.without(request.forget_set)
        seconds.append(took)
    refit, took = timed(lambda: recommender_kind(name)().fit(left))
    users = drawn(left, COMPARED, options.seed)
    expected = refit.summed(incidence(left, users))
    difference = np.abs(model.summed(incidence(left, users)) - expected).max() / np.abs(expected).max()
    yield row(len(seconds), took, np.median(seconds), difference)


def als(name, train, options):
    """A row for each user: untraining to the tolerance, and scratch to the same distance."""
    kind, settings = recommender_kind(name), AlsOptions(dim=options.dim, epochs=1, seed=options.seed)
    original = settled(kind(settings).fit(train), train, options)
    for user in drawn(train, options.users, options.seed):
        request = ForgetRequest.of_accounts(train, np.array([user]))
        left = train.without(request.forget_set)
        untrain = UntrainAls(sweeps=options.most_sweeps, tolerance=options.tolerance)
        result, seconds = timed(lambda u=untrain, r=request: u.forget(original, train, r))
        target = settled(original, left, options)
        start, first = timed(lambda rest=left: kind(settings).fit(rest))
        further = seconds_to(target, start, left, options)
        yield row(1, first + further, seconds, score_distance(result.recommender, target))


def settled(model, interactions, options):
    """Where accelerated sweeps end: a sweep changes the scores by a three-hundredth of the tolerance."""
    for swept, change in islice(accelerated_sweeps(model, interactions, memory=10), options.most_sweeps):
        if change < options.tolerance / 300:
            return swept
    raise SystemExit(f"no fixed point: sweep {options.most_sweeps} still changes {change:.1e} of the scores")


def seconds_to(target, model, interactions, options):
    """Of plain sweeps, until the scores are within the tolerance of the target's."""
    item_users, total = incidence(interactions, dtype=np.float32).T.tocsr(), 0.0
    for _ in range(options.most_sweeps):
        model, seconds = timed(lambda m=model: m.swept(item_users))
        total += seconds
        if score_distance(model, target) < options.tolerance:
            return total
    raise SystemExit(f"from scratch, {options.most_sweeps} sweeps do not come to the same fixed point")


def row(deletions, refit, forget, difference):
    figures = {
        "refit_s": refit,
        "forget_ms": 1000 * forget,
        "ratio": refit / forget,
        "difference": difference,
    }
    return {"deletions": deletions} | {name: float(value) for name, value in figures.items()}


def drawn(interactions, most, seed):
    users = interactions.active_users
    return generator(seed, "deleted").choice(users, min(most, len(users) - 1), replace=False)


def timed(job):
    start = time.perf_counter()
    result = job()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
