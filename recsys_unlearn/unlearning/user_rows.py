"""The user table after a deletion: rows that go, and rows that are fitted anew."""

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.softmax import geometry_of
from recsys_unlearn.unlearning.contract import ForgetRequest


def without_forgotten_rows(
    recommender: EmbeddingRecommender,
    interactions: Interactions,
    request: ForgetRequest,
    item_table: np.ndarray,
    in_place: bool = False,
) -> np.ndarray:
    """User table in which accounts that go are zeros and users who lose items start from scratch.

    A user who stays is folded in from the items that remain, under the corrected ``item_table``:
    their old vector, which the forgotten items shaped, is not looked at.

    Parameters
    ----------
    in_place
        Change the recommender's own table, whose other rows are then not even copied.
    """
    table = recommender.user_table if in_place else recommender.user_table.copy()
    table[request.accounts] = 0
    partial = request.partial_users
    if len(partial):
        remaining = interactions.of_users(partial).without(request.forget_set)
        table[partial] = fold_in(item_table, remaining, partial, geometry_of(recommender))
    return table
