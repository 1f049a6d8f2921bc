"""Recommenders with a table for each side."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.contract import Given, Recommender
from recsys_unlearn.recommenders.fold_in import fold_in


class EmbeddingRecommender(Recommender):
    """A recommender with a user table and an item table; a score is the inner product of two rows.

    Attributes
    ----------
    user_table, item_table
        float32 (n_users, d) and (n_items, d). The row of a user who was never trained on, or was
        forgotten, is all zeros.
    """

    arrays: ClassVar[tuple[str, ...]] = ("user_table", "item_table")
    forgets_by = "natural_ascent"
    user_table: np.ndarray
    item_table: np.ndarray

    def scores(self, users: np.ndarray, histories: Interactions | None = None) -> np.ndarray:
        """float32 (len(users), n_items): inner products; ``histories`` is not looked at."""
        return self.user_table[users] @ self.item_table.T

    @property
    def members(self) -> np.ndarray:
        """Bool (n_users,): rows that are not all zeros."""
        return self.knows(np.arange(len(self.user_table)))

    def knows(self, users: np.ndarray) -> np.ndarray:
        """Bool (len(users),): rows that are not all zeros; the other rows are not looked at."""
        return np.any(self.user_table[users] != 0, axis=1)

    @property
    def n_items(self) -> int:
        """Rows of the item table."""
        return len(self.item_table)

    def with_tables(self, user_table: np.ndarray, item_table: np.ndarray) -> Self:
        """Return a recommender of the same kind and options that holds the given tables."""
        return self.with_state({"user_table": user_table, "item_table": item_table})

    def canonical(self) -> Self:
        """Tables in the basis in which the users' second moment is the identity.

        With free lengths, U Vᵀ = (U A)(V A⁻ᵀ)ᵀ for any A, but a regularised fold-in depends on A. Where
        training fixes the basis, as on the sphere, there is no such freedom and nothing changes.
        """
        if not self.geometry.free_basis:
            return self
        users = self.user_table[self.members].astype(np.float64)
        values, vectors = np.linalg.eigh(users.T @ users / max(len(users), 1))
        roots = np.sqrt(np.maximum(values, values[-1] * 1e-9))
        basis, inverse = vectors / roots @ vectors.T, vectors * roots @ vectors.T  # A and A⁻¹, symmetric
        user_table, item_table = self.user_table @ basis, self.item_table @ inverse
        return self.with_tables(user_table.astype(np.float32), item_table.astype(np.float32))

    def on_principal_axes(self, weights: np.ndarray) -> Self:
        """Tables in the basis in which Σ_u w_u x_u x_uᵀ is diagonal; no score and no length changes.

        With each user's number of interactions for ``weights`` (n_users,), the covariance that a natural
        step divides by is nearly diagonal, too, and the step needs no change of basis.
        """
        users = self.user_table.astype(np.float64)
        basis = np.linalg.eigh(users.T @ (users * weights[:, None]))[1].astype(np.float32)
        return self.with_tables(self.user_table @ basis, self.item_table @ basis)

    def folded_in(self, histories: Interactions) -> Given:
        """Fit a fresh vector to each history under the frozen item table."""
        users = histories.active_users
        table = np.zeros((histories.n_users, self.item_table.shape[1]), np.float32)
        table[users] = fold_in(self.item_table, histories, users, self.geometry)
        return self.with_tables(table, self.item_table).given(histories)

    @staticmethod
    def check_state(state: Mapping[str, np.ndarray]) -> None:
        """Two matrices of float32, of one width."""
        if any(table.ndim != 2 or table.dtype != np.float32 for table in state.values()):
            raise ValueError("a table is not a matrix of float32")
        if len({table.shape[1] for table in state.values()}) > 1:
            raise ValueError("the tables' rows differ in length")


class ResumableRecommender(EmbeddingRecommender):
    """An embedding recommender that can go on training from its tables."""

    @abstractmethod
    def resume(self, interactions: Interactions, steps: int, learning_rate: float) -> Self:
        """Return another that goes on training for some steps on ``interactions``; ``self`` stays."""
