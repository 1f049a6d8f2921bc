"""Which method lands on the model that never saw the forgotten? One table per data set.

Trains an original, forgets a cohort with each method under each kind of readiness, and measures all of
them against a retrain, the oracle, on the same users. Strangers, cohort and seeds differ from run to run;
nothing is tuned here. The rows also go to MLflow, as nested runs.

Examples
--------
python pipelines/benchmark_forgetting.py                                    # the demo's synthetic data
python pipelines/benchmark_forgetting.py --dataset ../shared/data/ml-1m-lcfn --recipe ml-1m --seeds 3
python pipelines/benchmark_forgetting.py --dataset ../shared/data/gowalla --recipe gowalla --methods natural
python pipelines/benchmark_forgetting.py --cohort core edge memorised clustered --plots plots
python pipelines/benchmark_forgetting.py --methods all --readiness none natural --out all.json
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys_unlearn.cli import environment

environment.prepare()  # before numpy and torch are loaded

import numpy as np
from rich.console import Console
from rich.table import Table

from recsys_unlearn.experiments.cohorts import COHORTS
from recsys_unlearn.experiments.figures import Measured
from recsys_unlearn.experiments.pictures import draw
from recsys_unlearn.experiments.preparations import PREPARATIONS, Prepared, prepared
from recsys_unlearn.experiments.recipes import RECIPES
from recsys_unlearn.experiments.records import record
from recsys_unlearn.experiments.setting import Setting, train_original, with_oracle
from recsys_unlearn.experiments.streams import one_by_one
from recsys_unlearn.recommenders.registry import recommender_kind
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.healed_ascent import HealedAscent
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.registry import UNLEARNERS

PLAIN = NaturalAscent(centred=False, followed=False)  # FORGETTING.md, section 3
VARIANTS: dict[str, Unlearner] = {
    "natural": NaturalAscent(),
    "natural, full": NaturalAscent(form="full"),
    "natural, not followed": NaturalAscent(followed=False),
    "natural, full, plain": replace(PLAIN, form="full"),
    "natural, full, plain, 1.3": replace(PLAIN, form="full", step_size=1.3),
    "natural, full, plain, healed": HealedAscent(replace(PLAIN, form="full")),
    "natural, plain": PLAIN,
    "natural, plain, .5": replace(PLAIN, step_size=0.5),
    "gradient_ascent 3e-3": GradientAscent(learning_rate=3e-3),
}
REST = {
    name: kind() for name, kind in UNLEARNERS.items() if name not in ("natural_ascent", "retrain", "shards")
}
METHODS = VARIANTS | REST
ONE_BY_ONE = "natural, one by one"
DEFAULT = ("no_op", "row_drop", "gradient_ascent", "natural, plain", "natural", ONE_BY_ONE, "over_forgetting")


def main() -> None:
    options = parse()
    rows: list[dict[str, Any]] = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        original = train_original(options.dataset, options.recipe, seed, options.keep)
        for cohort in options.cohort:
            setting = with_oracle(original, cohort, options.forget)
            for readiness in options.readiness:
                rows += measure(setting, prepared(readiness, original), options.methods)
                if options.out:
                    options.out.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows)) if options.json else show(rows, options.recipe)
    if options.plots:
        draw(rows, options.plots)
    if options.workspace:
        record(rows, options.workspace, f"benchmark {rows[0]['dataset']}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", help="folder with train.txt and test.txt, `synthetic` (default) or `synthetic-sparse`")
    add("--recipe", choices=RECIPES, default="default", help="how the original is trained")
    add("--methods", nargs="+", metavar="NAME", default=DEFAULT, help=f"`all`, or of: {', '.join(METHODS)}")
    add("--readiness", nargs="+", choices=PREPARATIONS, default=["natural"], help="what training leaves")
    add("--cohort", nargs="+", choices=COHORTS, default=["random"], help="who is forgotten")
    add("--forget", type=float, default=0.05, metavar="SHARE", help="share of users to forget")
    add("--seeds", type=int, default=1, help="how many draws of cohort and strangers")
    add("--first-seed", type=int, default=0)
    add("--keep", type=Path, metavar="DIR", help="keep trained models there, and use those that are there")
    add("--out", type=Path, metavar="FILE.json", help="write the rows there, after every cohort")
    add("--plots", type=Path, metavar="DIR", help="draw the pictures there")
    add("--workspace", type=Path, metavar="DIR", help="log to the MLflow of this workspace, as nested runs")
    add("--json", action="store_true", help="print rows instead of a table")
    options = parser.parse_args()
    kind = recommender_kind(RECIPES[options.recipe].model)
    known = [name for name, method in METHODS.items() if issubclass(kind, method.forgets_from)]
    known.append(ONE_BY_ONE)
    if list(options.methods) == ["all"]:
        options.methods = known
    if unknown := [name for name in options.methods if name not in known]:
        parser.error(f"no method {unknown[0]!r} for {kind.name}; there are {', '.join(known)}")
    return options


def measure(setting: Setting, start: Prepared, methods: list[str]) -> list[dict[str, Any]]:
    against = Measured(setting, start)
    rows = [against.row("original", start.recommender), against.row("retrain", against.oracle_recommender)]
    for name in methods:
        began = time.perf_counter()
        result = in_turn(setting, start) if name == ONE_BY_ONE else at_once(METHODS[name], setting, start)
        seconds = (time.perf_counter() - began) / len(setting.forgotten)
        rows.append(against.row(name, result.recommender, seconds))
    return rows


def at_once(method: Unlearner, setting: Setting, start: Prepared) -> ForgetResult:
    return method.forget(start.recommender, setting.start.splits.train, setting.request, start.readiness)


def in_turn(setting: Setting, start: Prepared) -> ForgetResult:
    """Forget the cohort as it would arrive in life."""
    train = setting.start.splits.train
    asked = [ForgetRequest.of_accounts(train, np.array([user])) for user in setting.forgotten]
    for result, _ in one_by_one(start, train, asked):  # noqa: B007, the last one counts
        pass
    return result


def show(rows: list[dict[str, Any]], recipe: str) -> None:
    for cohort in dict.fromkeys(each["cohort"] for each in rows):
        for readiness in dict.fromkeys(each["readiness"] for each in rows):
            chosen = [r for r in rows if r["cohort"] == cohort and r["readiness"] == readiness]
            who = f"{chosen[0]['users']} users ({cohort})"
            title = f"{rows[0]['dataset']}, recipe {recipe}: {who}, readiness {readiness}"
            table(chosen, title)
    print(f"retrain: {np.mean([each['seconds_retrain'] for each in rows]):.0f} s")


def table(rows: list[dict[str, Any]], title: str) -> None:
    columns = (
        "retained R@20",
        "of the lower",
        "fold-in forgotten / oracle",
        "AUC - oracle",
        "residual",
        "ToW",
    )
    shown = Table("method", *columns, "ms per user", title=title)
    for name in dict.fromkeys(each["method"] for each in rows):
        chosen = [each for each in rows if each["method"] == name]
        kept = [each["retained_recall@20"] / lower(each) for each in chosen]
        seconds = [each["seconds_per_user"] for each in chosen if each["seconds_per_user"] is not None]
        shown.add_row(
            name,
            f"{mean(chosen, 'retained_recall@20'):.4f}",
            with_interval([100 * each for each in kept], "{:.1f} %", ".1f"),
            f"{mean(chosen, 'fold_in_recall'):.3f} / {mean(chosen, 'fold_in_recall_oracle'):.3f}",
            with_interval([each["auc"] - each["auc_oracle"] for each in chosen], "{:+.3f}", ".3f"),
            f"{mean(chosen, 'residual'):.2f}",
            f"{mean(chosen, 'tow'):.3f}",
            f"{1000 * np.mean(seconds):.2f}" if seconds else "",
        )
    Console(width=150).print(shown)


def lower(row: dict[str, Any]) -> float:
    """Recall@20 of the original or of the oracle: a method is held to the lower of the two."""
    return min(row["retained_recall@20_original"], row["retained_recall@20_oracle"])


def mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([each[key] for each in rows]))


def with_interval(values: list[float], form: str, precision: str) -> str:
    spread = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
    return form.format(np.mean(values)) + ("" if spread is None else f" ± {spread:{precision}}")


if __name__ == "__main__":
    main()
