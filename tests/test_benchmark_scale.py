"""The scale benchmark runs small, and its slope is that of a straight line."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "benchmark_scale.py"


def run(*options):
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_each_size_is_a_row_and_slopes_follow(tmp_path):
    small = ("--items", 40, "--history", 5, "--dim", 4, "--deletions", 2)
    printed = run("--users", 50, 100, *small, "--out", tmp_path / "scale.json")
    report = json.loads((tmp_path / "scale.json").read_text())
    assert [row["users"] for row in report["rows"]] == [50, 100]
    assert all(value > 0 for row in report["rows"] for value in row.values())
    assert set(report["slopes"]) == {
        *("train_us_per_interaction", "forget_ms_per_user", "index_s", "peak_memory_mb")
    }
    assert printed.count("slope of log") == 4


def test_forgetting_can_be_measured_alone(tmp_path):
    small = ("--items", 40, "--history", 5, "--dim", 4, "--deletions", 2)
    printed = run("--users", 50, 100, *small, "--untrained")
    assert "train_us_per_interaction" not in printed
    assert "forget_ms_per_user" in printed and printed.count("slope of log") == 3


def test_what_is_ingested_from_a_file_is_trained_on():
    small = ("--items", 40, "--history", 8, "--dim", 4, "--deletions", 2)
    names, values = (line.split() for line in run("--users", 50, *small, "--ingest").splitlines())
    row = dict(zip(names, values, strict=True))
    assert float(row["ingest_s"]) > 0 and float(row["train_us_per_interaction"]) > 0


@pytest.mark.parametrize(("values", "expected"), [((3, 3, 3), 0), ((1, 10, 100), 1), ((4, 40, 400), 1)])
def test_the_slope_is_the_exponent(values, expected):
    slope = runpy.run_path(str(SCRIPT))["slope"]
    rows = [{"users": 10**n, "ms": value} for n, value in zip((4, 5, 6), values, strict=True)]
    assert slope(rows, "ms") == pytest.approx(expected)


def test_help_ends_with_an_example():
    assert (
        run("--help").strip().splitlines()[-1].startswith("    python pipelines/benchmark_scale.py --users")
    )
