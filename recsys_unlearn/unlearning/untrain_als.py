"""Untrain ALS: sweeps over the retained data from where the model is, to where a retrain would end.

Xu, Sun, Yang, Yao & Wang, "Netflix and Forget" (2302.06676). ALS has a fixed point, and without a user it is
close by. The items, which hold the trace, are fitted anew first, then the users; and again. Plain sweeps
are slow in a few directions, so the path is extrapolated from its last steps (Anderson 1965; Walker & Ni
2011, "type II"): with x the user table, s(x) the table after a sweep and f = s(x) - x,

    x <- s(x) - Σ_j γ_j (Δx_j + Δf_j),    γ = argmin ‖f - Σ_j γ_j Δf_j‖
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.implicit_engines import Als
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner

SLOWEST = 0.95  # rate of shrinking beyond which no end is foreseen
_TINY = 1e-30


@dataclass(frozen=True)
class UntrainAls(Unlearner):
    """Accelerated warm-started sweeps.

    The result says how far the user table is from the fixed point, relative to its length: steps that shrink
    by a factor ρ come to d / (1 - ρ) after one of length d. It is an estimate, and for a model that was
    itself trained to its fixed point; one that was stopped early is first trained on by the sweeps.

    Parameters
    ----------
    sweeps
        At most so many.
    memory
        Steps that the path is extrapolated from.
    tolerance
        Stop when the estimated distance is smaller.
    """

    sweeps: int = 12
    memory: int = 5
    tolerance: float = 1e-4

    name = "untrain_als"
    guarantee = "heuristic"
    leaves_behind = "the rest of the way to the fixed point, at the distance that it reports"
    trains_again = True
    forgets_from = Als

    def _forget(
        self,
        recommender: Als,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        retained = interactions.without(request.forget_set)
        users = recommender.user_table.copy()
        users[retained.user_counts == 0] = 0
        start = swept = recommender.with_tables(users, recommender.item_table)
        item_users = sparse.csr_matrix(incidence(retained, dtype=np.float32).T)
        path = Path(self.memory)
        steps: list[float] = []
        while len(steps) < self.sweeps and not remaining(steps) < self.tolerance:
            swept = start.swept(item_users)
            ahead = path.extrapolated(start.user_table, swept.user_table)
            steps.append(_length(ahead - start.user_table) / max(_length(ahead), _TINY))
            start = swept.with_tables(ahead, swept.item_table)
        return ForgetResult.of_training(swept, retained, readiness is not None, remaining(steps))


def remaining(steps: list[float]) -> float:
    """How far it still is after steps of these lengths, at their rate; infinite for fewer than two."""
    if len(steps) < 2:
        return float("inf")
    rate = (steps[-1] / max(steps[0], _TINY)) ** (1 / (len(steps) - 1))
    return steps[-1] / (1 - min(rate, SLOWEST))


class Path:
    """The last steps of an iteration, and where they lead (Anderson acceleration).

    Parameters
    ----------
    memory
        How many steps are looked at.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.points: list[np.ndarray] = []
        self.moves: list[np.ndarray] = []

    def extrapolated(self, point: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Next point, float32, after one more step from ``point`` to ``image``."""
        self.points = [*self.points, point.ravel().astype(np.float64)][-self.memory - 1 :]
        self.moves = [*self.moves, (image.astype(np.float64) - point).ravel()][-self.memory - 1 :]
        if len(self.points) == 1:
            return image
        by_point, by_move = np.diff(self.points, axis=0), np.diff(self.moves, axis=0)
        # By the normal equations: m dot products instead of a decomposition of millions of numbers.
        weights = np.linalg.lstsq(by_move @ by_move.T, by_move @ self.moves[-1], rcond=1e-12)[0]
        ahead = self.points[-1] + self.moves[-1] - weights @ (by_point + by_move)
        return ahead.reshape(point.shape).astype(np.float32)


def _length(table: np.ndarray) -> float:
    return float(np.linalg.norm(table))
