"""The sampled-softmax loss of each user, differentiated in the scores without sampling.

With N uniform negatives the expected partition function of user u is Z_u = N · mean_j e^{s_uj}, and a
positive has probability p_ui = e^{s_ui} / (e^{s_ui} + Z_u). Written so, neither needs a random draw:
forgetting and auditing differentiate the loss that training estimated (docs/forgetting.md, "The
loss"). ``full_softmax`` and ``popularity_softmax`` are the case N = m, where a positive is counted among
its own negatives too: p / (1 + p) stands for p. ``bpr`` is N = 1, since -log σ(s_ui - s_uj) is a softmax
over two; taking the expectation inside the logarithm costs more there.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.contract import Given, Recommender
from recsys_unlearn.recommenders.fold_in import descend
from recsys_unlearn.recommenders.geometry import LossGeometry, LossTerms, Positives, tangent

__all__ = ["Geometry", "Positives", "Terms", "geometry_of", "tangent", "terms"]


@dataclass(frozen=True)
class Geometry(LossGeometry):
    """Geometry of a softmax of each positive among N uniform negatives.

    Parameters
    ----------
    negatives
        N of Z_u = N · mean_j e^{s_uj}.
    spherical
        Item rows have length one and user rows length ``user_length`` (a cosine over a temperature);
        otherwise lengths are free and ``regularization`` holds them.
    user_length
        1 / temperature, for spherical tables.
    regularization
        λ of λ(‖u‖² + ‖v‖²) per positive, for free lengths; 0 on the sphere.
    """

    negatives: float
    spherical: bool = False
    user_length: float = 1.0
    regularization: float = 0.0

    @property
    def free_basis(self) -> bool:
        """Free lengths: a positive's penalty is too weak to choose a basis."""
        return not self.spherical

    def terms(self, scores: Tensor, positive_scores: Tensor, owner: Tensor) -> "Terms":
        """Terms for ``scores`` (n, m) of the catalogue, or of a uniform sample of m of its items."""
        return terms(scores, positive_scores, owner, self.negatives)

    def fit_users(self, table: Tensor, histories: Interactions, users: np.ndarray) -> Tensor:
        """float32 (len(users), d): by descent; a softmax has no closed form."""
        return descend(table, histories, users, self)


def geometry_of(recommender: Recommender | Given) -> LossGeometry:
    """Geometry of the loss that a recommender was trained with."""
    return recommender.geometry


@dataclass(frozen=True)
class Terms(LossTerms):
    """What the loss of n users with p positives says about their scores.

    The derivative in the score of a positive i, as a positive, is p_ui - 1; in that of any item j, as
    a negative, softmax(s_u)_j · excess_u.

    Parameters
    ----------
    probability, log_likelihood
        (p,): p_ui and its log.
    log_partition
        (n,): log Z_u.
    excess
        (n,): Σ_{i ∈ I_u} (1 - p_ui).
    """

    probability: Tensor
    log_likelihood: Tensor
    log_partition: Tensor
    excess: Tensor

    @property
    def weight(self) -> Tensor:
        """(n,): the excess."""
        return self.excess

    @property
    def positive_slope(self) -> Tensor:
        """(p,): p_ui - 1."""
        return self.probability - 1

    @property
    def positive_curvature(self) -> Tensor:
        """(p,): p_ui (1 - p_ui)."""
        return self.probability * (1 - self.probability)

    def slope(self, scores: Tensor) -> Tensor:
        """(n, m): softmax(s_u)_j · excess_u."""
        return torch.softmax(scores, 1).mul_(self.excess[:, None])

    def pressure(self, slope: Tensor) -> Tensor:
        """float64 (m,): the slopes' sum; a softmax's own variance is left out, it is of second order."""
        return slope.sum(0).double()

    def own_curvature(self, slope: Tensor, squares: Tensor, pushed: Tensor) -> Tensor:
        """(n,): excess_u times the trace of the item vectors' covariance under softmax(s_u)."""
        square = pushed.square().sum(1) / self.excess.clamp(min=torch.finfo(slope.dtype).tiny)
        return slope @ squares - square


def terms(scores: Tensor, positive_scores: Tensor, owner: Tensor, negatives: float) -> Terms:
    """Terms for ``scores`` (n, m) of the catalogue, or of a uniform sample of m of its items."""
    n, m = scores.shape
    log_partition = torch.logsumexp(scores, dim=1) + math.log(negatives / m)
    log_likelihood = positive_scores - torch.logaddexp(positive_scores, log_partition[owner])
    probability = log_likelihood.exp()
    excess = torch.zeros(n, dtype=scores.dtype).index_add_(0, owner, 1 - probability)
    return Terms(probability, log_likelihood, log_partition, excess)
