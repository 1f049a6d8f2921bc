"""Train again only the shards that held what goes.

SISA (Bourtoule et al., 1912.03817) and RecEraser (Chen et al., 2201.06820): the shards of a
:class:`~recsys_unlearn.recommenders.sharded.Sharded` recommender never saw each other's data, so those that
did not hold the forgotten are what a retrain would make of them, to the byte. Attention over shards is
trained again.
"""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.sharded import Sharded
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner


@dataclass(frozen=True)
class Shards(Unlearner):
    """Exact for the partition as it is; a recommender in one piece is one shard, and is retrained whole."""

    name = "shards"
    guarantee = "exact"
    leaves_behind = "nothing in any vector; a learned partition was drawn while the forgotten were there"
    trains_again = True

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        retained = interactions.without(request.forget_set)
        left = _left_of(recommender, retained, request)
        return ForgetResult.of_training(left, retained, readiness is not None)


def _left_of(
    recommender: EmbeddingRecommender, retained: Interactions, request: ForgetRequest
) -> EmbeddingRecommender:
    if not isinstance(recommender, Sharded) or not recommender.is_whole:
        return recommender.retrain(retained)
    held = np.unique(recommender.partition.shard_of(request.forget_set))
    return recommender.without(retained, held.tolist(), request.accounts)
