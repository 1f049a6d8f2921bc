"""The metrics benchmark runs small, on both of its sources, and the two evaluators agree."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "benchmark_metrics.py"


def run(*options):
    command = [sys.executable, str(SCRIPT), "--threads", "1", *map(str, options)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def lightgcn(tmp_path):
    draw = np.random.default_rng(3)
    lists = [draw.permutation(40)[:9] for _ in range(25)]
    for name, part in (("train.txt", slice(6)), ("test.txt", slice(6, 9))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(lists)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    with (tmp_path / "test.txt").open("a") as file:
        file.write("25\n")  # a user without a test item, as LightGCN writes one
    return tmp_path


def test_both_evaluators_agree_on_files(lightgcn):
    report = json.loads(run("--dataset", lightgcn, "--factors", 4, "-k", 5, "--json"))
    assert report["users"] == 25 and report["items"] == 40
    assert {"ours", "implicit", "ratio"} == set(report["seconds"])
    for row in report["same_figures"].values():
        assert row["ours"] == pytest.approx(row["implicit"], abs=1e-12)
        assert row["ours"] > 0


def test_the_table_of_the_random_matrices():
    out = run("--users", 60, "--items", 50, "--factors", 4, "-k", 5)
    assert "random: 60 users x 50 items x 4, 1 threads" in out
    assert "ndcg@5" in out and "seconds" in out and "coverage@5" in out


def test_help_ends_with_an_example():
    assert (
        run("--help")
        .strip()
        .splitlines()[-1]
        .startswith("    python pipelines/benchmark_metrics.py --dataset")
    )
