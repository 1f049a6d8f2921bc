"""The audit benchmark runs on a tiny data set; every attack has its figures and pictures."""

import contextlib
import io
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "benchmark_audit.py"
ATTACKS = {
    *("audit", "ranked_lists", "embeddings", "agreement", "version_difference"),
    *("relearning", "harm", "likelihood_ratio"),
}


def run(*options):
    """Run in this process, which has torch loaded already, and return what it printed."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        fixed = [str(SCRIPT), "--epochs", "2", "--share", "0.25"]
        patch.setattr(sys, "argv", [*fixed, *map(str, options)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return printed.getvalue()


@pytest.fixture(scope="module")
def lightgcn(tmp_path_factory):
    """Eighty users, each with 12 of the 30 items of one taste to train on and 3 to test."""
    directory = tmp_path_factory.mktemp("data") / "tiny"
    directory.mkdir()
    draw = np.random.default_rng(3)
    lists = [draw.permutation(np.arange(user % 3, 90, 3))[:15] for user in range(80)]
    for name, part in (("train.txt", slice(12)), ("test.txt", slice(12, 15))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(lists)]
        (directory / name).write_text("\n".join(lines) + "\n")
    return directory


@pytest.fixture(scope="module")
def power(lightgcn, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    options = ("--dataset", lightgcn, "--models", 3, "--cohorts", 1, "--resplits", 2, "--methods", "row_drop")
    text = run(*options, "--keep", out / "ring", "--out", out / "power.json")
    return text, json.loads((out / "power.json").read_text()), out / "ring"


def test_every_kind_of_repetition_is_counted(power):
    text, found, _ = power
    kinds = [(row["repetition"], row["version"]) for row in found["audits"]]
    expected = {("draw", "no_op"): 2, ("draw", "retrain"): 2, ("draw", "row_drop"): 2}
    expected |= {("resplit", "retrain"): 6, ("cohort", "no_op"): 3}
    assert {kind: kinds.count(kind) for kind in kinds} == expected
    assert (found["users"], found["models"]) == (20, 3)
    for part in ("tiny: cohorts of 20 users, 3 models", "flagged", "resplit", "cohort"):
        assert part in text


def test_dropping_rows_is_seen_as_doing_nothing(power):
    _, found, _ = power
    of = {
        name: [r for r in found["audits"] if r["version"] == name and r["repetition"] == "draw"]
        for name in ("no_op", "row_drop")
    }
    assert [r["adjusted_auc"] for r in of["no_op"]] == [r["adjusted_auc"] for r in of["row_drop"]]


def test_models_are_kept(power):
    assert sorted(each.name for each in power[2].iterdir()) == ["0", "1", "2"]


def test_every_attack_has_figures_and_pictures(lightgcn, tmp_path):
    options = ("--dataset", lightgcn, "--attacks", "--references", 4, "--methods", "natural_ascent")
    found = json.loads(run(*options, "--plots", tmp_path, "--json"))["attacks"]
    assert set(found) == ATTACKS
    for name in ("audit", "ranked_lists", "harm", "likelihood_ratio"):
        assert set(found[name]) == {"original", "retrain", "natural_ascent"}
    assert found["embeddings"]["retrain"]["neighbour_overlap"] == 1
    assert found["agreement"]["retrain"] == 1 > found["agreement"]["another seed"]
    for lesson in found["relearning"].values():
        assert lesson["retrain"]["distance"]["value"] == 0 != lesson["another seed"]["distance"]["value"]
    assert {"natural_ascent, one", "natural_ascent, 20 at once"} <= set(found["version_difference"])
    pictures = {picture.stem for picture in tmp_path.glob("*.png")}
    assert {
        "roc-log",
        "roc-linear",
        "harm-natural_ascent",
        "lira-retrain",
        "relearning-retained-only",
    } <= pictures
