"""The normalised graph of users and items, and the largest eigenpairs of its square."""

import numpy as np
import torch
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.filter_options import SpectralOptions
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.sparse_products import product

OVERSAMPLING = 1.125  # columns iterated per eigenvector wanted: the last ones converge slowest
ROUNDING = 1e-12  # of a largest eigenvalue in float64: what is below it is no direction but rounding
ROWS = 8192  # that are in float64 at a time


def normalized(interactions: Interactions) -> sparse.csr_matrix:
    """N = D_U^-1/2 R D_I^-1/2, float32 (n_users, n_items): by the sizes of both sides."""
    users, items = np.maximum(interactions.user_counts, 1.0), np.maximum(interactions.item_counts, 1.0)
    rows = incidence(interactions, dtype=np.float32)
    rows.data = ((users[interactions.users] * items[interactions.items]) ** -0.5).astype(np.float32)
    return rows


def spectrum(graph: sparse.csr_matrix, options: SpectralOptions) -> tuple[np.ndarray, np.ndarray]:
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
