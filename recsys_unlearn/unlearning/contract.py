"""What every unlearner is: old state and a forget set in, new state out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np

from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness, measure_readiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender

Kind = TypeVar("Kind", bound=Recommender)
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

    def within(
        self, interactions: Interactions, knows: Callable[[np.ndarray], np.ndarray]
    ) -> "ForgetRequest":
        """Leave out what is not among ``interactions``, and users whom a model does not know."""
        pairs = self.forget_set
        held = pairs.where(interactions.holds(pairs) & knows(pairs.users))
        present = np.isin(self.accounts, interactions.of_users(self.accounts).active_users)
        return ForgetRequest(held, self.accounts[present & knows(self.accounts)])

    @cached_property
    def partial_users(self) -> np.ndarray:
        """int64: users who lose items and stay."""
        return np.setdiff1d(self.forget_set.active_users, self.accounts)

    @cached_property
    def users(self) -> np.ndarray:
        """int64: everybody concerned, whether they go or stay."""
        return np.union1d(self.accounts, self.forget_set.active_users)


@dataclass(frozen=True)
class ForgetResult(Generic[Kind]):
    """The state after a deletion; the state before it is untouched.

    Parameters
    ----------
    recommender, readiness
        New objects. Readiness is None where the method keeps none.
    touched_items, touched_users
        Rows whose vectors may differ from before; no other row does (the method's footprint).
    distance
        For a method that converges: estimated distance of the scores to where it converges, relative to
        their length.
    """

    recommender: Kind
    readiness: NaturalReadiness | None
    touched_items: np.ndarray
    touched_users: np.ndarray
    distance: float | None = None

    @classmethod
    def of_training(
        cls, recommender: Kind, retained: Interactions, with_readiness: bool, distance: float | None = None
    ) -> "ForgetResult[Kind]":
        """Result of training on ``retained``: every row may differ, and readiness is measured anew."""
        readiness = measure_readiness(recommender, retained) if with_readiness else None
        items, users = np.arange(recommender.n_items), np.arange(len(recommender.members))
        return cls(recommender, readiness, items, users, distance)


@dataclass(frozen=True)
class Unlearner(ABC, Generic[Kind]):
    """A method of forgetting.

    Attributes
    ----------
    name
        As on the command line.
    guarantee
        ``exact``: what a retrain gives, to the byte or within the ``rounding`` that the recommender
        names. ``approximate with a bound``. ``heuristic``: measured, not proved. ``control``: deliberately
        wrong, for the audit to find.
    leaves_behind
        What of the forgotten may still be in the result.
    trains_again
        Whether it trains on the retained interactions, so that the result knows all that they hold.
    forgets_from
        The kind of recommender that it works on.
    """

    name: ClassVar[str]
    guarantee: ClassVar[Guarantee]
    leaves_behind: ClassVar[str]
    trains_again: ClassVar[bool] = False
    forgets_from: ClassVar[type] = EmbeddingRecommender

    def forget(
        self,
        recommender: Kind,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None = None,
    ) -> ForgetResult[Kind]:
        """Forget ``request`` from a ``recommender`` trained on ``interactions``.

        ``interactions`` still holds the forget set. Users whom the model does not know, strangers or
        forgotten ones whose data was not erased yet, are passed over in both: a deletion carried out
        twice is a deletion carried out once, and no method trains on the forgotten again.

        Raises
        ------
        UsageError
            If the method does not work on this kind of recommender.
        """
        if not isinstance(recommender, self.forgets_from):
            raise UsageError(
                f"{self.name} does not work on {recommender.name!r} recommenders; "
                f"{recommender.forgets_by} and retrain do"
            )
        request = request.within(interactions, recommender.knows)
        if self.reads_others or readiness is None:
            known = recommender.members[interactions.users]
            interactions = interactions if known.all() else interactions.where(known)
        if not len(request.forget_set):
            nobody = np.zeros(0, np.int64)
            return ForgetResult(recommender, readiness, touched_items=nobody, touched_users=nobody)
        return self._forget(recommender, interactions, request, readiness)

    @property
    def reads_others(self) -> bool:
        """Whether a deletion looks at interactions of users whom it does not concern."""
        return True

    @abstractmethod
    def _forget(
        self,
        recommender: Kind,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult[Kind]:
        """Do it; ``request`` names at least one pair that is in the model."""
