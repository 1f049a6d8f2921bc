"""Can an attacker tell the forgotten from the strangers?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval; NaN where a side has no users."""

    value: float
    low: float
    high: float


def membership_auc(members: np.ndarray, strangers: np.ndarray) -> float:
    """Chance that a random member's statistic exceeds a random stranger's, ties counting half.

    The area under the attacker's ROC curve (Mann-Whitney U / n m); 0.5 is indistinguishable.
    """
    if not len(members) or not len(strangers):
        return float("nan")
    ordered = np.sort(strangers)
    below = np.searchsorted(ordered, members, side="left")
    not_above = np.searchsorted(ordered, members, side="right")
    return float((below + not_above).mean() / (2 * len(ordered)))


def auc_estimate(members: np.ndarray, strangers: np.ndarray, generator: np.random.Generator) -> Estimate:
    """Membership AUC; users of both sides are resampled."""
    return _bootstrap(membership_auc, members, strangers, generator)


def gap_estimate(members: np.ndarray, strangers: np.ndarray, generator: np.random.Generator) -> Estimate:
    """Mean of the members minus mean of the strangers; users of both sides are resampled."""
    return _bootstrap(_mean_gap, members, strangers, generator)


def mean_estimate(values: np.ndarray, generator: np.random.Generator) -> Estimate:
    """Mean of one side; its users are resampled."""
    if not len(values):
        return Estimate(*[float("nan")] * 3)
    means = [generator.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))


def percentiles(members: np.ndarray, strangers: np.ndarray) -> np.ndarray:
    """Each member's place among the strangers, in (0, 1); near 1 remembered, near 0 over-forgotten."""
    ordered = np.sort(strangers)
    below = np.searchsorted(ordered, members, side="left") + np.searchsorted(ordered, members, side="right")
    return (below / 2 + 0.5) / (len(ordered) + 1)


def two_sided(places: np.ndarray) -> np.ndarray:
    """Chance that a stranger lies as far out, on either side, as each of ``places`` (percentiles).

    Small for the remembered and for the over-forgotten alike.
    """
    return 2 * np.minimum(places, 1 - places)


def _mean_gap(members: np.ndarray, strangers: np.ndarray) -> float:
    return float(members.mean() - strangers.mean()) if len(members) and len(strangers) else float("nan")


def _bootstrap(
    figure: Callable[[np.ndarray, np.ndarray], float],
    members: np.ndarray,
    strangers: np.ndarray,
    generator: np.random.Generator,
) -> Estimate:
    value = figure(members, strangers)
    if np.isnan(value):
        return Estimate(value, value, value)
    draws = [
        figure(generator.choice(members, len(members)), generator.choice(strangers, len(strangers)))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
