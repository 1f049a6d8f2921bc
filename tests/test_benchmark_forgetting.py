"""The forgetting benchmark runs on a tiny data set; its rows are those that the documentation names."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "benchmark_forgetting.py"
DOCUMENTED = {
    *("dataset", "method", "readiness", "cohort", "seed", "users"),
    *("auc", "auc_oracle", "auc_original"),
    *("fold_in_recall", "fold_in_recall_oracle"),
    *("retained_recall@20", "retained_recall@20_original", "retained_recall@20_oracle", "ndcg@20"),
    *("tow", "residual"),
    *("seconds_per_user", "seconds_retrain", "seconds_training_overhead"),
}
EXTRA = {"auc_interval", "fold_in_recall_strangers", "seconds_training"}
ONE_BY_ONE = "natural, one by one"
METHODS = ("no_op", "row_drop", "natural", ONE_BY_ONE)
NOT_MEASUREMENTS = {"method", "seconds_per_user"}


def run(*options):
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def lightgcn(tmp_path_factory):
    """Eighty users, each with 12 of the 30 items of one taste to train on and 3 to test."""
    directory = tmp_path_factory.mktemp("data") / "tiny"
    directory.mkdir()
    draw = np.random.default_rng(3)
    own = [np.arange(user % 3, 90, 3) for user in range(80)]
    lists = [draw.permutation(items)[:15] for items in own]
    for name, part in (("train.txt", slice(12)), ("test.txt", slice(12, 15))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(lists)]
        (directory / name).write_text("\n".join(lines) + "\n")
    return directory


@pytest.fixture(scope="module")
def rows(lightgcn, tmp_path_factory):
    """Of two seeds, as printed; the file that is written must hold the same."""
    out = tmp_path_factory.mktemp("out") / "rows.json"
    options = ("--dataset", lightgcn, "--methods", *METHODS, "--forget", 0.1, "--seeds", 2, "--out", out)
    printed = json.loads(run(*options, "--json"))
    assert json.loads(out.read_text()) == printed
    return printed


def _of(rows, method, seed=0):
    (row,) = [row for row in rows if (row["method"], row["seed"]) == (method, seed)]
    return {name: value for name, value in row.items() if name not in NOT_MEASUREMENTS}


def test_every_row_has_the_documented_keys(rows):
    assert [set(row) for row in rows] == [DOCUMENTED | EXTRA] * len(rows)


def test_there_is_a_row_for_each_method_and_seed(rows):
    expected = [(method, seed) for seed in (0, 1) for method in ("original", "retrain", *METHODS)]
    assert [(row["method"], row["seed"]) for row in rows] == expected


def test_figures_are_numbers_and_the_baselines_took_no_time(rows):
    for row in rows:
        untimed = row["method"] in ("original", "retrain")
        assert (row["seconds_per_user"] is None) == untimed
        assert (row["dataset"], row["readiness"], row["cohort"]) == ("tiny", "natural", "random")
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert all(map(math.isfinite, numbers)) and min(row["auc_interval"]) >= 0
        assert row["seconds_retrain"] > 0 and row["seconds_training_overhead"] > 0


def test_a_tenth_of_the_users_is_forgotten(rows):
    assert {row["users"] for row in rows} == {8}  # of 76: four of eighty are strangers


@pytest.mark.parametrize("seed", [0, 1])
def test_retraining_is_the_oracle(rows, seed):
    retrain = _of(rows, "retrain", seed)
    assert (retrain["residual"], retrain["tow"]) == (0, 1)
    assert retrain["auc"] == retrain["auc_oracle"]
    assert retrain["retained_recall@20"] == retrain["retained_recall@20_oracle"]
    assert retrain["fold_in_recall"] == retrain["fold_in_recall_oracle"]


@pytest.mark.parametrize("seed", [0, 1])
def test_doing_nothing_is_the_original(rows, seed):
    original = _of(rows, "original", seed)
    assert _of(rows, "no_op", seed) == original
    assert original["residual"] == 1
    assert original["auc"] == original["auc_original"]
    assert original["retained_recall@20"] == original["retained_recall@20_original"]


def test_dropping_rows_leaves_every_measurement_where_it_was(rows):
    """No retained user's vector and no item moves."""
    assert _of(rows, "row_drop")["residual"] == 1
    assert _of(rows, "row_drop")["retained_recall@20"] == _of(rows, "original")["retained_recall@20"]


def test_methods_move_the_model(rows):
    for method in ("natural", ONE_BY_ONE):
        assert 0 < _of(rows, method)["residual"] != 1
        assert _of(rows, method)["auc"] != _of(rows, "original")["auc"]


def test_seeds_draw_other_people(rows):
    assert _of(rows, "original", 0)["auc"] != _of(rows, "original", 1)["auc"]


def test_the_table_and_the_picture(lightgcn, tmp_path):
    text = run("--dataset", lightgcn, "--methods", "no_op", "natural", "--plots", tmp_path / "plots")
    assert "tiny, recipe default: 4 users (random), readiness natural" in text
    for name in ("original", "retrain", "no_op", "natural", "AUC - oracle", "ms per user"):
        assert name in text
    pictures = list((tmp_path / "plots").iterdir())
    assert len(pictures) == 2
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_cohorts_and_kinds_of_readiness_have_rows_of_their_own(lightgcn):
    options = ("--cohort", "core", "clustered", "--readiness", "none", "natural", "--methods", "natural")
    rows = json.loads(run("--dataset", lightgcn, *options, "--json"))
    found = [(row["cohort"], row["readiness"], row["method"]) for row in rows]
    methods = ("original", "retrain", "natural")
    assert found == [(c, r, m) for c in ("core", "clustered") for r in ("none", "natural") for m in methods]


def test_an_unknown_method_is_refused_with_the_list():
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("--methods", "magic")
    assert "no method 'magic' for factorization; there are natural" in refused.value.stderr
    assert "Traceback" not in refused.value.stderr


def test_all_methods_are_those_for_the_kind_of_model():
    """Exact subtraction is for item-item models, sweeps are for ALS: neither holds the others up."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("--methods", "exact", "untrain_als")
    assert "no method 'exact' for factorization" in refused.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("--recipe", "als", "--methods", "exact")
    listed = refused.value.stderr.partition("there are ")[2]
    assert "untrain_als" in listed and "exact" not in listed and "healed" not in listed


def test_what_goes_before_changes_no_method(lightgcn):
    """One by one changes readiness in place; whoever comes next must be given it as it was."""
    options = ("--dataset", lightgcn, "--forget", 0.1, "--methods", "natural", ONE_BY_ONE, "natural")
    found = [row for row in json.loads(run(*options, "--json")) if row["method"] == "natural"]
    before, after = (_of([row], "natural") for row in found)
    assert before == after
