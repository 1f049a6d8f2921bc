"""How far a recommender is from the one that was trained without the forgotten.

Needs a retrain, so it is for benchmarks: they tell which method deserves to be trusted without one.
"""

import numpy as np

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


def top_k_agreement(method: Recommender, oracle: Recommender, users: np.ndarray, k: int = 20) -> float:
    """Mean share of the oracle's top k that is in the method's; compare it with two oracle seeds."""
    pairs = zip(method.recommend(users, k)[0], oracle.recommend(users, k)[0], strict=True)
    return float(np.mean([len(np.intersect1d(ours, theirs)) / k for ours, theirs in pairs]))


def tow(method: dict[str, float], oracle: dict[str, float]) -> float:
    """Tug of war: Π over forget, retain and test of 1 - |relative difference to the oracle|.

    RUM (2406.01257), section 4, with each side's figure relative to the oracle's. 1 is the oracle.
    """
    return float(np.prod([1 - abs(method[side] - oracle[side]) / oracle[side] for side in oracle]))


def probabilities(recommender: Recommender, users: np.ndarray) -> np.ndarray:
    """float32 (len(users), n_items): softmax of the scores."""
    scores = recommender.scores(users)
    exponential = np.exp(scores - scores.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True)
