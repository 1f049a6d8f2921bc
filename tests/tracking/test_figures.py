import numpy as np
import pytest

from recsys_unlearn.errors import InvalidValue
from recsys_unlearn.tracking.figures import recall_figure, score_figure


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_bars_have_the_heights_and_whiskers_given():
    figure = recall_figure(
        {"recall@20": 0.25, "ndcg@20": 0.2},
        {"recall@20": 0.24, "ndcg@20": 0.21},
        after_intervals={"recall@20": (0.23, 0.26)},
    )
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0.25, 0.2, 0.24, 0.21]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["recall@20", "ndcg@20"]
    assert labels(axes) == ["before", "after"]
    whiskers = [c for c in axes.collections if len(c.get_segments())]
    assert [tuple(segment[:, 1]) for segment in whiskers[0].get_segments()] == [(0.23, 0.26)]


def test_scores_of_many_are_densities_and_of_few_are_ticks():
    generator = np.random.default_rng(0)
    figure = score_figure(
        generator.normal(size=500), np.array([0.5]), generator.normal(2, 1, 100), "gap in nats"
    )
    (axes,) = figure.axes
    assert axes.get_xlabel() == "gap in nats"
    assert labels(axes) == ["strangers (n = 500)", "forgotten, after (n = 1)", "forgotten, before (n = 100)"]
    stairs = [patch for patch in axes.patches if not patch.get_fill()]
    for patch in stairs:
        values, edges, _ = patch.get_data()
        assert np.sum(values * np.diff(edges)) == pytest.approx(1)
    assert len(stairs) == 2


def test_equal_scores_are_still_drawn(tmp_path):
    score_figure(np.zeros(30), np.zeros(30)).savefig(tmp_path / "flat.png")
    assert (tmp_path / "flat.png").stat().st_size > 5000


@pytest.mark.parametrize("scores", [[], [1.0, np.nan]])
def test_what_was_not_measured_is_not_drawn(scores):
    with pytest.raises(InvalidValue, match="are empty or hold NaN"):
        score_figure(np.ones(3), np.array(scores))


def test_drawing_touches_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    score_figure(np.arange(20.0), np.arange(20.0))
    assert dict(matplotlib.rcParams) == before
    import sys

    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
