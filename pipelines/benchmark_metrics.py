"""Our evaluator beside implicit's: the same factors, the same users, values and seconds.

Without --dataset: random factors, 30,000 users x 41,000 items x 64, 20 training and 10 test items
each. With it: the LightGCN files train.txt and test.txt in that directory, and implicit's ALS factors.

What is compared, since implicit defines some figures in its own way (0.7, `ranking_metrics_at_k`):
  ndcg@k       the same: mean over users with a test item, ideal list cut at min(k, |test_u|)
  precision@k  all hits by the sum of min(k, |test_u|), over users together; made here from our recall
Its `map` and `auc` have no counterpart here, and it has no recall, MRR, hit rate or coverage.

Example:
    python pipelines/benchmark_metrics.py --dataset ../shared/data/gowalla
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: implicit's ALS is 10x slower without

import argparse
import json
import time
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.evaluation import ranking_metrics_at_k
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import Evaluation, evaluate
from recsys_unlearn.randomness import generator


class Factors:
    """Scores from two tables of factors."""

    def __init__(self, user_table, item_table):
        self.user_table, self.item_table = user_table, item_table

    def scores(self, users):
        """float32 (len(users), n_items)."""
        return self.user_table[users] @ self.item_table.T


def arguments():
    title, _, rest = __doc__.partition("\n\n")
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=title, epilog=rest, formatter_class=layout)
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="directory with train.txt and test.txt")
    parser.add_argument("--users", type=int, default=30_000, help="of the random matrices (%(default)s)")
    parser.add_argument("--items", type=int, default=41_000, help="of the random matrices (%(default)s)")
    parser.add_argument("--factors", type=int, default=64, help="width of the tables (%(default)s)")
    parser.add_argument("-k", type=int, default=20, help="cut-off (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for both sides (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random matrices and of ALS (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    return parser.parse_args()


def random_world(options):
    """Random factors and pairs: the time to evaluate does not depend on what they are."""
    draw = generator(options.seed, "benchmark metrics")
    model = AlternatingLeastSquares(factors=options.factors, num_threads=options.threads)
    model.user_factors = draw.standard_normal((options.users, options.factors), np.float32)
    model.item_factors = draw.standard_normal((options.items, options.factors), np.float32)
    sizes = (options.users, options.items)
    train, test = (
        Interactions.from_pairs(
            np.repeat(np.arange(options.users), each),
            draw.integers(0, options.items, options.users * each),
            *sizes,
        )
        for each in (20, 10)
    )
    return model, train, test.without(train)


def real_world(options):
    """LightGCN's files, and ALS at the settings of STACK.md."""
    parts = [lightgcn_pairs(options.dataset / name) for name in ("train.txt", "test.txt")]
    sizes = np.concatenate(parts).max(axis=0) + 1
    train, test = (Interactions.from_pairs(*part.T, *map(int, sizes)) for part in parts)
    model = AlternatingLeastSquares(
        factors=options.factors, alpha=40, regularization=10, iterations=15, random_state=options.seed
    )
    model.fit(matrix(train), show_progress=False)
    return model, train, test


def lightgcn_pairs(path):
    """int64 (n, 2) from lines of one user and its items."""
    lines = [np.array(line.split(), np.int64) for line in path.read_text().splitlines()]
    return np.concatenate(
        [np.stack([np.full(len(line) - 1, line[0]), line[1:]], 1) for line in lines if len(line) > 1]
    )


def matrix(interactions):
    values = np.ones(len(interactions), np.float32)
    shape = (interactions.n_users, interactions.n_items)
    return csr_matrix((values, interactions.items, interactions.offsets), shape=shape)


def ours(model, train, test, options):
    with threadpool_limits(options.threads):
        start = time.perf_counter()
        result = evaluate(Factors(model.user_factors, model.item_factors), test, train, options.k)
        return result, time.perf_counter() - start


def theirs(model, train, test, options):
    with threadpool_limits(1, "blas"):
        start = time.perf_counter()
        result = ranking_metrics_at_k(
            model, matrix(train), matrix(test), options.k, show_progress=False, num_threads=options.threads
        )
        return result, time.perf_counter() - start


def precision_as_implicit(result: Evaluation, test: Interactions):
    sizes = test.user_counts[result.users]
    return float((result.per_user[f"recall@{result.k}"] * sizes).sum() / np.minimum(result.k, sizes).sum())


def comparison(options):
    with threadpool_limits(1, "blas"):
        model, train, test = (real_world if options.dataset else random_world)(options)
    (our, our_seconds), (their, their_seconds) = (
        side(model, train, test, options) for side in (ours, theirs)
    )
    figures = {
        f"ndcg@{options.k}": (our.mean()[f"ndcg@{options.k}"], float(their["ndcg"])),
        f"precision@{options.k}": (precision_as_implicit(our, test), float(their["precision"])),
    }
    return {
        "dataset": str(options.dataset) if options.dataset else "random",
        "users": len(our.users),
        "items": test.n_items,
        "factors": model.item_factors.shape[1],
        "threads": options.threads,
        "seconds": {"ours": our_seconds, "implicit": their_seconds, "ratio": our_seconds / their_seconds},
        "same_figures": {
            name: {"ours": mine, "implicit": other, "difference": mine - other}
            for name, (mine, other) in figures.items()
        },
        "metrics": our.mean(),
    }


def print_table(report):
    print(
        f"{report['dataset']}: {report['users']:,} users x {report['items']:,} items x {report['factors']}, "
        f"{report['threads']} threads"
    )
    print(f"{'':14}{'ours':>12}{'implicit':>12}{'difference':>12}")
    for name, row in report["same_figures"].items():
        print(f"{name:14}{row['ours']:12.6f}{row['implicit']:12.6f}{row['difference']:12.1e}")
    seconds = report["seconds"]
    print(f"{'seconds':14}{seconds['ours']:12.2f}{seconds['implicit']:12.2f}{seconds['ratio']:11.2f}x")
    print("ours: " + ", ".join(f"{name} {value:.4f}" for name, value in report["metrics"].items()))


if __name__ == "__main__":
    options = arguments()
    report = comparison(options)
    print(json.dumps(report, indent=2)) if options.json else print_table(report)
