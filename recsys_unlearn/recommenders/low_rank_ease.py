"""EASE as an embedding model: the best d directions of a regularised linear autoencoder, in closed form.

With W the users' weights, G = XᵀWX and the penalty of dropout on the diagonal,

    P = (G + λI + p / (1 - p) diag G)⁻¹,    B_ij = -P_ij / P_jj,    B_jj = 0

(Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020, section 3). The
reconstruction XB is projected on its d largest principal directions V: a user is r B V, the sum of an
encoding of each of their items, and an item its row of V. Directions beyond them are mostly noise; the
projection ranks better than B itself.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.ease import LARGEST_CATALOGUE, inverted
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.filter_options import LowRankEaseOptions
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.squared import SquaredGeometry


class LowRankEase(EmbeddingRecommender):
    """User and item embeddings of a linear autoencoder.

    Forgetting is *exact* and costs a fit, which is one inversion and one eigendecomposition of items by
    items.

    Attributes
    ----------
    encoder
        float32 (n_items, d): BV, what each item of a history adds to its user's vector.
    """

    name = "low_rank_ease"
    options_type = LowRankEaseOptions
    options: LowRankEaseOptions
    arrays = ("user_table", "item_table", "encoder")
    forgets_by = "retrain"
    encoder: np.ndarray

    @property
    def geometry(self) -> LossGeometry:
        """Squared error of zeros and ones; a user's vector is the sum of their items' encodings."""
        return EncodedGeometry(encoder=self.encoder)

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Solve; there is nothing to stop early, so ``validation`` is not looked at.

        Raises
        ------
        UsageError
            If the catalogue is too large for a matrix of items by items.
        """
        if interactions.n_items > LARGEST_CATALOGUE:
            raise UsageError(
                f"low_rank_ease inverts a matrix of items by items, and {interactions.n_items:,} items are "
                f"more than {LARGEST_CATALOGUE:,}; use spectral or factorization"
            )
        gram = weighted_gram(interactions, self.options.user_exponent)
        weights = autoencoder(gram, self.options)
        if progress:
            progress("training", 1, 2)
        directions = principal_directions(weights.T @ gram @ weights, self.options.dim)
        self.item_table = directions.astype(np.float32)
        self.encoder = (weights @ directions).astype(np.float32)
        self.user_table = incidence(interactions, dtype=np.float32) @ self.encoder
        if progress:
            progress("training", 2, 2)

    def with_tables(self, user_table: np.ndarray, item_table: np.ndarray) -> Self:
        """Return a recommender that holds the given tables, and this one's encoder."""
        return self.with_state({"user_table": user_table, "item_table": item_table, "encoder": self.encoder})


@dataclass(frozen=True, eq=False)
class EncodedGeometry(SquaredGeometry):
    """Squared loss where a user's vector is given by their items.

    Parameters
    ----------
    encoder
        float32 (n_items, d).
    """

    encoder: np.ndarray | None = None

    def fit_users(self, table: Tensor, histories: Interactions, users: np.ndarray) -> Tensor:
        """float32 (len(users), d): as in training, whatever the item ``table``."""
        rows = incidence(histories, users, np.float32)
        return torch.from_numpy(np.asarray(rows @ self.encoder))


def weighted_gram(interactions: Interactions, user_exponent: float) -> np.ndarray:
    """G = XᵀWX, float64 (n_items, n_items), with n_u^-user_exponent on W's diagonal, 1 on average."""
    weights = np.maximum(interactions.user_counts, 1.0) ** -user_exponent
    weights /= weights[interactions.active_users].mean()
    rows = incidence(interactions)
    rows.data = np.sqrt(weights)[interactions.users]
    return (rows.T @ rows).toarray()


def autoencoder(gram: np.ndarray, options: LowRankEaseOptions) -> np.ndarray:
    """B, float64 (n_items, n_items)."""
    penalty = options.regularization + options.dropout / (1 - options.dropout) * np.diag(gram)
    inverse = inverted(gram + np.diag(penalty))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def principal_directions(covariance: np.ndarray, count: int) -> np.ndarray:
    """Eigenvectors (n_items, d) of the largest eigenvalues, falling; d is ``count`` or all there are."""
    first = max(0, len(covariance) - count)
    _, vectors = scipy.linalg.eigh(covariance, subset_by_index=(first, len(covariance) - 1))
    return vectors[:, ::-1]
