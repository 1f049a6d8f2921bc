"""The response of a graph filter, chosen on items that it has not seen.

Sparse data wants its main tastes raised many times over, dense data hardly at all, and how much popularity
should count differs as much. The linear part, the eigenpairs, and so most of the work are the same for
every candidate.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from recsys_unlearn.interactions.contract import Interactions, sample_users
from recsys_unlearn.metrics import SCORES_PER_BATCH, evaluate
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.filter_options import SpectralOptions
from recsys_unlearn.recommenders.graph_spectrum import normalized, spectrum
from recsys_unlearn.recommenders.incidence import incidence

EXPONENTS = (0.37, 0.1, 0.25, 0.5)  # q; the first is for data too small to choose on
LOW_PASS = (0.3, 0.05, 1.0, 8.0)  # w, likewise
USERS, BATCH = 1000, 250  # that are ranked for; at once, where the catalogue is not too large
HIDDEN = 0.2  # of their items, where no validation data is given


def chosen(
    options: SpectralOptions, interactions: Interactions, validation: Interactions | None
) -> SpectralOptions:
    """Fill in what ``options`` leave open, by NDCG@20 on ``validation``, or on held-out items without it."""
    exponents = EXPONENTS if options.item_exponent is None else (options.item_exponent,)
    raised = LOW_PASS if options.low_pass is None else (options.low_pass,)
    candidates = [
        replace(options, item_exponent=exponent, low_pass=low_pass)
        for exponent, low_pass in product(exponents, raised)
    ]
    if len(candidates) == 1:
        return candidates[0]
    seen, hidden = _with_hidden(interactions, validation, options.seed)
    gains = np.zeros(len(candidates))
    for scored, pairs in _scores(seen, hidden, candidates):
        gains += [evaluate(each, pairs, exclude=seen, k=20).per_user["ndcg@20"].sum() for each in scored]
    return candidates[int(gains.argmax())]


def _with_hidden(
    interactions: Interactions, validation: Interactions | None, seed: int
) -> tuple[Interactions, Interactions]:
    """What the filter sees, and what it is to find: of the same users, who are at most ``USERS``."""
    if validation is not None and len(validation):
        return interactions, sample_users(validation, USERS, "filter")
    pool = sample_users(interactions, USERS, "filter")
    draw = keyed_uniform(stream_key(seed, "hidden from a filter"), pool.users, pool.items)
    hidden = pool.where(draw < HIDDEN)
    return interactions.without(hidden), hidden


class _Computed:
    """Scores of a batch of users, ascending, that were computed before."""

    def __init__(self, batch: np.ndarray, matrix: np.ndarray) -> None:
        self.batch, self.matrix, self.n_items = batch, matrix, matrix.shape[1]

    def scores(self, users: np.ndarray) -> np.ndarray:
        """float32 (len(users), n_items)."""
        return self.matrix[np.searchsorted(self.batch, users)]


def _scores(
    seen: Interactions, hidden: Interactions, candidates: list[SpectralOptions]
) -> Iterator[tuple[Iterator[_Computed], Interactions]]:
    """For each batch of users: scores by every candidate, one after the other, and what is to be found."""
    options, counts = candidates[0], seen.item_counts.clip(1.0)
    graph = normalized(seen)
    values, vectors = spectrum(graph, replace(options, low_pass=1.0))
    rows = incidence(seen, dtype=np.float32).multiply(counts**-options.history_exponent).tocsr()
    users, size = hidden.active_users, max(1, min(BATCH, SCORES_PER_BATCH // seen.n_items))
    for batch in np.split(users, range(size, len(users), size)) if len(users) else ():
        histories = rows[batch].astype(np.float32)
        linear = (histories @ graph.T @ graph).toarray()
        tastes = histories @ vectors
        linear -= (tastes * (options.damping * values**2).astype(np.float32)) @ vectors.T
        smooth = tastes @ vectors.T
        yield (_scored(batch, linear, smooth, counts, each) for each in candidates), hidden.of_users(batch)


def _scored(
    batch: np.ndarray, linear: np.ndarray, smooth: np.ndarray, counts: np.ndarray, candidate: SpectralOptions
) -> _Computed:
    matrix = linear + np.float32(candidate.low_pass) * smooth
    matrix *= (counts**candidate.item_exponent).astype(np.float32)
    return _Computed(batch, matrix)
