"""Interactions as a sparse matrix of zeros and ones."""

import numpy as np
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions


def incidence(
    interactions: Interactions, users: np.ndarray | None = None, dtype: type = np.float64
) -> sparse.csr_matrix:
    """Matrix X with x_ui = 1 where user u has item i, (n_users, n_items), or (len(users), n_items)."""
    ones: np.ndarray = np.ones(len(interactions), dtype)
    shape = interactions.n_users, interactions.n_items
    everybody = sparse.csr_matrix((ones, interactions.items, interactions.offsets), shape=shape)
    return everybody if users is None else everybody[users]


def co_counts(interactions: Interactions) -> sparse.csr_matrix:
    """Number of users who have both of two items: XᵀX, int32 (n_items, n_items), rows in order."""
    rows = incidence(interactions, dtype=np.int32)
    counts = sparse.csr_matrix(rows.T @ rows)
    counts.sort_indices()
    return counts
