"""Item-kNN: items are similar that many users have together.

Sarwar et al., "Item-based Collaborative Filtering", WWW 2001, with the cosine of the items' columns and
shrinkage (Bell & Koren, 2007):

    w_ij = n_ij / (√(n_i n_j) + h),    n_ij users have both, n_i have i

for the most similar j of each i. The counts are kept, and a user who goes is subtracted from them: whole
numbers, so that what is left is a retrain's to the byte.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Self

import numpy as np
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.incidence import co_counts
from recsys_unlearn.recommenders.item_item import ItemItemRecommender, check_in_use
from recsys_unlearn.recommenders.item_item_options import ItemKnnOptions
from recsys_unlearn.recommenders.softmax import Geometry
from recsys_unlearn.recommenders.sparse_products import strongest


class ItemKnn(ItemItemRecommender):
    """Item-item weights by shrunk cosine similarity.

    A version keeps how many users have each pair of items, and which rows are in use.

    Attributes
    ----------
    counts, columns, starts
        int32, int32 and int64: upper triangle of the n_ij, compressed by rows; n_ii = n_i.
    """

    name = "item_knn"
    options_type = ItemKnnOptions
    options: ItemKnnOptions
    arrays = ("counts", "columns", "starts", "in_use")
    counts: np.ndarray
    columns: np.ndarray
    starts: np.ndarray

    @property
    def n_items(self) -> int:
        """Rows of the triangle."""
        return len(self.starts) - 1

    @property
    def geometry(self) -> LossGeometry:
        """Of a softmax over the catalogue: sums of similarities have no scale of their own."""
        return Geometry(float(self.n_items))

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Count; there is nothing to stop early, so ``validation`` is not looked at."""
        self.__dict__.pop("weights", None)
        vars(self).update(_compressed(sparse.triu(co_counts(interactions), format="csr")))
        self.in_use = interactions.user_counts > 0
        if progress:
            progress("training", 1, 1)

    @cached_property
    def weights(self) -> sparse.csr_matrix:
        """w_ij of the most similar j of each i, float32 (n_items, n_items); computed when first asked for."""
        upper = self._triangle().astype(np.float64)
        root = np.sqrt(upper.diagonal())
        upper.setdiag(0)
        both = sparse.csr_matrix(upper + upper.T)
        both.eliminate_zeros()
        owner = np.repeat(np.arange(self.n_items), np.diff(both.indptr))
        both.data /= root[owner] * root[both.indices] + self.options.shrinkage
        return strongest(both.astype(np.float32), 0, self.options.neighbours)

    def summed(self, rows: sparse.csr_matrix) -> np.ndarray:
        """X W."""
        return (rows.astype(np.float32) @ self.weights).toarray()

    def without(self, forget_set: Interactions, retained: Interactions, in_place: bool = False) -> Self:
        """Subtract the users' pairs of items; add those that a user who stays still has."""
        users = forget_set.active_users
        after = retained.of_users(users)
        gone = co_counts(forget_set.union(after)) - co_counts(after)
        left = sparse.csr_matrix(self._triangle() - sparse.triu(gone, format="csr"))
        return self.with_state({**_compressed(left), "in_use": self._in_use_without(retained)})

    @staticmethod
    def check_state(state: Mapping[str, np.ndarray]) -> None:
        """Whole numbers that describe a square matrix, and a flag for each user."""
        counts, columns, starts = (state[name] for name in ("counts", "columns", "starts"))
        if any(array.ndim != 1 or array.dtype.kind != "i" for array in (counts, columns, starts)):
            raise ValueError("counts, columns and starts are not lists of whole numbers")
        whole = len(starts) > 1 and starts[0] == 0 and starts[-1] == len(counts) == len(columns)
        if not whole or np.any(np.diff(starts) < 0):
            raise ValueError("starts does not say where the rows of counts begin")
        if len(columns) and not (columns.min() >= 0 and columns.max() < len(starts) - 1):
            raise ValueError("columns names an item that is not in the catalogue")
        check_in_use(state["in_use"])

    def _triangle(self) -> sparse.csr_matrix:
        parts = self.counts, self.columns, self.starts
        return sparse.csr_matrix(parts, shape=(self.n_items, self.n_items))


def _compressed(triangle: sparse.csr_matrix) -> dict[str, np.ndarray]:
    """Arrays in one form, whatever was computed: columns in order, no zeros, fixed types."""
    triangle.eliminate_zeros()
    triangle.sort_indices()
    starts, columns = triangle.indptr.astype(np.int64), triangle.indices.astype(np.int32)
    return {"counts": triangle.data.astype(np.int32), "columns": columns, "starts": starts}
