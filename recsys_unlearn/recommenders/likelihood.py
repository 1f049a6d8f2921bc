"""How likely a recommender finds each user's items."""

import numpy as np
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.contract import Given, Recommender
from recsys_unlearn.recommenders.geometry import Positives

USERS_PER_BATCH = 512


def mean_log_likelihood(
    recommender: Recommender | Given, interactions: Interactions, users: np.ndarray
) -> np.ndarray:
    """float64 (len(users),): mean of log p_ui over each user's items; every user must have some."""
    geometry = recommender.geometry
    means = [np.zeros(0)]
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        scores, positives = torch.from_numpy(recommender.scores(batch)), Positives.of(interactions, batch)
        now = geometry.terms(scores, scores[positives.owner, positives.item], positives.owner)
        sums = torch.zeros(len(batch)).double().index_add_(0, positives.owner, now.log_likelihood.double())
        means.append(sums.numpy() / interactions.user_counts[batch])
    return np.concatenate(means)
