"""Take the users out of the sums that the model is made of: exact, where the mathematics allows it."""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.item_item import ItemItemRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner


@dataclass(frozen=True)
class Exact(Unlearner):
    """What a retrain would give, at the cost of the users' own histories.

    The model knows how: EASE updates its inverse, item-kNN subtracts counts.

    Parameters
    ----------
    in_place
        The recommender that was given may be changed, and is not to be used again: then EASE's inverse is
        not copied.
    """

    in_place: bool = False

    name = "exact"
    guarantee = "exact"
    leaves_behind = "nothing; the hyper-parameters were chosen while the forgotten were there"
    forgets_from = ItemItemRecommender

    def _forget(
        self,
        recommender: ItemItemRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        left = recommender.without(
            request.forget_set, interactions.without(request.forget_set), self.in_place
        )
        return ForgetResult(left, None, np.arange(recommender.n_items), request.users)
