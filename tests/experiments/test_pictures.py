"""Pictures and records of rows whose figures are known."""

import pytest

from recsys_unlearn.experiments.pictures import cost, draw, pareto, sequence
from recsys_unlearn.experiments.records import record
from recsys_unlearn.tracking.runs import Tracker


def row(method, seed=0, **changed):
    figures = {
        **{"dataset": "tiny", "method": method, "readiness": "natural", "cohort": "random", "seed": seed},
        **{"users": 5, "auc": 0.6, "auc_oracle": 0.5, "auc_original": 0.7, "tow": 0.9, "residual": 0.5},
        **{"fold_in_recall": 0.3, "fold_in_recall_strangers": 0.25, "fold_in_recall_oracle": 0.28},
        **{"retained_recall@20": 0.19, "retained_recall@20_original": 0.2, "retained_recall@20_oracle": 0.2},
        **{"ndcg@20": 0.1, "seconds_per_user": 0.002, "seconds_retrain": 50.0},
        **{"seconds_training_overhead": 1.0, "deletions": 10},
    }
    return figures | changed


@pytest.fixture
def rows():
    return [
        row("original", auc=0.7),
        row("retrain", auc=0.5),
        row("natural"),
        row("natural", 1, auc=0.5),
        row("scif"),
    ]


def test_the_pareto_picture_puts_the_mean_where_it_belongs(rows):
    axes = pareto(rows).axes[0]
    places = {
        each.get_label(): each.get_offsets()[0].tolist() for each in axes.collections if each.get_label()
    }
    assert places["natural"] == pytest.approx([0.05, 95.0])  # AUC .1 and 0 above; .19 of .2
    assert places["retrain"][0] == 0
    assert {text.get_text() for text in axes.texts} == {"scif"}


def test_the_costs_are_sorted_and_a_retrain_is_the_dearest(rows):
    axes = cost(rows).axes[0]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "retrain"
    assert axes.patches[-1].get_width() == 50.0


def test_the_sequence_shows_both_lines_of_both_figures():
    stream = [row("natural", deletions=n, auc=0.5 + n / 1000) for n in (10, 20, 30)]
    figure = sequence(stream)
    assert [line.get_ydata().tolist() for line in figure.axes[1].lines] == [[0.51, 0.52, 0.53], [0.5] * 3]


def test_one_picture_per_cohort_and_readiness(rows, tmp_path):
    draw([*rows, *(each | {"cohort": "core"} for each in rows)], tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"{kind}-tiny-{cohort}-natural.png" for kind in ("cost", "pareto") for cohort in ("core", "random")
    ]


def test_rows_are_nested_runs_with_the_common_names(rows, tmp_path):
    record(rows, tmp_path, "benchmark tiny")
    tracker = Tracker(tmp_path)
    runs = {run.info.run_name: run for run in tracker.client.search_runs([tracker.experiment_id])}
    parent = runs["benchmark tiny"].info.run_id
    nested = [run for run in runs.values() if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(nested) == len(rows)
    natural = runs["natural, natural, random, seed 0"].data
    assert natural.metrics["recall_at_20"] == 0.19 and natural.metrics["audit/auc_oracle"] == 0.5
    assert natural.params["method"] == "natural"
