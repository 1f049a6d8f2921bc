"""Other people's recommenders, as their authors' libraries or the plain formulas have them.

Each is a function from the training data, a number of passes (None: its own) and a number of threads to
something with ``scores(users)``. Closed forms take no passes and are not in ``ITERATIVE``.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

ALS = {"factors": 256, "alpha": 10.0, "regularization": 10.0, "iterations": 15}  # the best of nine tried
BPR = {"factors": 128, "learning_rate": 0.05, "regularization": 0.01, "iterations": 100}
EASE_REGULARIZATION = 600.0  # the best published for ML-1M; others lose little by it
EASE_LARGEST = 20_000  # items: float64 of items by items is 3.2 GB, and the inverse as much again
GF_CF = {"rank": 256, "weight": 0.3}  # the paper's


class Factors:
    """Scores from two tables of factors."""

    def __init__(self, user_table, item_table):
        self.user_table, self.item_table = user_table, item_table

    def scores(self, users):
        """float32 (len(users), n_items)."""
        return self.user_table[users] @ self.item_table.T


class Histories:
    """Scores from a user's own row of a matrix."""

    def __init__(self, rows, product):
        self.rows, self.product = rows, product

    def scores(self, users):
        """float32 (len(users), n_items)."""
        return np.asarray(self.product(self.rows[users]), np.float32)


def matrix(interactions, dtype=np.float32):
    """Interactions as a sparse matrix of ones."""
    ones = np.ones(len(interactions), dtype)
    shape = (interactions.n_users, interactions.n_items)
    return sparse.csr_matrix((ones, interactions.items, interactions.offsets), shape=shape)


def popularity(train, passes, threads):
    """The number of users of an item, for everybody."""
    counts = train.item_counts.astype(np.float32)
    return Histories(matrix(train), lambda rows: np.tile(counts, (rows.shape[0], 1)))


def implicit_als(train, passes, threads):
    """ALS of implicit on the CPU, with BLAS on one thread as it asks for."""
    from implicit.cpu.als import AlternatingLeastSquares

    return _engine(AlternatingLeastSquares, ALS, train, passes, threads)


def implicit_bpr(train, passes, threads):
    """BPR of implicit on the CPU."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return _engine(BayesianPersonalizedRanking, BPR, train, passes, threads)


def _engine(kind, settings, train, passes, threads):
    iterations = passes or settings["iterations"]
    engine = kind(**settings | {"iterations": iterations}, num_threads=threads, random_state=0)
    with threadpool_limits(1, "blas"):
        engine.fit(matrix(train), show_progress=False)
    return Factors(engine.user_factors, engine.item_factors)


def ease(train, passes, threads):
    """EASE in plain numpy (Steck, 2019, algorithm 1)."""
    if train.n_items > EASE_LARGEST:
        raise MemoryError(f"{train.n_items:,} items squared do not fit; EASE takes at most {EASE_LARGEST:,}")
    rows = matrix(train, np.float64)
    gram = (rows.T @ rows).toarray()
    gram[np.diag_indices(len(gram))] += EASE_REGULARIZATION
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return Histories(matrix(train), lambda part: part @ weights.astype(np.float32))


def gf_cf(train, passes, threads):
    """GF-CF in plain numpy and scipy (Shen et al., 2021): linear filter and ideal low-pass."""
    rows = matrix(train, np.float64)
    users, items = (np.maximum(rows.sum(axis).A1, 1) for axis in (1, 0))
    normal = sparse.diags(users**-0.5) @ rows @ sparse.diags(items**-0.5)
    _, _, right = svds(normal, k=min(GF_CF["rank"], min(normal.shape) - 1), random_state=0)
    left, right = (right / np.sqrt(items)).T.astype(np.float32), (right * np.sqrt(items)).astype(np.float32)
    normal = normal.tocsr().astype(np.float32)

    def product(part):
        linear = (part @ normal.T @ normal).toarray()
        return linear + GF_CF["weight"] * ((part @ left) @ right)

    return Histories(matrix(train), product)


PEERS = {
    "popularity": ("plain", popularity),
    "implicit_als": ("implicit", implicit_als),
    "implicit_bpr": ("implicit", implicit_bpr),
    "ease_numpy": ("numpy", ease),
    "gf_cf": ("scipy", gf_cf),
}
"""Library and function of each peer."""

ITERATIVE = {"implicit_als": ALS["iterations"], "implicit_bpr": BPR["iterations"]}
"""How many passes those peers take that learn in passes."""
