"""A graph filter: item-item weights with a response of their own for the tastes that many users share.

With R the interactions, D_U and D_I the numbers of items per user and of users per item, and

    N = D_U^-1/2 R D_I^-1/2,    NᵀN = V Λ Vᵀ,    eigenvalues at most 1,

a history r scores the catalogue

    s = r D_I^-p (NᵀN + V_d (w - c Λ_d²) V_dᵀ) D_I^q.

NᵀN is the linear filter and w V_d V_dᵀ the ideal low-pass of GF-CF (Shen et al., "How Powerful is Graph
Convolution for Recommendation?", CIKM 2021); -c Λ² is one step of the sharpening of BSPM (Choi et al.,
"Blurring-Sharpening Process Models for Collaborative Filtering", SIGIR 2023), which takes back what is
popular with everybody. It is computed on the d largest eigenvalues, where λ² is not yet small.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.filter_options import SpectralOptions
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.item_item import ItemItemRecommender, check_in_use
from recsys_unlearn.recommenders.softmax import Geometry
from recsys_unlearn.recommenders.sparse_products import product, strongest_products

OVERSAMPLING = 1.125  # columns iterated per eigenvector wanted: the last ones converge slowest
ROUNDING = 1e-12  # of a largest eigenvalue in float64: what is below it is no direction but rounding
ROWS = 8192  # that are in float64 at a time


class Spectral(ItemItemRecommender):
    """Linear and low-pass filter of the item-item graph, in closed form, on torch's number of threads.

    Forgetting is *exact* and costs a fit: every weight has the user in it by way of the numbers of users
    per item.

    Attributes
    ----------
    values, columns, starts
        float32, int32 and int64: the linear part, compressed by rows; without a diagonal.
    encoder, decoder
        float32 (n_items, d): D_I^-p V (w - c Λ²) and D_I^q V.
    """

    name = "spectral"
    options_type = SpectralOptions
    options: SpectralOptions
    arrays = ("values", "columns", "starts", "encoder", "decoder", "in_use")
    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    encoder: np.ndarray
    decoder: np.ndarray

    @property
    def n_items(self) -> int:
        """Rows of the linear part."""
        return len(self.starts) - 1

    @property
    def geometry(self) -> LossGeometry:
        """Of a softmax over the catalogue: sums of weights have no scale of their own."""
        return Geometry(float(self.n_items))

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Filter; there is nothing to stop early, so ``validation`` is not looked at."""
        options, counts = self.options, np.maximum(interactions.item_counts, 1.0)
        before, after = counts**-options.history_exponent, counts**options.item_exponent
        graph = normalized(interactions)
        weights = _linear_part(graph, before, after, options.neighbours)
        if progress:
            progress("training", 1, 2)
        values, vectors = _spectrum(graph, options)
        response = options.low_pass - options.damping * values**2
        self.values, self.columns = weights.data, weights.indices.astype(np.int32)
        self.starts, self.in_use = weights.indptr.astype(np.int64), interactions.user_counts > 0
        self.encoder = (before[:, None] * vectors * response).astype(np.float32)
        self.decoder = (after[:, None] * vectors).astype(np.float32)
        if progress:
            progress("training", 2, 2)

    def summed(self, rows: sparse.csr_matrix) -> np.ndarray:
        """X W + (X E) Dᵀ for the linear part W and the encoder and decoder E and D."""
        rows = rows.astype(np.float32)
        scores = (rows @ self._linear()).toarray()
        scores += (rows @ self.encoder) @ self.decoder.T
        return scores

    def without(self, forget_set: Interactions, retained: Interactions) -> Self:
        """Fit again on ``retained``, in closed form."""
        return self.retrain(retained)

    @staticmethod
    def check_state(state: Mapping[str, np.ndarray]) -> None:
        """A square matrix by rows, two tables of one shape, and a flag for each user."""
        check_rows(state["values"], state["columns"], state["starts"])
        tables = state["encoder"], state["decoder"]
        if any(table.ndim != 2 or table.dtype != np.float32 for table in tables):
            raise ValueError("encoder or decoder is not a matrix of float32")
        if not tables[0].shape == tables[1].shape == (len(state["starts"]) - 1, tables[0].shape[1]):
            raise ValueError("encoder and decoder do not have a row for each item")
        check_in_use(state["in_use"])

    def _linear(self) -> sparse.csr_matrix:
        parts = self.values, self.columns, self.starts
        return sparse.csr_matrix(parts, shape=(self.n_items, self.n_items))


def check_rows(values: np.ndarray, columns: np.ndarray, starts: np.ndarray) -> None:
    """Raise ValueError unless they are a square matrix of float32, compressed by rows."""
    if values.dtype != np.float32 or columns.dtype.kind != "i" or starts.dtype.kind != "i":
        raise ValueError("the linear part is not a matrix of float32")
    whole = len(starts) > 1 and starts[0] == 0 and starts[-1] == len(values) == len(columns)
    if not whole or np.any(np.diff(starts) < 0):
        raise ValueError("starts does not say where the rows of values begin")
    if len(columns) and not (columns.min() >= 0 and columns.max() < len(starts) - 1):
        raise ValueError("columns names an item that is not in the catalogue")


def normalized(interactions: Interactions) -> sparse.csr_matrix:
    """N = D_U^-1/2 R D_I^-1/2, float32 (n_users, n_items): by the sizes of both sides."""
    users, items = np.maximum(interactions.user_counts, 1.0), np.maximum(interactions.item_counts, 1.0)
    rows = incidence(interactions, dtype=np.float32)
    rows.data = ((users[interactions.users] * items[interactions.items]) ** -0.5).astype(np.float32)
    return rows


def _spectrum(graph: sparse.csr_matrix, options: SpectralOptions) -> tuple[np.ndarray, np.ndarray]:
    """The eigenpairs that get a response: none where options make all of it 0."""
    n_items = graph.shape[1]
    if not (options.low_pass or options.damping):
        return np.zeros(0), np.zeros((n_items, 0), np.float32)
    size = n_items, min(n_items, int(np.ceil(options.dim * OVERSAMPLING)))
    start = generator(options.seed, "spectrum").standard_normal(size, dtype=np.float32)
    return largest_eigenpairs(graph, start, options.dim, options.sweeps)


def largest_eigenpairs(
    graph: sparse.csr_matrix, start: np.ndarray, count: int, sweeps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (d,), falling, and eigenvectors (n_items, d) of NᵀN, by subspace iteration.

    Halko, Martinsson & Tropp, "Finding Structure with Randomness", SIAM Review 2011, algorithm 4.4, with
    ``start`` (n_items, at least d) as the random matrix. d is ``count``, or the columns that there are; a
    column of zeros stands for each direction that N does not have.
    """
    threads, transposed, basis = torch.get_num_threads(), graph.T.tocsr(), start.copy()
    image = np.empty((graph.shape[0], start.shape[1]), np.float32)
    again = np.empty_like(basis)  # written over and over: new pages cost as much as the product
    for _ in range(sweeps):
        product(transposed, product(graph, basis, threads, image), threads, again)
        basis = _orthonormal(again, basis)
    basis = _orthonormal(basis, again)  # once more: the first time rounds as much as columns were alike
    product(graph, basis, threads, image)
    values, turn = np.linalg.eigh((image.T @ image).astype(np.float64))
    values, turn = values[::-1][:count], turn[:, ::-1][:, :count]
    return np.maximum(values, 0), basis @ turn.astype(np.float32)


def _orthonormal(columns: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Orthonormal float32 columns of the same span, by their products with each other; written to ``out``.

    Many times as fast as a QR decomposition, and in need of float64: products square the condition
    (Stathopoulos & Wu, "A Block Orthogonalization Procedure with Constant Synchronization Requirements",
    SIAM Journal on Scientific Computing, 2002). Columns that the others explain become columns of zeros.
    """
    products: np.ndarray = np.zeros((columns.shape[1], columns.shape[1]))
    for first in range(0, len(columns), ROWS):
        exact = columns[first : first + ROWS].astype(np.float64)
        products += exact.T @ exact
    values, turn = np.linalg.eigh(products)
    there = values > ROUNDING * values[-1]
    scaled = np.where(there, turn / np.sqrt(np.where(there, values, 1)), 0)
    return np.matmul(columns, scaled.astype(np.float32), out=out)


def _linear_part(
    graph: sparse.csr_matrix, before: np.ndarray, after: np.ndarray, neighbours: int
) -> sparse.csr_matrix:
    """D_I^-p NᵀN D_I^q without its diagonal, the strongest of each row: items one has are not wanted."""
    left = sparse.csr_matrix(graph.multiply(before.astype(np.float32)).T)
    right = sparse.csr_matrix(graph.multiply(after.astype(np.float32)))
    return strongest_products(left, right, neighbours, torch.get_num_threads())
