"""Pictures of a deletion: utility kept, scores alike. Those of the attacks are in ``attack_figures``.

Figures are drawn on their own canvas, never through pyplot, so that nothing global changes and no
window opens. Colours are Okabe and Ito's (2008), which the colour-blind tell apart; lines differ in
style too.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_unlearn.errors import InvalidValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
DOTS_PER_INCH = 110
MOST_BINS, FEWEST_BINS = 40, 10
FEW = 15  # users; a histogram of so few is all gaps

Interval = tuple[float, float]


def recall_figure(
    before: Mapping[str, float],
    after: Mapping[str, float],
    before_intervals: Mapping[str, Interval] | None = None,
    after_intervals: Mapping[str, Interval] | None = None,
    title: str = "Utility of retained users",
) -> "Figure":
    """Bars of each metric before and after a deletion.

    Parameters
    ----------
    before, after
        Metric name to value, such as ``{"recall@20": 0.26}``; the names of ``before`` are shown.
    before_intervals, after_intervals
        Metric name to (low, high), drawn as whiskers where given.
    """
    figure, axes = new_figure(title)
    names = list(before)
    places = np.arange(len(names))
    _bars(axes, places - 0.19, [before[n] for n in names], names, before_intervals, GREY, "before")
    _bars(axes, places + 0.19, [after[n] for n in names], names, after_intervals, BLUE, "after")
    axes.set_xticks(places, names)
    axes.set_ylabel("mean over users")
    axes.margins(y=0.2)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.legend(loc="upper right", ncols=2, frameon=False)
    return figure


def score_figure(
    strangers: np.ndarray,
    forgotten_after: np.ndarray,
    forgotten_before: np.ndarray | None = None,
    score_name: str = "fold-in statistic",
    title: str = "Scores of forgotten users and of strangers",
) -> "Figure":
    """Densities of a membership score: after a deletion, the forgotten should look like strangers.

    Parameters
    ----------
    strangers, forgotten_after, forgotten_before
        float (n,), one score per user; the sizes may differ. Fewer than 15 are drawn as ticks.

    Raises
    ------
    InvalidValue
        If a group is empty or holds NaN.
    """
    given = [("strangers", strangers, GREY, "-"), ("forgotten, after", forgotten_after, BLUE, "-")]
    if forgotten_before is not None:
        given.append(("forgotten, before", forgotten_before, ORANGE, "--"))
    groups = [(name, checked(scores, name), colour, line) for name, scores, colour, line in given]
    edges = _edges([scores for _, scores, *_ in groups])
    figure, axes = new_figure(title)
    for position, (name, scores, colour, line) in enumerate(groups):
        label = f"{name} (n = {len(scores)})"
        if len(scores) < FEW:
            _ticks(axes, scores, colour, line, label, position)
        else:
            axes.stairs(*_density(scores, edges), color=colour, ls=line, lw=1.8, label=label)
            axes.stairs(*_density(scores, edges), color=colour, fill=True, alpha=0.15)
    axes.set(xlabel=score_name, ylabel="density", ylim=(0, None))
    axes.margins(y=0.1)
    axes.legend(loc="best", frameon=False)
    return figure


def new_figure(title: str, width: float = 6.4, height: float = 4.0) -> tuple["Figure", "Axes"]:
    """Return an empty figure on its own canvas, and its axes."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.97, top=0.9, bottom=0.14)  # constrained layout costs 0.1 s
    axes.set_title(title, loc="left", fontweight="bold", fontsize=11)
    return figure, axes


def _bars(
    axes: "Axes",
    places: np.ndarray,
    heights: list[float],
    names: list[str],
    intervals: Mapping[str, Interval] | None,
    colour: str,
    label: str,
) -> None:
    drawn = axes.bar(places, heights, 0.36, color=colour, label=label)
    axes.bar_label(drawn, fmt="{:.4f}", padding=3, fontsize=9)
    for place, height, name in zip(places, heights, names, strict=True):
        if intervals and name in intervals:
            low, high = intervals[name]
            reach = [[max(height - low, 0)], [max(high - height, 0)]]
            axes.errorbar(place, height, yerr=reach, color="black", capsize=4, lw=1.1)


def _ticks(axes: "Axes", scores: np.ndarray, colour: str, line: str, label: str, position: int) -> None:
    top = 0.35 + 0.1 * position  # of the axes' height; unequal, so that ticks on one spot are both seen
    transform = axes.get_xaxis_transform()
    axes.vlines(scores, 0, top, color=colour, ls=line, lw=2.2, transform=transform, label=label)


def _density(scores: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(scores, edges, density=True)[0], edges


def _edges(groups: list[np.ndarray]) -> np.ndarray:
    """Bins for all groups, as wide as the smallest that is drawn as a histogram can fill."""
    smallest = min((len(scores) for scores in groups if len(scores) >= FEW), default=FEW)
    bins = int(np.clip(3 * smallest ** (1 / 3), FEWEST_BINS, MOST_BINS))
    return np.linspace(*_span(np.concatenate(groups)), bins + 1)


def _span(scores: np.ndarray) -> tuple[float, float]:
    low, high = float(scores.min()), float(scores.max())
    pad = 0.03 * (high - low) or 0.5
    return low - pad, high + pad


def checked(scores: Any, name: str) -> np.ndarray:
    """float64 (n,), of values that can be drawn.

    Raises
    ------
    InvalidValue
        If there are none, or one is NaN.
    """
    values = np.asarray(scores, np.float64).ravel()
    if not len(values) or np.isnan(values).any():
        raise InvalidValue(f"the scores of {name!r} are empty or hold NaN; draw only what was measured")
    return values
