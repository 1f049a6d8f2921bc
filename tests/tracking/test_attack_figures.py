import numpy as np
import pytest

from recsys_unlearn.errors import InvalidValue
from recsys_unlearn.tracking.attack_figures import harm_figure, relearning_figure, roc_figure

DIAGONAL = np.array([0.0, 0.01, 1.0])
SHARP = np.array([0.0, 0.0, 0.01, 1.0]), np.array([0.0, 0.3, 0.51, 1.0])


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_roc_has_the_diagonal_and_the_rate_read_off(scale):
    (axes,) = roc_figure({"before": SHARP, "after": (DIAGONAL, DIAGONAL)}, scale=scale).axes
    assert (axes.get_xscale(), axes.get_yscale()) == (scale, scale)
    area = 0.01 * (0.3 + 0.51) / 2 + 0.99 * (0.51 + 1) / 2
    assert labels(axes) == [
        f"before: AUC {area:.3f}, TPR at 1 % FPR 51.0 %",
        "after: AUC 0.500, TPR at 1 % FPR 1.0 %",
        "guessing",
    ]
    diagonal = next(line for line in axes.lines if line.get_label() == "guessing")
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    dots = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    np.testing.assert_allclose(dots, [(0.01, 0.51), (0.01, 0.01)])


def test_the_axes_reach_down_to_the_smallest_rate():
    false = np.array([0.0, 1e-4, 1.0])
    (axes,) = roc_figure({"after": (false, false)}).axes
    assert axes.get_xlim()[0] == pytest.approx(1e-4)
    (axes,) = roc_figure({"after": (DIAGONAL, DIAGONAL)}).axes
    assert axes.get_xlim()[0] == pytest.approx(0.005)


def test_relearning_is_a_mean_with_a_band():
    draw = np.random.default_rng(0)
    method, oracle, strangers = draw.normal(size=(3, 4, 25))
    steps = (0, 1, 10, 100)
    (axes,) = relearning_figure(steps, {"natural": method, "oracle": oracle}, strangers).axes
    assert labels(axes) == ["natural", "oracle", "strangers"]
    for line, values in zip(axes.lines, (method, oracle, strangers), strict=True):
        assert line.get_xdata().tolist() == list(steps)
        np.testing.assert_allclose(line.get_ydata(), values.mean(axis=1))
    band = axes.collections[0].get_paths()[0].vertices
    half = 1.96 * method[0].std() / 5
    assert band[:, 1].max() >= method[0].mean() + half - 1e-9
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "1", "10", "100"]


def test_harm_marks_the_worst_group():
    changes, intervals = [0.0, -0.02, 0.01], [(-0.01, 0.01), (-0.03, -0.01), (0.0, 0.02)]
    (axes,) = harm_figure(changes, intervals, ["a", "b", "c"]).axes
    bars = axes.patches
    assert [bar.get_height() for bar in bars] == changes
    colours = [bar.get_facecolor() for bar in bars]
    assert colours[0] == colours[2] != colours[1]
    whiskers = axes.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in whiskers], intervals)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("values", [[], [0.5, np.nan]])
def test_what_was_not_measured_is_not_drawn(values):
    for draw in (
        lambda: roc_figure({"after": (np.array(values), DIAGONAL)}),
        lambda: roc_figure({"after": (DIAGONAL, np.array(values))}),
        lambda: relearning_figure((0, 1), {"natural": np.array(values)}),
        lambda: harm_figure(values, [], []),
    ):
        with pytest.raises(InvalidValue, match="are empty or hold NaN"):
            draw()
