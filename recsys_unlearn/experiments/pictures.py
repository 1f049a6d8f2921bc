"""The pictures of a benchmark: utility against what an attacker can tell, and what a deletion costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_unlearn.tracking.figures import BLUE, GREEN, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
MARKERS = {
    "original": ("X", ORANGE, 130),
    "retrain": ("*", GREEN, 260),
    "natural": ("D", BLUE, 90),
    "natural, one by one": ("s", "#56B4E9", 50),
}
OFF_THE_SCALE = ("no_op", "row_drop", "over_forgetting")  # the first two lie on the original


def draw(rows: Sequence[Row], directory: Path) -> None:
    """Write ``pareto-*.png`` and ``cost-*.png``, one of each per cohort and kind of readiness."""
    directory.mkdir(parents=True, exist_ok=True)
    for cohort in dict.fromkeys(row["cohort"] for row in rows):
        for readiness in dict.fromkeys(row["readiness"] for row in rows):
            chosen = [row for row in rows if (row["cohort"], row["readiness"]) == (cohort, readiness)]
            name = f"{rows[0]['dataset']}-{cohort}-{readiness}.png"
            pareto(chosen).savefig(directory / f"pareto-{name}")
            cost(chosen).savefig(directory / f"cost-{name}")


def pareto(rows: Sequence[Row]) -> "Figure":
    """Recall of the retained against membership AUC; the oracle is a star, the original a cross.

    Bars are 1.96 standard errors over seeds.
    """
    figure, axes = new_figure(
        f"{rows[0]['dataset']}: {rows[0]['users']} users forgotten", width=7.6, height=5.0
    )
    for name in dict.fromkeys(row["method"] for row in rows):
        if name in OFF_THE_SCALE:
            continue
        chosen = [row for row in rows if row["method"] == name]
        gap = np.array([row["auc"] - row["auc_oracle"] for row in chosen])
        kept = np.array(
            [100 * row["retained_recall@20"] / row["retained_recall@20_original"] for row in chosen]
        )
        marker, colour, size = MARKERS.get(name, ("o", GREY, 40))
        errors = [
            1.96 * each.std(ddof=1) / len(each) ** 0.5 if len(each) > 1 else 0.0 for each in (gap, kept)
        ]
        axes.errorbar(gap.mean(), kept.mean(), errors[1], errors[0], color=colour, lw=0.8, zorder=2)
        known = name if name in MARKERS else None
        axes.scatter(gap.mean(), kept.mean(), marker=marker, color=colour, s=size, zorder=3, label=known)
        if known is None:  # the rest lie close together and are told apart by the legend
            spot = (gap.mean(), kept.mean())
            axes.annotate(name, spot, xytext=(7, -9), textcoords="offset points", fontsize=8)
    axes.axvline(0, color=GREY, lw=0.6)
    axes.set_xlabel("membership AUC minus the oracle's: 0 is forgotten, right of it remembered")
    axes.set_ylabel("Recall@20 of the retained, % of the original's")
    axes.margins(x=0.14, y=0.12)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return figure


def cost(rows: Sequence[Row]) -> "Figure":
    """Seconds per forgotten user on a log scale, a retrain at the top."""
    methods = [
        name for name in dict.fromkeys(row["method"] for row in rows) if name not in ("original", "no_op")
    ]
    seconds = {
        name: float(
            np.mean([row["seconds_retrain" if name == "retrain" else "seconds_per_user"] for row in chosen])
        )
        for name in methods
        if (chosen := [row for row in rows if row["method"] == name])
    }
    order = sorted(seconds, key=lambda name: seconds[name])
    figure, axes = new_figure("What one deletion costs", width=7.6, height=0.32 * len(order) + 1.6)
    colours = [MARKERS.get(name, ("o", GREY, 0))[1] for name in order]
    axes.barh(order, [max(seconds[name], 1e-6) for name in order], color=colours, height=0.6)
    for place, name in enumerate(order):
        axes.annotate(f" {seconds[name]:.2g} s", (max(seconds[name], 1e-6), place), va="center", fontsize=8)
    axes.set(xscale="log", xlabel="seconds per forgotten user; a retrain serves any number")
    axes.margins(x=0.18)
    return figure


def sequence(rows: Sequence[Row]) -> "Figure":
    """Recall of those who stay, and membership AUC, along a stream of deletions; dashed is a retrain's."""
    figure, axes = new_figure(f"{rows[0]['dataset']}: one deletion after the other", width=7.6, height=4.4)
    other = axes.twinx()
    deletions = [row["deletions"] for row in rows]
    for place, key, oracle, colour, label in (
        (axes, "retained_recall@20", "retained_recall@20_oracle", BLUE, "Recall@20 of who stays"),
        (other, "auc", "auc_oracle", ORANGE, "membership AUC of who left"),
    ):
        place.plot(deletions, [row[key] for row in rows], color=colour, marker="o", lw=1.8)
        place.plot(deletions, [row[oracle] for row in rows], color=colour, marker="*", ls="--", lw=1.2)
        place.set_ylabel(label, color=colour)
    axes.set_ylim(0, 1.15 * max(row["retained_recall@20_oracle"] for row in rows))
    other.set_ylim(0.3, 0.9)
    axes.set_xlabel("deletions so far")
    return figure
