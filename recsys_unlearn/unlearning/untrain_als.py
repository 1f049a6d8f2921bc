"""Untrain ALS: from where the model is to where a retrain without the forgotten would end.

Xu, Sun, Yang, Yao & Wang, "Netflix and Forget" (2302.06676). ALS has a fixed point, and without a user it is
close by. A model that was trained to its own goes there by Newton steps (:mod:`.als_newton`). Any other goes
on with sweeps, as its training would: the items, which hold the trace, are fitted anew first, then the users;
and again. Plain sweeps are slow in a few directions, so the path is extrapolated from its last steps
(Anderson 1965; Walker & Ni 2011, "type II"): with x the user table, s(x) the table after a sweep and
f = s(x) - x,

    x <- s(x) - Σ_j γ_j (Δx_j + Δf_j),    γ = argmin ‖f - Σ_j γ_j Δf_j‖
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.implicit_engines import Als
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.unlearning.als_newton import AlsLoss, Tables, length, newton
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner

SLOWEST = 0.95  # rate of shrinking beyond which no end is foreseen
SETTLED = 2e-6  # imbalance below which it is a fixed point's; rounding and Newton steps leave a third of it
LARGEST = 2**31  # bytes of the inverses that Newton steps need, d x d for every user and item
FINEST = 1e-5  # tolerance of Newton steps: shorter ones may be those of rounding to float32, without an end
_TINY = 1e-30


@dataclass(frozen=True)
class UntrainAls(Unlearner):
    """Newton steps from a fixed point, else accelerated warm-started sweeps.

    The result says how far the scores are from the fixed point's, relative to their length: after Newton
    steps the length of the last one, which is more than what is left but for rounding, some 5e-6. Sweeps give
    an estimate: steps that shrink by a factor ρ come to d / (1 - ρ) after one of length d. (The tables go on
    turning after the scores have settled.) A model that was stopped early is first trained on by them.

    Parameters
    ----------
    sweeps
        At most so many.
    memory
        Steps that the path of sweeps is extrapolated from.
    tolerance
        Stop when the estimated distance is smaller; Newton steps at :data:`FINEST` at the latest.
    newton_steps
        At most so many; 0 for sweeps alone. Sweeps also take over where these steps do not shrink.
    """

    sweeps: int = 12
    memory: int = 5
    tolerance: float = 1e-4
    newton_steps: int = 8

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
        retained, found = interactions.without(request.forget_set), None
        if self.newton_steps and is_settled(recommender, interactions):
            found = self._by_newton(recommender, retained)
        model, distance = found or self._by_sweeps(recommender, retained)
        return ForgetResult.of_training(model, retained, readiness is not None, distance)

    def _by_newton(self, recommender: Als, retained: Interactions) -> tuple[Als, float] | None:
        items = torch.from_numpy(recommender.item_table)
        tolerance = max(self.tolerance, FINEST)
        found = newton(loss_of(recommender, retained), items, tolerance, self.newton_steps)
        if found is None:
            return None
        tables, distance = found
        return recommender.with_tables(tables.users.numpy(), tables.items.numpy()), distance

    def _by_sweeps(self, recommender: Als, retained: Interactions) -> tuple[Als, float]:
        users = recommender.user_table.copy()
        users[retained.user_counts == 0] = 0
        start = swept = recommender.with_tables(users, recommender.item_table)
        steps: list[float] = []
        for model, step in islice(accelerated_sweeps(start, retained, self.memory), self.sweeps):
            swept = model
            steps.append(step)
            if remaining(steps) < self.tolerance:
                break
        return swept, remaining(steps)


def loss_of(recommender: Als, interactions: Interactions) -> AlsLoss:
    """Return the loss that ``recommender`` is trained by."""
    return AlsLoss(interactions, recommender.options.confidence, recommender.options.regularization)


def is_settled(recommender: Als, interactions: Interactions) -> bool:
    """Whether Newton steps can start: at a fixed point of ``interactions``, penalised, and not too large."""
    users, items = recommender.user_table, recommender.item_table
    inverses = (len(users) + len(items)) * 4 * items.shape[1] ** 2
    if not recommender.options.regularization or inverses > LARGEST:
        return False
    tables = Tables(torch.from_numpy(users), torch.from_numpy(items))
    return loss_of(recommender, interactions).imbalance(tables) < SETTLED


def accelerated_sweeps(start: Als, interactions: Interactions, memory: int) -> Iterator[tuple[Als, float]]:
    """Yield the model after each sweep, without end, and its score distance from the one before."""
    item_users, path = sparse.csr_matrix(incidence(interactions, dtype=np.float32).T), SweepPath(memory)
    swept = start
    while True:
        before, swept = swept, start.swept(item_users)
        yield swept, score_distance(before, swept)
        start = swept.with_tables(path.extrapolated(start.user_table, swept.user_table), swept.item_table)


def score_distance(one: EmbeddingRecommender, other: EmbeddingRecommender) -> float:
    """‖X Yᵀ - X' Y'ᵀ‖ / ‖X' Y'ᵀ‖ over all users and items; from the tables' d x d products, to some 1e-8."""
    sides = ((one.user_table, -other.user_table), (one.item_table, other.item_table))
    both = (torch.from_numpy(np.hstack(side)) for side in sides)  # whose scores are the difference
    return length(*both) / max(length(*map(torch.from_numpy, (other.user_table, other.item_table))), _TINY)


def remaining(steps: list[float]) -> float:
    """How far it still is after steps of these lengths; infinite for fewer than two.

    At the rate of all steps but the first, which goes where it is steep.
    """
    if len(steps) < 2:
        return float("inf")
    later = steps[1:] if len(steps) > 2 else steps
    rate = (later[-1] / max(later[0], _TINY)) ** (1 / (len(later) - 1))
    return steps[-1] / (1 - min(rate, SLOWEST))


class SweepPath:
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
