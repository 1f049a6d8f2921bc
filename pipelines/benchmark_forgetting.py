"""Which method lands on the model that never saw the forgotten? One table per data set.

Trains an original, forgets a cohort with each method, and measures all of them against a retrain, the
oracle, on the same users. Strangers, cohort and seeds differ from run to run; nothing is tuned here.

Examples
--------
python pipelines/benchmark_forgetting.py                                    # the demo's synthetic data
python pipelines/benchmark_forgetting.py --dataset ../shared/data/ml-1m-lcfn --seeds 3 --out lcfn.json
python pipelines/benchmark_forgetting.py --dataset ../shared/data/gowalla --recipe gowalla
python pipelines/benchmark_forgetting.py --dataset ../shared/data/ml-1m-lcfn --recipe prototype
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_unlearn.cli import environment

environment.prepare()  # before numpy and torch are loaded

import numpy as np
from rich.console import Console
from rich.table import Table

from recsys_unlearn.audit.oracle import local_residual, tow
from recsys_unlearn.audit.report import AuditReport, audit
from recsys_unlearn.interactions import IngestOptions, Interactions, InteractionStore, Splits, ingest
from recsys_unlearn.interactions.synthetic import generate
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.controls import NoOp, OverForgetting, RowDrop
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.healed_ascent import HealedAscent
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

RECIPES = {
    "default": FactorizationOptions(),
    # Chosen on validation splits: gowalla/with_validation, and 10 % of ml-1m-lcfn's training pairs.
    "ml-1m": FactorizationOptions(epochs=24, temperature=0.17, batch_size=8192, learning_rate=0.01),
    "gowalla": FactorizationOptions(epochs=24, temperature=0.1, negatives=1024),
    # FORGETTING.md, section 3.
    "prototype": FactorizationOptions(
        similarity="dot", epochs=12, negatives=512, regularization=0.03, batch_size=8192, learning_rate=0.01
    ),
}
UNCENTRED = NaturalAscent(step_size=1.0, centred=False)
METHODS: dict[str, Unlearner] = {
    "no_op": NoOp(),
    "row_drop": RowDrop(),
    "gradient_ascent 1e-3": GradientAscent(learning_rate=1e-3),
    "gradient_ascent 3e-3": GradientAscent(learning_rate=3e-3),
    "natural, full, uncentred": replace(UNCENTRED, form="full"),
    "natural, full, uncentred, 1.3": replace(UNCENTRED, form="full", step_size=1.3),
    "natural, full, uncentred, healed": HealedAscent(replace(UNCENTRED, form="full")),
    "natural, whitened, uncentred .5": replace(UNCENTRED, step_size=0.5),
    "natural, whitened, uncentred": UNCENTRED,
    "natural, full": NaturalAscent(form="full"),
    "natural": NaturalAscent(),
    "over_forgetting": OverForgetting(),
}
ONE_BY_ONE = "natural, one by one"


@dataclass
class Setting:
    """One seed: who is forgotten, who is a stranger, and the models before and without."""

    splits: Splits
    forgotten: np.ndarray
    retained: np.ndarray
    original: Factorization
    readiness: NaturalReadiness
    oracle: Factorization
    seconds_retrain: float
    seconds_readiness: float
    seconds_fit: float


def main() -> None:
    options = parse()
    rows = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        setting = prepare(options, seed)
        rows += measure(setting, options, seed)
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows)) if options.json else show(rows, options)
    if options.plots:
        draw(rows, options.plots)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dataset", type=Path, help="folder with train.txt and test.txt (default: synthetic)"
    )
    parser.add_argument(
        "--recipe", choices=RECIPES, default="default", help="hyper-parameters of the original"
    )
    parser.add_argument("--methods", nargs="*", default=[*METHODS, ONE_BY_ONE], help="rows of the table")
    parser.add_argument("--forget", type=float, default=0.05, help="share of users to forget")
    parser.add_argument("--seeds", type=int, default=1, help="how many draws of cohort and strangers")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json", help="write the rows there, after every seed"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw recall against membership AUC there")
    parser.add_argument("--json", action="store_true", help="print rows instead of a table")
    return parser.parse_args()


def prepare(options: argparse.Namespace, seed: int) -> Setting:
    splits = read(options.dataset, seed)
    users = splits.train.active_users
    order = np.argsort(keyed_uniform(stream_key(seed, "forgotten"), users))
    forgotten = np.sort(users[order[: round(options.forget * len(users))]])
    start = time.perf_counter()
    original = Factorization(replace(RECIPES[options.recipe], seed=seed)).fit(splits.train)
    seconds_fit, start = time.perf_counter() - start, time.perf_counter()
    readiness = NaturalReadiness.measure(original, splits.train)
    seconds_readiness, start = time.perf_counter() - start, time.perf_counter()
    oracle = original.retrain(splits.train.without_users(forgotten))
    seconds = time.perf_counter() - start
    retained = np.setdiff1d(users, forgotten)
    return Setting(
        splits, forgotten, retained, original, readiness, oracle, seconds, seconds_readiness, seconds_fit
    )


def read(dataset: Path | None, seed: int) -> Splits:
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) / "store"
        if dataset is None:
            ingest(generate().frame, store, IngestOptions(seed=seed, validation_fraction=0))
        else:
            test = dataset / "test.txt"
            ingest(dataset / "train.txt", store, IngestOptions(seed=seed, test=test, validation_fraction=0))
        return InteractionStore.open(store).splits()


def measure(setting: Setting, options: argparse.Namespace, seed: int) -> list[dict]:
    original = figures(setting, setting.original)
    oracle = figures(setting, setting.oracle)
    request = ForgetRequest.of_accounts(setting.splits.train, setting.forgotten)
    rows = [row("original", setting, options, seed, original, original, oracle, None, setting.original)]
    rows.append(row("retrain", setting, options, seed, oracle, original, oracle, None, setting.oracle))
    for name in options.methods:
        start = time.perf_counter()
        if name == ONE_BY_ONE:
            result = one_by_one(setting)
        else:
            result = METHODS[name].forget(setting.original, setting.splits.train, request, setting.readiness)
        seconds = (time.perf_counter() - start) / len(setting.forgotten)
        found = figures(setting, result.recommender)
        rows.append(row(name, setting, options, seed, found, original, oracle, seconds, result.recommender))
    return rows


def one_by_one(setting: Setting) -> ForgetResult:
    """Forget the cohort as it would arrive in life, each deletion starting from the last."""
    train, method = setting.splits.train, NaturalAscent()
    result = ForgetResult(setting.original, setting.readiness, setting.forgotten, setting.forgotten)
    for user in setting.forgotten:
        request = ForgetRequest.of_accounts(train, np.array([user]))
        result = method.forget(result.recommender, train, request, result.readiness)
    return result


def figures(setting: Setting, recommender: Recommender) -> tuple[AuditReport, dict[str, float]]:
    splits = setting.splits
    report = audit(recommender, splits.train.of_users(setting.forgotten), splits.strangers)
    test: Interactions = splits.test.of_users(setting.retained)
    return report, evaluate(recommender, test, exclude=splits.train, k=20).mean()


def row(name, setting, options, seed, found, original, oracle, seconds, recommender) -> dict:
    report, utility = found
    sides = {
        side: {
            "forget": measured[0].forgotten.recall.mean(),
            "retain": measured[1]["ndcg@20"],
            "test": measured[1]["recall@20"],
        }
        for side, measured in (("found", found), ("oracle", oracle))
    }
    sample = setting.retained[:: max(1, len(setting.retained) // 500)]
    return {
        "dataset": options.dataset.name if options.dataset else "synthetic",
        "method": name,
        "readiness": "natural",
        "cohort": "random",
        "seed": seed,
        "users": len(setting.forgotten),
        "auc": report.auc.value,
        "auc_interval": [report.auc.low, report.auc.high],
        "auc_oracle": oracle[0].auc.value,
        "auc_original": original[0].auc.value,
        "fold_in_recall": report.forgotten.recall.mean(),
        "fold_in_recall_strangers": report.strangers.recall.mean(),
        "fold_in_recall_oracle": oracle[0].forgotten.recall.mean(),
        "retained_recall@20": utility["recall@20"],
        "retained_recall@20_original": original[1]["recall@20"],
        "retained_recall@20_oracle": oracle[1]["recall@20"],
        "ndcg@20": utility["ndcg@20"],
        "tow": tow(sides["found"], sides["oracle"]),
        "residual": local_residual(recommender, setting.oracle, setting.original, sample),
        "seconds_per_user": seconds,
        "seconds_retrain": setting.seconds_retrain,
        "seconds_training_overhead": setting.seconds_readiness,
    }


def show(rows: list[dict], options: argparse.Namespace) -> None:
    columns = ("retained R@20", "fold-in forgotten / strangers", "AUC", "AUC - oracle", "residual", "ToW")
    title = f"{rows[0]['dataset']}, recipe {options.recipe}: {rows[0]['users']} users, {options.seeds} seeds"
    table = Table("method", *columns, "ms per user", title=title)
    for name in dict.fromkeys(each["method"] for each in rows):
        chosen = [each for each in rows if each["method"] == name]
        mean = {key: np.mean([each[key] for each in chosen]) for key in ("auc", "residual", "tow")}
        recall = np.mean([each["retained_recall@20"] for each in chosen])
        fold_in = [np.mean([each[f"fold_in_recall{s}"] for each in chosen]) for s in ("", "_strangers")]
        gaps = [each["auc"] - each["auc_oracle"] for each in chosen]
        spread = f" ± {1.96 * np.std(gaps, ddof=1) / len(gaps) ** 0.5:.3f}" if len(gaps) > 1 else ""
        seconds = chosen[0]["seconds_per_user"]
        table.add_row(
            name,
            f"{recall:.4f}",
            f"{fold_in[0]:.3f} / {fold_in[1]:.3f}",
            f"{mean['auc']:.3f}",
            f"{np.mean(gaps):+.3f}{spread}",
            f"{mean['residual']:.2f}",
            f"{mean['tow']:.3f}",
            "" if seconds is None else f"{1000 * seconds:.2f}",
        )
    Console(width=140).print(table)
    print(f"retrain: {np.mean([each['seconds_retrain'] for each in rows]):.0f} s")


def draw(rows: list[dict], directory: Path) -> None:
    """Recall of the retained against what an attacker can tell; the oracle is a star."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained", dpi=130)
    axes = figure.add_subplot()
    markers = {"original": ("X", "#D55E00", 130), "retrain": ("*", "#009E73", 260)}
    markers |= {"natural": ("D", "#0072B2", 90), ONE_BY_ONE: ("s", "#56B4E9", 40)}
    for name in dict.fromkeys(each["method"] for each in rows):
        chosen = [each for each in rows if each["method"] == name]
        if name in ("no_op", "row_drop", "over_forgetting"):
            continue  # the first two lie on the original; the third off the scale
        gap = np.mean([each["auc"] - each["auc_oracle"] for each in chosen])
        kept = np.mean([each["retained_recall@20"] / each["retained_recall@20_original"] for each in chosen])
        known = name in markers
        marker, colour, size = markers.get(name, ("o", "#999999", 45))
        axes.scatter(
            gap,
            100 * kept,
            marker=marker,
            color=colour,
            s=size,
            zorder=3 + known,
            label=name if known else None,
        )
        if not known:  # the rest lie close together and are told apart by the legend
            axes.annotate(name, (gap, 100 * kept), xytext=(7, -9), textcoords="offset points", fontsize=8)
    axes.axvline(0, color="#666666", lw=0.6)
    axes.set_xlabel("membership AUC minus the oracle's: 0 is forgotten, right of it remembered")
    axes.set_ylabel("Recall@20 of the retained, % of the original's")
    axes.set_title(f"{rows[0]['dataset']}: {rows[0]['users']} users forgotten")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.14, y=0.12)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    directory.mkdir(parents=True, exist_ok=True)
    figure.savefig(directory / f"forgetting-{rows[0]['dataset']}.png")


if __name__ == "__main__":
    main()
