"""The benchmark of exact forgetting runs small; what it calls a difference is one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "benchmark_exact.py"


@pytest.fixture
def split(tmp_path):
    """60 users of four tastes, 40 items."""
    draw = np.random.default_rng(3)
    lists = [draw.permutation(np.arange(user % 4, 40, 4)) for user in range(60)]
    for name, part in (("train.txt", slice(8)), ("test.txt", slice(8, 10))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(lists)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def run(*options):
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, options)], capture_output=True, text=True)


def test_every_model_is_put_against_its_refit(split):
    out = split / "exact.json"
    done = run("--dataset", split, "--deletions", 9, "--users", 2, "--dim", 4, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    assert [(row["model"], row["deletions"]) for row in rows] == [
        *(("ease", 9), ("item_knn", 9)),
        *(("als", 1), ("als", 1)),
    ]
    assert all(row["ratio"] == pytest.approx(1000 * row["refit_s"] / row["forget_ms"]) for row in rows)
    assert rows[0]["difference"] < 1e-9 and rows[1]["difference"] == 0
    assert all(row["difference"] < 1e-3 for row in rows[2:])
    assert len(done.stdout.splitlines()) == 2 + len(rows)


def test_without_a_fixed_point_it_says_so_and_gives_no_figure(split):
    done = run("--dataset", split, "--models", "als", "--dim", 4, "--most-sweeps", 2)
    assert done.returncode == 1
    assert done.stderr.startswith("no fixed point: sweep 2 still changes")
