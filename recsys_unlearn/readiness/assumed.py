"""Readiness ``none``: what a deletion can know of the loss when training left nothing for it.

The tables and the items' counts are at hand, and nobody else's interactions are read: the same step in the
same time, without the measurement. It is what measured readiness has to beat.
"""

import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import LossSums
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender


def assumed(recommender: EmbeddingRecommender, interactions: Interactions) -> NaturalReadiness:
    """Curvature guessed from how many interactions everybody has: each presses once.

    No slope and no followers.
    """
    users = torch.from_numpy(recommender.user_table).double()
    counts = torch.from_numpy(interactions.item_counts).double()
    activity = torch.from_numpy(interactions.user_counts).double()
    nothing = torch.zeros_like(counts)
    sums = LossSums(
        gradient=torch.zeros(len(counts), users.shape[1]),
        positive=nothing,
        pressure=counts,
        radial=2 * recommender.geometry.regularization * counts,
        holders=counts,
        following=nothing,
        unfinished=torch.zeros(1, dtype=torch.float64),
        moment=(users * activity[:, None]).T @ users,
        weight=activity.sum()[None],
        users=(activity > 0).sum().double()[None],
        pairs=counts.sum()[None],
    )
    return NaturalReadiness(sums)
