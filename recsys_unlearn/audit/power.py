"""How often does the audit find what is there, and how often what is not?

An audit that lets a no-op pass, or that cries wolf at a retrain, measures nothing. Power and false-alarm
rate are counted over repetitions of the draw of cohort and strangers. Repetitions cost trainings, and a ring
makes each of them count three times:

    users in random order fall into n groups; model j is trained without groups j and j + 1

Model j is then a *retrain* for the cohort j with strangers j + 1: neither was seen. And model j + 1 is an
*original* for the same draw: cohort j was seen, strangers j + 1 were not. So n trainings give n draws of
both kinds, with n disjoint cohorts. Draws j and j + 1 share a group in different roles; their errors are
correlated, negatively, since who is too easy as a stranger is too easy as forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from recsys_unlearn.randomness import generator, keyed_uniform, stream_key


@dataclass(frozen=True)
class Rate:
    """How often the audit flagged a version, with the exact 95 % interval (Clopper & Pearson, 1934)."""

    flagged: int
    repetitions: int

    @property
    def value(self) -> float:
        """Share of the repetitions; NaN without any."""
        return self.flagged / self.repetitions if self.repetitions else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Between these the true rate lies; of 20 flags in 20, from .83 to 1."""
        hits, misses = self.flagged, self.repetitions - self.flagged
        low = beta.ppf(0.025, hits, misses + 1) if hits else 0.0
        high = beta.ppf(0.975, hits + 1, misses) if misses else 1.0
        return float(low), float(high)

    @classmethod
    def of(cls, flags: Sequence[bool]) -> "Rate":
        """Count."""
        return cls(sum(map(bool, flags)), len(flags))


@dataclass(frozen=True, eq=False)
class Draw:
    """One repetition.

    Parameters
    ----------
    forgotten, strangers
        int64: user rows.
    original, retrained
        Numbers of the ring's models that saw, and that did not see, the forgotten; none saw the strangers.
    """

    forgotten: np.ndarray
    strangers: np.ndarray
    original: int
    retrained: int


def ring(users: np.ndarray, share: float = 0.05, seed: int = 0) -> list[np.ndarray]:
    """Groups of about ``share`` of the users each, disjoint, in the order of the ring."""
    order = users[np.argsort(keyed_uniform(stream_key(seed, "audit groups"), users))]
    return [np.sort(group) for group in np.array_split(order, round(1 / share))]


def left_out(groups: Sequence[np.ndarray], model: int) -> np.ndarray:
    """Users whom the ring's ``model`` is trained without."""
    return np.concatenate([groups[model], groups[(model + 1) % len(groups)]])


def draws(groups: Sequence[np.ndarray], models: Sequence[int] | None = None) -> list[Draw]:
    """Every repetition whose two models are among ``models``; by default all of the ring."""
    count = len(groups)
    have = set(range(count)) if models is None else set(models)
    whole = [(j, (j + 1) % count) for j in range(count)]
    return [Draw(groups[j], groups[k], k, j) for j, k in whole if {j, k} <= have]


def resplit(unseen: np.ndarray, number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split users whom one model never saw into a mock cohort and strangers, at random.

    For a retrain the two roles are exchangeable, so the rate at which re-splits are flagged is the false-
    alarm rate *given this model and these users*: repetitions of the draw within them, not of the training.
    """
    order = generator(seed, "resplit", number).permutation(np.sort(unseen))
    half = len(order) // 2
    return np.sort(order[:half]), np.sort(order[half:])
