"""Does the audit find what is there, and nothing where nothing is? Power and false alarms, and the attacks.

Trains a ring of models, each without two of twenty groups of users (recsys_unlearn/audit/power.py): every
group is once a forgotten cohort of 5 %, with another as strangers, under a model that saw it (an original:
what no-op and row-drop leave) and under one that did not (a retrain).

Three kinds of repetition, from the strictest to the cheapest; the table names them:
  draw      another cohort, other strangers, other models: one training each
  cohort    another cohort that the same model saw, against the strangers it did not see
  resplit   the users whom one model did not see, split into cohort and strangers at random: what a retrain
            looks like when the training is not repeated

Examples
--------
    python pipelines/benchmark_audit.py                             # synthetic: all 20 models, 5 min
    python pipelines/benchmark_audit.py --dataset synthetic-sparse --out sparse.json --plots plots
    python pipelines/benchmark_audit.py --dataset ../shared/data/gowalla --recipe gowalla --models 3
    python pipelines/benchmark_audit.py --attacks --plots plots      # references, relearning, embeddings
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from recsys_unlearn.cli import environment

environment.prepare()  # before numpy and torch are loaded

import numpy as np
from rich.console import Console
from rich.table import Table

from recsys_unlearn.audit.attack import AttackFigures, roc
from recsys_unlearn.audit.cross_fit import cross_fit
from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.duplicates import nearest_similarity
from recsys_unlearn.audit.embeddings import compare_items
from recsys_unlearn.audit.harm import by_popularity, by_similarity
from recsys_unlearn.audit.likelihood_ratio import lira, lira_offline, rmia, train_references
from recsys_unlearn.audit.oracle import agreement_floor, top_k_agreement
from recsys_unlearn.audit.power import Rate, draws, left_out, resplit, ring
from recsys_unlearn.audit.ranked_lists import list_overlap
from recsys_unlearn.audit.relearning import a_tenth, relearn
from recsys_unlearn.audit.report import AuditReport, audit
from recsys_unlearn.audit.statistic import FoldInStatistic, fold_in_statistic
from recsys_unlearn.audit.version_difference import recover
from recsys_unlearn.experiments.recipes import RECIPES
from recsys_unlearn.experiments.setting import SYNTHETIC, read_dataset
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.registry import load_recommender, recommender_kind
from recsys_unlearn.tracking.attack_figures import harm_figure, relearning_figure, roc_figure
from recsys_unlearn.tracking.figures import score_figure
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.registry import UNLEARNERS

SYNTHETIC_EPOCHS = 15
SINGLE_DELETIONS = 40  # of the version-difference attack


def main() -> None:
    options = parse()
    name, splits = read_dataset(options.dataset, 0)
    everybody = splits.train.union(splits.strangers)
    groups = ring(everybody.active_users, options.share)
    numbers = list(range(len(groups)))[: options.models or len(groups)]
    found = {"dataset": name, "users": len(groups[0]), "models": len(numbers)}
    if options.attacks:
        found["attacks"] = attacks(options, splits, everybody, groups)
    else:
        models = {number: model(options, everybody, groups, number) for number in numbers}
        found["audits"] = repetitions(options, everybody, groups, models)
        show(found)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    if options.json or options.attacks:
        print(json.dumps(found, indent=None if options.json else 1))


def parse() -> argparse.Namespace:
    title, _, rest = __doc__.partition("\n\n")
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=title, epilog=rest, formatter_class=layout)
    parser.add_argument("--dataset", help=f"folder with train.txt and test.txt, or {' or '.join(SYNTHETIC)}")
    parser.add_argument("--recipe", choices=RECIPES, default="default", help="hyper-parameters of the models")
    parser.add_argument("--epochs", type=int, help=f"instead of the recipe's (synthetic: {SYNTHETIC_EPOCHS})")
    parser.add_argument("--share", type=float, default=0.05, help="of users in a cohort")
    parser.add_argument("--models", type=int, help="train only the first so many of the ring")
    parser.add_argument("--cohorts", type=int, default=0, help="further cohorts per model (%(default)s)")
    parser.add_argument("--resplits", type=int, default=0, help="re-splits per model (%(default)s)")
    parser.add_argument(
        "--methods",
        nargs="*",
        choices=UNLEARNERS,
        default=["row_drop", "over_forgetting"],
        metavar="METHOD",
        help=f"audited beside no-op and retrain (row_drop over_forgetting), of: {', '.join(UNLEARNERS)}",
    )
    parser.add_argument("--attacks", action="store_true", help="run the attacks on one draw instead")
    parser.add_argument("--references", type=int, default=32, help="models of the likelihood-ratio attack")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the models there, and use those there")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write what was found there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw there")
    parser.add_argument("--json", action="store_true", help="print what was found, on one line")
    return parser.parse_args()


# --- power ---------------------------------------------------------------------------------------


def model(options, everybody, groups, number) -> EmbeddingRecommender:
    """Train the ring's model, or read it."""
    place = options.keep / str(number) if options.keep else None
    if place and place.exists():
        return load_recommender(place)
    print(f"training model {number}", file=sys.stderr)
    fitted = fit(options, everybody.without_users(left_out(groups, number)))
    if place:
        fitted.save(place)
    return fitted


def fit(options, interactions, seed=0) -> EmbeddingRecommender:
    recipe = RECIPES[options.recipe]
    synthetic = options.dataset is None or options.dataset in SYNTHETIC
    epochs = options.epochs or (SYNTHETIC_EPOCHS if synthetic else recipe.options.epochs)
    return recommender_kind(recipe.model)(replace(recipe.options, epochs=epochs, seed=seed)).fit(interactions)


def repetitions(options, everybody, groups, models) -> list[dict]:
    rows = []
    for draw in draws(groups, models):
        sides = everybody.of_users(draw.forgotten), everybody.of_users(draw.strangers)
        difficulty = Difficulty.of(sides[0].union(sides[1]), everybody)
        original, retrained = models[draw.original], models[draw.retrained]
        versions = {"no_op": original, "retrain": retrained}
        versions |= forgotten_by(options.methods, original, everybody, groups, draw)
        for version, recommender in versions.items():
            rows.append(row("draw", version, audit(recommender, *sides, difficulty=difficulty)))
            print(rows[-1], file=sys.stderr)
    for number, recommender in models.items():
        rows += more(options, everybody, groups, number, recommender)
    return rows


def more(options, everybody, groups, number, recommender) -> list[dict]:
    """Cheap repetitions of one model: every user is measured once, whatever side they are on."""
    unseen, strangers = left_out(groups, number), groups[number]
    cohorts = [groups[(number + 2 + step) % len(groups)] for step in range(options.cohorts)]
    pairs = [("resplit", "retrain", *resplit(unseen, each)) for each in range(options.resplits)]
    pairs += [("cohort", "no_op", cohort, strangers) for cohort in cohorts]
    if not pairs:
        return []
    histories = everybody.of_users(np.concatenate([unseen, *cohorts]))
    plain, finer = fold_in_statistic(recommender, histories), cross_fit(recommender, histories)
    rows = []
    for repetition, version, *sides in pairs:
        places = [np.flatnonzero(np.isin(finer.users, side)) for side in sides]
        difficulty = Difficulty.of(everybody.of_users(np.concatenate(sides)), everybody)
        adjusted = difficulty.take_out(*((finer.users[at], finer.log_likelihood[at]) for at in places))
        report = AuditReport(*(part(plain, at) for at in places), adjusted=adjusted)
        rows.append(row(repetition, version, report))
        print(rows[-1], file=sys.stderr)
    return rows


def part(statistic, places) -> FoldInStatistic:
    return FoldInStatistic(*(column[places] for column in vars(statistic).values()))


def compare(recommender, everybody, forgotten, strangers):
    sides = everybody.of_users(forgotten), everybody.of_users(strangers)
    return audit(recommender, *sides, difficulty=Difficulty.of(sides[0].union(sides[1]), everybody))


def forgotten_by(methods, original, everybody, groups, draw) -> dict:
    """Versions that methods make of the draw's original."""
    train = everybody.without_users(left_out(groups, draw.original))
    forget = forgetting(original, train, methods)
    return {name: forget(name, draw.forgotten) for name in methods}


def forgetting(original, train, methods):
    """Return a function of method and users to the version without them; readiness is measured once."""
    readiness = NaturalReadiness.measure(original, train) if methods else None

    def forget(name, users):
        request = ForgetRequest.of_accounts(train, users)
        return UNLEARNERS[name]().forget(original, train, request, readiness).recommender

    return forget


def row(repetition, version, report) -> dict:
    found = report.as_dict()
    wanted = ("auc", "auc_interval", "adjusted_auc", "adjusted_auc_interval", "tpr_at_1_percent", "verdict")
    flagged = not report.passed
    return {"repetition": repetition, "version": version, "flagged": flagged} | {k: found[k] for k in wanted}


def show(found) -> None:
    columns = ("flagged", "of", "rate", "95 %", "AUC", "adjusted AUC, lowest to highest")
    title = f"{found['dataset']}: cohorts of {found['users']} users, {found['models']} models"
    table = Table("repetition", "version", *columns, title=title)
    for kind in dict.fromkeys((each["repetition"], each["version"]) for each in found["audits"]):
        chosen = [each for each in found["audits"] if (each["repetition"], each["version"]) == kind]
        rate = Rate.of([each["flagged"] for each in chosen])
        low, high = rate.interval
        plain, adjusted = ([each[name] for each in chosen] for name in ("auc", "adjusted_auc"))
        table.add_row(
            *kind,
            str(rate.flagged),
            str(rate.repetitions),
            f"{rate.value:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{np.mean(plain):.3f}",
            f"{np.mean(adjusted):.3f}  {min(adjusted):.3f} to {max(adjusted):.3f}",
        )
    Console(width=130).print(table)


# --- attacks -------------------------------------------------------------------------------------


def attacks(options, splits, everybody, groups) -> dict:
    """Every attack on one draw: the first group is forgotten, the second are strangers."""
    cohort, strangers = everybody.of_users(groups[0]), everybody.of_users(groups[1])
    train = everybody.without_users(groups[1])
    retained = train.without_users(groups[0])
    original, oracle, second = fit(options, train), fit(options, retained), fit(options, retained, seed=1)
    forget = forgetting(original, train, options.methods)
    versions = {"original": original, "retrain": oracle}
    versions |= {name: forget(name, groups[0]) for name in options.methods}
    found = {
        "audit": {name: compare(each, everybody, *groups[:2]).as_dict() for name, each in versions.items()},
        "ranked_lists": {name: ranked(each, cohort, strangers, retained) for name, each in versions.items()},
        "embeddings": {name: compare_items(each, oracle) for name, each in versions.items()}
        | {"another seed": compare_items(second, oracle)},
        "agreement": {
            name: top_k_agreement(each, oracle, retained.active_users, exclude=retained)
            for name, each in versions.items()
        }
        | {"another seed": agreement_floor([oracle, second], retained.active_users, exclude=retained)},
        "version_difference": differences(options, forget, versions, train, groups[0]),
        "relearning": relearning(options, versions | {"another seed": second}, retained, cohort, strangers),
        "harm": harm(options, splits, versions, train, cohort),
    }
    if options.references:
        found["likelihood_ratio"] = likelihood_ratio(
            options, versions, retained, cohort.union(strangers), groups
        )
    return found


def ranked(recommender, cohort, strangers, retained) -> dict:
    """Figures of the attack that sees lists alone."""
    both = (list_overlap(recommender, side, retained)[1] for side in (cohort, strangers))
    return AttackFigures.of(*both).as_dict()


def differences(options, forget, versions, train, cohort) -> dict:
    """Deletions of one user each, and of all at once."""
    original, whole = versions["original"], train.of_users(cohort)
    found = {
        f"{name}, {len(cohort)} at once": recover(original, each, whole).as_dict()
        for name, each in versions.items()
        if name != "original"
    }
    for name in options.methods:
        users = cohort[:SINGLE_DELETIONS]
        single = [
            recover(original, forget(name, np.array([user])), train.of_users([user])).as_dict()
            for user in users
        ]
        found[f"{name}, one"] = {key: float(np.mean([each[key] for each in single])) for key in single[0]}
    return found


def relearning(options, versions, retained, cohort, strangers) -> dict:
    """Distance of every version's curve to the oracle's, on three kinds of lessons."""
    lessons = {
        "retained only": retained,
        "a tenth of the forgotten": retained.union(a_tenth(cohort)),
        "a tenth of strangers": retained.union(a_tenth(strangers)),
    }
    found = {}
    for kind, lesson in lessons.items():
        curves = {name: relearn(each, lesson, cohort, strangers) for name, each in versions.items()}
        oracle = curves["retrain"]
        found[kind] = {
            name: {
                "auc": curve.auc.tolist(),
                "distance": vars(curve.distance(oracle)),
                "pace": vars(curve.regained(oracle)),
            }
            for name, curve in curves.items()
        }
        if options.plots:
            few = {name: curve.forgotten for name, curve in curves.items() if name != "over_forgetting"}
            drawn = relearning_figure(oracle.steps, few, oracle.strangers, title=f"Relearning: {kind}")
            save(options, drawn, f"relearning {kind}")
    return found


def harm(options, splits, versions, train, cohort) -> dict:
    """Against the original, for who stays, by similarity to the forgotten and by popularity."""
    stay = np.setdiff1d(train.active_users, cohort.active_users)
    test = splits.test.of_users(stay)
    similarity = nearest_similarity(train.of_users(stay), cohort)
    before = evaluate(versions["original"], test, exclude=train, k=20)
    found = {}
    for name, each in versions.items():
        near = by_similarity(before, evaluate(each, test, exclude=train, k=20), similarity)
        rare = by_popularity(versions["original"], each, test, train)
        found[name] = {
            "by_similarity": [group.as_dict() for group in near],
            "by_popularity": [group.as_dict() for group in rare],
        }
        if options.plots and name != "original":
            intervals = [(group.change.low, group.change.high) for group in near]
            labels = [f"{group.low:.2f}-{group.high:.2f}" for group in near]
            drawn = harm_figure([g.change.value for g in near], intervals, labels, title=f"Who pays: {name}")
            save(options, drawn, f"harm {name}")
    return found


def likelihood_ratio(options, versions, retained, targets, groups) -> dict:
    def told(what, done, steps):
        print(f"{what}: {done} of {steps}", file=sys.stderr)

    references = train_references(versions["original"], retained, targets, options.references, progress=told)
    strangers = np.isin(references.users, groups[1])
    found, curves = {}, {}
    for name, each in versions.items():
        observed = cross_fit(each, targets).log_likelihood
        scores = {
            "lira": lira(observed, references),
            "lira_offline": lira_offline(observed, references),
            "rmia": rmia(observed, references, strangers),
        }
        found[name] = {
            kind: AttackFigures.of(values[~strangers], values[strangers]).as_dict()
            for kind, values in scores.items()
        }
        curves[name] = roc(scores["lira"][~strangers], scores["lira"][strangers])
        if options.plots:
            sides = scores["lira"][strangers], scores["lira"][~strangers]
            save(options, score_figure(*sides, score_name="log-likelihood ratio", title=name), f"lira {name}")
    if options.plots:
        for scale in ("log", "linear"):
            save(options, roc_figure(curves, "LiRA, 32 references", scale), f"roc {scale}")
    return found


def save(options, figure, name) -> None:
    options.plots.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.plots / f"{name.replace(' ', '-')}.png")


if __name__ == "__main__":
    main()
