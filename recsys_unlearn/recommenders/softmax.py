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
from recsys_unlearn.recommenders.contract import Recommender


@dataclass(frozen=True)
class Geometry:
    """How a recommender's scores enter its loss.

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


def geometry_of(recommender: Recommender) -> Geometry:
    """Geometry of the loss that a factorisation was trained with."""
    options = recommender.options
    n_items = len(recommender.item_table)
    drawn = {"sampled_softmax": options.negatives, "bpr": 1}  # the other losses see the whole catalogue
    negatives = float(drawn.get(options.loss, n_items))
    if options.similarity == "cosine":
        return Geometry(negatives, spherical=True, user_length=1 / options.temperature)
    return Geometry(negatives, regularization=options.regularization)


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
        items = [interactions.items_of(user) for user in users]
        owner = np.repeat(np.arange(len(users)), [len(row) for row in items])
        item = np.concatenate([*items, np.zeros(0, np.int32)])
        return cls(torch.from_numpy(owner), torch.from_numpy(item.astype(np.int64)))


@dataclass(frozen=True)
class Terms:
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


def terms(scores: Tensor, positive_scores: Tensor, owner: Tensor, negatives: float) -> Terms:
    """Terms for ``scores`` (n, m) of the catalogue, or of a uniform sample of m of its items."""
    n, m = scores.shape
    log_partition = torch.logsumexp(scores, dim=1) + math.log(negatives / m)
    log_likelihood = positive_scores - torch.logaddexp(positive_scores, log_partition[owner])
    probability = log_likelihood.exp()
    excess = torch.zeros(n, dtype=scores.dtype).index_add_(0, owner, 1 - probability)
    return Terms(probability, log_likelihood, log_partition, excess)


def tangent(vectors: Tensor, points: Tensor) -> Tensor:
    """Part of each row of ``vectors`` orthogonal to the same row of ``points``, which has length one."""
    return vectors - (vectors * points).sum(1, keepdim=True) * points
