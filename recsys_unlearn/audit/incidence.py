"""Interactions as a sparse matrix, for counting what histories have in common."""

import numpy as np
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions


def incidence(interactions: Interactions) -> sparse.csr_array:
    """float64 (n_users, n_items): 1 for every pair."""
    shape = interactions.n_users, interactions.n_items
    return sparse.csr_array((np.ones(len(interactions)), interactions.items, interactions.offsets), shape)
