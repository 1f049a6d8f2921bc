"""What every unlearner is: old state and a forget set in, new state out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.contract import Recommender

Guarantee = Literal["exact", "approximate with a bound", "heuristic", "control"]


@dataclass(frozen=True)
class ForgetRequest:
    """What must be forgotten, as rows.

    Parameters
    ----------
    forget_set
        The training pairs that go: all pairs of each account, or some items of a user who stays.
    accounts
        int64, ascending: user rows that go altogether.
    """

    forget_set: Interactions
    accounts: np.ndarray

    @classmethod
    def of_accounts(cls, train: Interactions, accounts: np.ndarray) -> "ForgetRequest":
        """Ask for whole accounts."""
        return cls(train.of_users(accounts), np.unique(accounts).astype(np.int64))

    @classmethod
    def of_pairs(cls, pairs: Interactions) -> "ForgetRequest":
        """Ask for single interactions; their users stay."""
        return cls(pairs, np.zeros(0, np.int64))

    def within(self, interactions: Interactions) -> "ForgetRequest":
        """Leave out what is not among ``interactions``."""
        present = interactions.user_counts > 0
        held = self.forget_set.where(interactions.holds(self.forget_set))
        return ForgetRequest(held, self.accounts[present[self.accounts]])

    @property
    def partial_users(self) -> np.ndarray:
        """int64: users who lose items and stay."""
        return np.setdiff1d(self.forget_set.active_users, self.accounts)

    @property
    def users(self) -> np.ndarray:
        """int64: everybody concerned, whether they go or stay."""
        return np.union1d(self.accounts, self.forget_set.active_users)


@dataclass(frozen=True)
class ForgetResult:
    """The state after a deletion; the state before it is untouched.

    Parameters
    ----------
    recommender, readiness
        New objects. Readiness is None where the method keeps none.
    touched_items, touched_users
        Rows whose vectors may differ from before; no other row does (the method's footprint).
    """

    recommender: Recommender
    readiness: NaturalReadiness | None
    touched_items: np.ndarray
    touched_users: np.ndarray

    @classmethod
    def of_training(
        cls, recommender: Recommender, retained: Interactions, with_readiness: bool
    ) -> "ForgetResult":
        """Result of training on ``retained``: every row may differ, and readiness is measured anew."""
        readiness = NaturalReadiness.measure(recommender, retained) if with_readiness else None
        items, users = (np.arange(len(each)) for each in (recommender.item_table, recommender.user_table))
        return cls(recommender, readiness, touched_items=items, touched_users=users)


@dataclass(frozen=True)
class Unlearner(ABC):
    """A method of forgetting.

    Attributes
    ----------
    name
        As on the command line.
    guarantee
        ``exact``: the bytes of a retrain. ``approximate with a bound``. ``heuristic``: measured, not
        proved. ``control``: deliberately wrong, for the audit to find.
    leaves_behind
        What of the forgotten may still be in the result.
    trains_again
        Whether it trains on the retained interactions, so that the result knows all that they hold.
    """

    name: ClassVar[str]
    guarantee: ClassVar[Guarantee]
    leaves_behind: ClassVar[str]
    trains_again: ClassVar[bool] = False

    def forget(
        self,
        recommender: Recommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None = None,
    ) -> ForgetResult:
        """Forget ``request`` from a ``recommender`` trained on ``interactions``.

        ``interactions`` still holds the forget set. Users whom the model does not know, strangers or
        forgotten ones whose data was not erased yet, are passed over in both: a deletion carried out
        twice is a deletion carried out once, and no method trains on the forgotten again.
        """
        known = np.any(recommender.user_table != 0, axis=1)
        if not known[interactions.users].all():
            interactions = interactions.where(known[interactions.users])
        request = request.within(interactions)
        if not len(request.forget_set):
            nobody = np.zeros(0, np.int64)
            return ForgetResult(recommender, readiness, touched_items=nobody, touched_users=nobody)
        return self._forget(recommender, interactions, request, readiness)

    @abstractmethod
    def _forget(
        self,
        recommender: Recommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        """Do it; ``request`` names at least one pair that is in the model."""
