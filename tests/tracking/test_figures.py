import numpy as np
import pytest

from recsys_unlearn.errors import InvalidValue
from recsys_unlearn.tracking.figures import recall_figure, roc, roc_figure, score_figure, tpr_at


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
    for draw in (
        lambda: score_figure(np.ones(3), np.array(scores)),
        lambda: roc_figure({"after": np.array(scores)}, np.ones(3)),
        lambda: roc_figure({"after": np.ones(3)}, np.array(scores)),
    ):
        with pytest.raises(InvalidValue, match="are empty or hold NaN"):
            draw()


def test_roc_by_hand():
    false, true = roc(np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0]))
    # thresholds 3, 2, 1, 0; the 2 of a member and the 2 of a stranger are passed together
    np.testing.assert_allclose(false, [0, 0, 1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(true, [0, 1 / 3, 2 / 3, 1, 1])
    assert np.trapezoid(true, false) == pytest.approx((1 / 3 + 2 / 3) / 2 / 2 + 1 / 2)


def test_tpr_never_uses_more_false_alarms_than_allowed():
    members, strangers = np.arange(50, 150), np.arange(100)
    false, true = roc(members, strangers)
    assert tpr_at(false, true, 0.01) == np.mean(members >= 99)
    assert tpr_at(false, true, 0.0) == np.mean(members > 99)
    assert tpr_at(false, true, 1.0) == 1


def test_roc_picture_is_log_log_with_the_diagonal_and_the_rate_read_off():
    strangers = np.arange(1000)
    figure = roc_figure({"before": np.arange(500, 1500), "after": strangers + 0.0}, strangers)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert labels(axes) == [
        "before: AUC 0.875, TPR at 1 % FPR 51.0 %",
        "after: AUC 0.500, TPR at 1 % FPR 1.0 %",
        "guessing",
    ]
    diagonal = next(line for line in axes.lines if line.get_label() == "guessing")
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    markers = [
        line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())
    ]
    np.testing.assert_allclose(markers, [(0.01, 0.51), (0.01, 0.01)])


def test_each_curve_may_have_its_own_strangers():
    scores = {"before": np.array([2.0]), "after": np.array([0.0])}
    (axes,) = roc_figure(scores, {"before": np.array([1.0]), "after": np.array([1.0])}).axes
    assert [text[:17] for text in labels(axes)[:2]] == ["before: AUC 1.000", "after: AUC 0.000,"]


def test_drawing_touches_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    score_figure(np.arange(20.0), np.arange(20.0))
    assert dict(matplotlib.rcParams) == before
    import sys

    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
