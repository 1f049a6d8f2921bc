"""How far a recommender is from the one that was trained without the forgotten.

Needs a retrain, so it is for benchmarks: they tell which method deserves to be trusted without one.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import top_k
from recsys_unlearn.recommenders.contract import Recommender


def local_residual(
    method: Recommender, oracle: Recommender, original: Recommender, users: np.ndarray
) -> float:
    """mean|p_method - p_oracle| / mean|p_original - p_oracle| over retained users (BOTA, 2026).

    p is the softmax of a user's scores over the catalogue. 0 is exact, 1 did nothing, above 1 is worse
    than nothing.
    """
    target = probabilities(oracle, users)
    moved = np.abs(probabilities(method, users) - target).mean()
    return float(moved / np.abs(probabilities(original, users) - target).mean())


def top_k_agreement(
    method: Recommender,
    oracle: Recommender,
    users: np.ndarray,
    k: int = 20,
    exclude: Interactions | None = None,
) -> float:
    """Mean share of the oracle's top k that is in the method's; put it beside :func:`agreement_floor`."""
    ours, theirs = (top_k(each, users, k, exclude) for each in (method, oracle))
    return float((ours[:, :, None] == theirs[:, None, :]).sum() / (len(users) * k))


def agreement_floor(
    oracles: Sequence[Recommender], users: np.ndarray, k: int = 20, exclude: Interactions | None = None
) -> float:
    """Mean top-k agreement of oracles that differ in the seed alone; no method need be above it.

    NaN with fewer than two oracles.
    """
    pairs = list(combinations(oracles, 2))
    found = [top_k_agreement(*pair, users, k, exclude) for pair in pairs]
    return float(np.mean(found)) if found else float("nan")


def tow(method: dict[str, float], oracle: dict[str, float]) -> float:
    """Tug of war: Π over forget, retain and test of 1 - |relative difference to the oracle|.

    RUM (2406.01257), section 4, with each side's figure relative to the oracle's. 1 is the oracle.
    """
    return float(np.prod(list(tow_factors(method, oracle).values())))


def tow_factors(method: dict[str, float], oracle: dict[str, float]) -> dict[str, float]:
    """The factors of :func:`tow`, by side: a product hides which of them fell."""
    return {side: 1 - abs(method[side] - oracle[side]) / oracle[side] for side in oracle}


def probabilities(recommender: Recommender, users: np.ndarray) -> np.ndarray:
    """float32 (len(users), n_items): softmax of the scores."""
    scores = recommender.scores(users)
    exponential = np.exp(scores - scores.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True)
