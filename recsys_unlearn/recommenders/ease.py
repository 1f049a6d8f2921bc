"""EASE: the linear item-item model of least squares with a zero diagonal, in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. With P = (XᵀX + λI)⁻¹ over the
users' rows of X, the weights are B_ij = -P_ij / P_jj and B_jj = 0 (equation 8).

P is kept, not B, because users can be taken out of P. With Z their rows,

    (P⁻¹ ± ZᵀZ)⁻¹ = P ∓ P Zᵀ (I ± Z P Zᵀ)⁻¹ Z P          (Woodbury)

costs n_items² per user where an inversion costs n_items³. Each such step rounds, so the distance of
P⁻¹P from the identity is estimated after it, and beyond ``DRIFT`` the inverse is made again.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import scipy.linalg
from scipy import sparse

from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.incidence import co_counts, incidence
from recsys_unlearn.recommenders.item_item import ItemItemRecommender, check_in_use
from recsys_unlearn.recommenders.item_item_options import EaseOptions
from recsys_unlearn.recommenders.squared import SquaredGeometry

LARGEST_CATALOGUE = 20_000  # items: then P takes 3.2 GB, and making it as much again
USERS_PER_STEP = 256  # rows of Z: the inner matrix stays small beside P
DRIFT = 1e-11  # length of a column of P⁻¹P - I; a fresh inverse has 4e-15 on ML-1M
PROBED = 64  # columns in which it is estimated


class Ease(ItemItemRecommender):
    """Item-item weights by ridge regression.

    A version keeps P, half of it because it is symmetric, and which rows are in use. P is as good as the
    counts: whoever inverts it learns how many users have each pair of items, and no user's list as such.
    After a deletion it is what a retrain would have kept, within ``rounding``.

    Attributes
    ----------
    inverse
        float64 (n_items, n_items): P.
    """

    name = "ease"
    options_type = EaseOptions
    options: EaseOptions
    arrays = ("inverse", "in_use")
    rounding = 1e-9
    inverse: np.ndarray

    @property
    def n_items(self) -> int:
        """Rows of P."""
        return len(self.inverse)

    @property
    def geometry(self) -> LossGeometry:
        """Squared error of zeros and ones."""
        return SquaredGeometry()

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Invert; there is nothing to stop early, so ``validation`` is not looked at.

        Raises
        ------
        UsageError
            If the catalogue is too large for a matrix of items by items.
        """
        if interactions.n_items > LARGEST_CATALOGUE:
            raise UsageError(
                f"ease inverts a matrix of items by items, and {interactions.n_items:,} items are more than "
                f"{LARGEST_CATALOGUE:,}; use item_knn or factorization, or keep items with more interactions"
            )
        gram = co_counts(interactions).astype(np.float64).toarray()
        gram.ravel()[:: len(gram) + 1] += self.options.regularization
        self.inverse, self.in_use = inverted(gram), interactions.user_counts > 0
        if progress:
            progress("training", 1, 1)

    def summed(self, rows: sparse.csr_matrix) -> np.ndarray:
        """X B: -X P over the columns' diagonals, and X again for the zeros on B's diagonal."""
        product = rows @ self.inverse
        product /= -np.diag(self.inverse)
        product[rows.nonzero()] += 1
        return product

    def without(self, forget_set: Interactions, retained: Interactions, in_place: bool = False) -> Self:
        """Take the users' rows out of P, put back what they keep; make P anew where rounding adds up."""
        inverse = self.inverse if in_place else self.inverse.copy()
        users = forget_set.active_users
        after = retained.of_users(users)
        before = forget_set.union(after)
        for start in range(0, len(users), USERS_PER_STEP):
            batch = users[start : start + USERS_PER_STEP]
            staying = batch[after.user_counts[batch] > 0]
            if len(staying):  # first: with the old rows still in it, P stays positive definite
                update(inverse, incidence(after, staying), 1.0)
            update(inverse, incidence(before, batch), -1.0)
        if drift(inverse, retained, self.options.regularization) > DRIFT:
            return self.retrain(retained)
        other = super().with_state({"inverse": inverse, "in_use": self._in_use_without(retained)})
        return other

    def state(self) -> dict[str, np.ndarray]:
        """P's upper triangle, row after row, and the rows in use."""
        triangle = np.concatenate([row[place:] for place, row in enumerate(self.inverse)])
        return {"inverse": triangle, "in_use": self.in_use}

    def with_state(self, state: Mapping[str, np.ndarray]) -> Self:
        """Return another that holds what :meth:`state` gave."""
        other = super().with_state(state)
        other.inverse = _from_triangle(state["inverse"])
        return other

    @staticmethod
    def check_state(state: Mapping[str, np.ndarray]) -> None:
        """Float64, and a flag for each user."""
        if state["inverse"].dtype != np.float64:
            raise ValueError("the inverse is not of float64")
        check_in_use(state["in_use"])


def inverted(gram: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix by Cholesky's factor, half the work of a general one."""
    factor, _ = scipy.linalg.lapack.dpotrf(gram, lower=1)
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    return inverse


def update(inverse: np.ndarray, rows: sparse.csr_matrix, sign: float) -> None:
    """Make P (n_items, n_items) (P⁻¹ ± ZᵀZ)⁻¹, for ``rows`` Z (k, n_items) that come (1) or go (-1)."""
    seen = rows @ inverse  # Z P
    inner = np.eye(len(seen)) + sign * (rows @ seen.T)
    half = scipy.linalg.solve_triangular(np.linalg.cholesky(inner), seen, lower=True)
    # In place, and the transposed view because BLAS counts columns: one pass over P instead of three.
    if len(half) == 1:
        scipy.linalg.blas.dger(-sign, half[0], half[0], a=inverse.T, overwrite_a=True)
    else:
        scipy.linalg.blas.dgemm(-sign, half.T, half.T, 1.0, inverse.T, trans_b=True, overwrite_c=True)


def drift(inverse: np.ndarray, interactions: Interactions, regularization: float) -> float:
    """Estimate of the length of a column of P⁻¹P - I, with P⁻¹ from the data: what updates add up to.

    With z of random signs in some places and zeros elsewhere, ‖P⁻¹P z - z‖² is on average the sum of the
    squared lengths of those columns (Hutchinson, 1990). P⁻¹ = XᵀX + λI is not needed as a matrix.
    """
    draw = generator(0, "drift", len(inverse))
    places = draw.choice(len(inverse), min(PROBED, len(inverse)), replace=False)
    signs = draw.choice([-1.0, 1.0], len(places))
    solved, rows = signs @ inverse[places], incidence(interactions)
    rest = rows.T @ (rows @ solved) + regularization * solved
    rest[places] -= signs
    return float(np.linalg.norm(rest) / np.sqrt(len(places)))


def _from_triangle(triangle: np.ndarray) -> np.ndarray:
    n_items = int(np.sqrt(2 * len(triangle)))
    if n_items * (n_items + 1) // 2 != len(triangle):
        raise ValueError("the inverse is not half of a square matrix")
    square, start = np.empty((n_items, n_items)), 0
    for place in range(n_items):
        row = triangle[start : start + n_items - place]
        square[place, place:] = square[place:, place] = row
        start += len(row)
    return square
