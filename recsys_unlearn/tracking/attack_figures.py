"""Pictures of what an attacker can tell: ROC curves, relearning, and who pays for the deletion.

All are functions of arrays that the audit measured; drawn like :mod:`recsys_unlearn.tracking.figures`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from recsys_unlearn.tracking.figures import BLUE, GREEN, GREY, ORANGE, Interval, checked, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FALSE_ALARMS = 0.01  # the rate at which the true-positive rate is read off
PURPLE = "#CC79A7"
STYLES = ((ORANGE, "--"), (BLUE, "-"), (GREEN, "-."), (PURPLE, ":"))

Curve = tuple[np.ndarray, np.ndarray]
"""False- and true-positive rates, ascending from (0, 0) to (1, 1)."""


def roc_figure(
    curves: Mapping[str, Curve],
    title: str = "Telling the forgotten from strangers",
    scale: Literal["log", "linear"] = "log",
) -> "Figure":
    """ROC of membership attacks, with the diagonal of guessing and TPR at 1 % FPR.

    Parameters
    ----------
    curves
        Name, as ``"before"`` and ``"after"``, to the rates; at most four.
    scale
        Of both axes. ``log`` shows what an attacker is sure of, ``linear`` the area.

    Raises
    ------
    InvalidValue
        If a curve is empty or holds NaN.
    """
    figure, axes = new_figure(title, width=5.6, height=5.0)
    floor = FALSE_ALARMS / 2
    for (name, (false, true)), (colour, line) in zip(curves.items(), STYLES, strict=False):
        false, true = checked(false, name), checked(true, name)
        floor = min(floor, *(rates[rates > 0].min(initial=1.0) for rates in (false, true)))
        at = true[np.searchsorted(false, FALSE_ALARMS, side="right") - 1]
        axes.plot(false, true, color=colour, ls=line, lw=1.8, drawstyle="steps-post")
        axes.plot(FALSE_ALARMS, max(at, 1e-9), "o", color=colour, ms=6, clip_on=True)
        label = f"{name}: AUC {np.trapezoid(true, false):.3f}, TPR at 1 % FPR {100 * at:.1f} %"
        axes.plot([], [], color=colour, ls=line, lw=1.8, marker="o", label=label)
    low = floor if scale == "log" else 0
    axes.plot([low, 1], [low, 1], color=GREY, ls=":", lw=1.2, label="guessing")
    axes.axvline(FALSE_ALARMS, color=GREY, lw=0.6)
    axes.set(xscale=scale, yscale=scale, xlim=(low, 1), ylim=(low, 1.15 if scale == "log" else 1.02))
    axes.set(xlabel="strangers taken for members (FPR)", ylabel="members found (TPR)")
    axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none", fontsize=9)
    return figure


def relearning_figure(
    steps: Sequence[int],
    curves: Mapping[str, np.ndarray],
    strangers: np.ndarray | None = None,
    statistic: str = "fold-in log-likelihood of the forgotten",
    title: str = "Relearning: does the memory snap back?",
) -> "Figure":
    """Mean statistic after each number of training steps, with a 95 % band over users.

    Parameters
    ----------
    steps
        (s,), ascending, from 0.
    curves
        Name, as ``"oracle"`` and ``"method"``, to float (s, n): one value per step and user.
    strangers
        float (s, m): the control, people whom nobody was ever trained on.

    Raises
    ------
    InvalidValue
        If a curve is empty or holds NaN.
    """
    figure, axes = new_figure(title, width=8)
    given = list(zip(curves.items(), STYLES, strict=False))
    if strangers is not None:
        given.append((("strangers", strangers), (GREY, ":")))
    for (name, values), (colour, line) in given:
        _banded(axes, steps, values, name, colour, line)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(list(steps), [str(step) for step in steps])
    axes.set(xlabel="training steps", ylabel=statistic)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    figure.subplots_adjust(right=0.78)  # the legend stands beside the bands, which leave no room
    return figure


def harm_figure(
    changes: Sequence[float],
    intervals: Sequence[Interval],
    labels: Sequence[str],
    grouped_by: str = "similarity to the forgotten, tenths of the retained users",
    metric: str = "NDCG@20",
    title: str = "Who pays for the deletion",
) -> "Figure":
    """Change of quality of each group, after minus before, with intervals; the worst group is marked.

    Raises
    ------
    InvalidValue
        If there are no changes, or one is NaN.
    """
    heights = checked(changes, "changes")
    figure, axes = new_figure(title)
    places = np.arange(len(heights))
    colours = [ORANGE if place == heights.argmin() else BLUE for place in places]
    reach = np.abs(np.asarray(intervals).T - heights)
    axes.bar(places, heights, 0.7, color=colours, yerr=reach, ecolor="black", capsize=3)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xticks(places, labels, fontsize=8, rotation=30)
    figure.subplots_adjust(bottom=0.2)
    axes.set(xlabel=grouped_by, ylabel=f"change of {metric}")
    return figure


def _banded(
    axes: "Axes", steps: Sequence[int], values: np.ndarray, name: str, colour: str, line: str
) -> None:
    checked(values, name)
    mean = values.mean(axis=1)
    half = 1.96 * values.std(axis=1) / np.sqrt(values.shape[1])
    axes.plot(steps, mean, color=colour, ls=line, lw=1.8, marker="o", ms=4, label=name)
    axes.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
