"""The stream benchmark runs on a tiny data set: a row for every checkpoint, each against its own retrain."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "benchmark_streams.py"


@pytest.fixture(scope="module")
def lightgcn(tmp_path_factory):
    """Sixty users, each with 9 of the 50 items of one taste to train on and 2 to test."""
    directory = tmp_path_factory.mktemp("data") / "tiny"
    directory.mkdir()
    draw = np.random.default_rng(3)
    lists = [draw.permutation(np.arange(user % 3, 150, 3))[:11] for user in range(60)]
    for name, part in (("train.txt", slice(9)), ("test.txt", slice(9, 11))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(lists)]
        (directory / name).write_text("\n".join(lines) + "\n")
    return directory


def test_a_row_for_each_checkpoint(lightgcn, tmp_path):
    options = ["--dataset", str(lightgcn), "--deletions", "8", "--checkpoints", "2", "--items", "0.3"]
    command = [sys.executable, str(SCRIPT), *options, "--json", "--plots", str(tmp_path)]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert [row["deletions"] for row in rows] == [4, 8]
    assert rows[0]["share_forgotten"] < rows[1]["share_forgotten"] < 0.2
    assert rows[0]["auc_oracle"] != rows[1]["auc_oracle"]
    assert all(0 < row["seconds_median"] <= row["seconds_p95"] <= row["seconds_max"] for row in rows)
    assert (tmp_path / "stream-tiny.png").read_bytes().startswith(b"\x89PNG")
