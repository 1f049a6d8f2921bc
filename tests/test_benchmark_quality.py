"""The quality benchmark runs small, ours and peers side by side, and its peers are what their papers say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recsys_unlearn.interactions.contract import Interactions

PIPELINES = Path(__file__).parents[1] / "pipelines"


@pytest.fixture
def split(tmp_path):
    """40 users of four tastes, 40 items: whoever learns the tastes finds the test items."""
    draw = np.random.default_rng(3)
    for name, part in (("train.txt", slice(7)), ("test.txt", slice(7, 9))):
        draw = np.random.default_rng(3)
        lists = [draw.permutation(np.arange(user % 4, 40, 4))[part] for user in range(40)]
        lines = [" ".join(map(str, [user, *items])) for user, items in enumerate(lists)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture(scope="module")
def peers():
    sys.path.insert(0, str(PIPELINES))
    import peers

    yield peers
    sys.path.remove(str(PIPELINES))


def run(*options):
    command = [sys.executable, str(PIPELINES / "benchmark_quality.py"), "--threads", "1", *map(str, options)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_models_and_peers_are_put_side_by_side(split, tmp_path):
    out, picture = tmp_path / "rows.json", tmp_path / "picture.png"
    printed = run(
        *("--dataset", split, "--models", "low_rank_ease", "--peers", "implicit_als"),
        *("--passes", 2, "--curve", "--out", out, "--plot", picture, "--set", "low_rank_ease.dim=6"),
    )
    report = json.loads(out.read_text())
    rows = {row["model"]: row for row in report["rows"]}
    keys = {"dataset", "model", "library", "recall@20", "ndcg@20", "seconds_fit", "seconds_total"}
    assert all(keys | {"peak_memory_mb", "cpu_seconds_fit"} <= set(row) for row in rows.values())
    assert {row["library"] for row in rows.values()} == {"recsys_unlearn", "implicit"}
    assert rows["low_rank_ease"]["recall@20"] == 1.0  # ten items of a taste, seven of them had
    assert [point["passes"] for point in report["curve"]["implicit_als"]] == [1, 2]
    assert "low_rank_ease" in report["seconds_to_recall"]["best of implicit_als"]
    assert "seconds to recall best of implicit_als" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_does_not_fit_says_so_and_the_rest_goes_on(peers, monkeypatch):
    monkeypatch.setattr(peers, "EASE_LARGEST", 3)
    train = Interactions.from_pairs([0, 1], [0, 3], 2, 4)
    with pytest.raises(MemoryError, match="4 items squared do not fit; EASE takes at most 3"):
        peers.ease(train, None, 1)


@pytest.fixture
def train():
    draw = np.random.default_rng(5)
    return Interactions.from_pairs(draw.integers(0, 30, 200), draw.integers(0, 20, 200), 30, 20)


def dense(train):
    matrix = np.zeros((train.n_users, train.n_items))
    matrix[train.users, train.items] = 1
    return matrix


def test_ease_is_the_constrained_least_squares(peers, train, monkeypatch):
    monkeypatch.setattr(peers, "EASE_REGULARIZATION", 2.0)
    x = dense(train)
    expected = np.zeros((20, 20))
    for item in range(20):
        others = np.delete(np.arange(20), item)
        gram = x[:, others].T @ x[:, others] + 2.0 * np.eye(19)
        expected[others, item] = np.linalg.solve(gram, x[:, others].T @ x[:, item])
    np.testing.assert_allclose(peers.ease(train, None, 1).scores(np.arange(30)), x @ expected, atol=1e-4)


def test_gf_cf_is_its_formula(peers, train, monkeypatch):
    monkeypatch.setattr(peers, "GF_CF", {"rank": 5, "weight": 0.3})
    x = dense(train)
    users, items = np.maximum(x.sum(1), 1), np.maximum(x.sum(0), 1)
    normal = x / np.sqrt(users[:, None] * items)
    right = np.linalg.svd(normal)[2][:5]
    expected = x @ normal.T @ normal + 0.3 * x @ (right.T @ right / np.sqrt(items)[:, None] * np.sqrt(items))
    np.testing.assert_allclose(peers.gf_cf(train, None, 1).scores(np.arange(30)), expected, atol=1e-4)


def test_popularity_is_the_same_for_everybody(peers, train):
    scores = peers.popularity(train, None, 1).scores(np.array([0, 7]))
    assert np.array_equal(scores, [train.item_counts] * 2)


def test_help_ends_with_an_example():
    assert (
        run("--help").strip().splitlines()[-1].startswith("    python pipelines/benchmark_quality.py --data")
    )
