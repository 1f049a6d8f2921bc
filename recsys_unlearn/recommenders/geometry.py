"""What forgetting, folding in and auditing need to know of a training loss: one object per kind of loss.

They differentiate a loss in the scores and know nothing else of it: a new loss is a new
:class:`LossGeometry`, and no caller changes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions

BLOCK = 4096  # item rows; with fewer, the calls take as long as the arithmetic


@dataclass(frozen=True)
class Positives:
    """Positives of a batch of n users, ragged.

    Parameters
    ----------
    owner
        int64 (p,): position in the batch, 0 ... n - 1, of the user that each positive belongs to.
    item
        int64 (p,): its item row.
    """

    owner: Tensor
    item: Tensor

    @classmethod
    def of(cls, interactions: Interactions, users: np.ndarray) -> "Positives":
        """Pairs of the given user rows, in the order of ``users``."""
        owner, places = interactions.runs(users)
        return cls(torch.from_numpy(owner), torch.from_numpy(interactions.items[places].astype(np.int64)))


class LossTerms(ABC):
    """What the loss of n users with p positives says about their scores.

    Attributes
    ----------
    log_likelihood
        (p,): of each positive, up to a constant.
    log_partition
        (n,): log of what a positive is normalised by; 0 where nothing is.
    """

    log_likelihood: Tensor
    log_partition: Tensor

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """(n,): the user's weight in the mean x_u x_uᵀ that stands for the negatives' curvature."""

    @property
    @abstractmethod
    def positive_slope(self) -> Tensor:
        """(p,): what a positive adds to the derivative in its score."""

    @property
    @abstractmethod
    def positive_curvature(self) -> Tensor:
        """(p,): what it adds to the second derivative."""

    @abstractmethod
    def slope(self, scores: Tensor) -> Tensor:
        """(n, m): derivative in every item's score, as a negative."""

    @abstractmethod
    def pressure(self, slope: Tensor) -> Tensor:
        """float64 (m,): second derivative as a negative, summed over the users, given ``slope``."""

    @abstractmethod
    def own_curvature(self, slope: Tensor, squares: Tensor, pushed: Tensor) -> Tensor:
        """(n,): trace of the negatives' second derivative in the user's own vector.

        ``squares`` (m,) are ‖v_i‖², and ``pushed`` (n, d) is ``slope @ items``.
        """


class LossGeometry(ABC):
    """How a recommender's scores enter its loss.

    Attributes
    ----------
    spherical
        Item rows have length one and user rows length ``user_length`` (a cosine over a temperature);
        otherwise lengths are free.
    regularization
        λ of λ(‖u‖² + ‖v‖²) per positive.
    item_penalty
        μ of μ‖v_i‖², once for every item, whoever is in the data.
    """

    spherical: bool = False
    user_length: float = 1.0
    regularization: float = 0.0
    item_penalty: float = 0.0

    @property
    def free_basis(self) -> bool:
        """Whether training leaves it open which of the pairs U A, V A⁻ᵀ the tables are."""
        return False

    @abstractmethod
    def terms(self, scores: Tensor, positive_scores: Tensor, owner: Tensor) -> LossTerms:
        """Terms for ``scores`` (n, m) of the catalogue, or of a uniform sample of m of its items."""

    @abstractmethod
    def fit_users(self, table: Tensor, histories: Interactions, users: np.ndarray) -> Tensor:
        """float32 (len(users), d): vectors that minimise each user's own loss, the item table fixed."""


def blocks(n_items: int) -> Iterator[slice]:
    """Runs of item rows that are few enough to stay in the processor's cache."""
    return (slice(start, start + BLOCK) for start in range(0, n_items, BLOCK))


def inner_products(these: Tensor, those: Tensor) -> Tensor:
    """(n,): of each row of one table with the same row of another.

    No third table is allocated on the way: that takes several times as long as the arithmetic.
    """
    return torch.from_numpy(np.vecdot(these.numpy(), those.numpy()))


def tangent(vectors: Tensor, points: Tensor) -> Tensor:
    """Part of each row of ``vectors`` orthogonal to the same row of ``points``, which has length one."""
    return tangent_(vectors.clone(), points)


def tangent_(vectors: Tensor, points: Tensor) -> Tensor:
    """Take the rest away from ``vectors`` itself."""
    return vectors.addcmul_(inner_products(vectors, points)[:, None], points, value=-1)
