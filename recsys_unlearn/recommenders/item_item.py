"""Recommenders without user vectors: a score is a sum over the items of a history."""

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recsys_unlearn.errors import StoreError, UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.contract import Given, Recommender
from recsys_unlearn.recommenders.incidence import incidence


class ItemItemRecommender(Recommender):
    """A recommender of item-item weights, a function of sums over the users; users can be taken out.

    Attributes
    ----------
    in_use
        Bool (n_users,): rows whose interactions are in the sums.
    rounding
        Largest difference between the weights after :meth:`without` and a retrain's; 0: the same bytes.
    """

    forgets_by = "exact"
    rounding: ClassVar[float] = 0.0
    in_use: np.ndarray

    @property
    def members(self) -> np.ndarray:
        """Bool (n_users,): :attr:`in_use`."""
        return self.in_use

    def scores(self, users: np.ndarray, histories: Interactions | None = None) -> np.ndarray:
        """float32 (len(users), n_items): the weights of each user's items in ``histories``, summed.

        Raises
        ------
        UsageError
            Without ``histories``.
        StoreError
            If they are over another catalogue.
        """
        if histories is None:
            raise UsageError(f"{self.name!r} has no user vectors: give the histories that it shall score")
        if histories.n_items != self.n_items:
            raise StoreError(
                f"the recommender has {self.n_items} items and the histories {histories.n_items}: they are "
                "not of one data set; train a version on this store"
            )
        return self.summed(incidence(histories, np.asarray(users))).astype(np.float32)

    def folded_in(self, histories: Interactions) -> Given:
        """Score the histories: members and strangers are known in the same way."""
        return self.given(histories)

    @abstractmethod
    def summed(self, rows: sparse.csr_matrix) -> np.ndarray:
        """Product (n, n_items) of histories (n, n_items) and weights (n_items, n_items)."""

    @abstractmethod
    def without(self, forget_set: Interactions, retained: Interactions, in_place: bool = False) -> Self:
        """Return the recommender of ``retained`` alone, given this one of both.

        ``self`` stays, unless it may be changed ``in_place``.
        """

    def _in_use_without(self, retained: Interactions) -> np.ndarray:
        return self.in_use & (retained.user_counts > 0)


def check_in_use(in_use: np.ndarray) -> None:
    """Raise ValueError unless it is one bool for each user row."""
    if in_use.ndim != 1 or in_use.dtype != bool:
        raise ValueError("in_use is not a list of true and false")
