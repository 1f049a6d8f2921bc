"""A graph filter: item-item weights with a response of their own for the tastes that many users share.

With R the interactions, D_U and D_I the numbers of items per user and of users per item, and

    N = D_U^-1/2 R D_I^-1/2,    NᵀN = V Λ Vᵀ,    eigenvalues at most 1,

a history r scores the catalogue

    s = r D_I^-p (NᵀN + V_d (w - c Λ_d²) V_dᵀ) D_I^q.

NᵀN is the linear filter and w V_d V_dᵀ the ideal low-pass of GF-CF (Shen et al., "How Powerful is Graph
Convolution for Recommendation?", CIKM 2021); -c Λ² is one step of the sharpening of BSPM (Choi et al.,
"Blurring-Sharpening Process Models for Collaborative Filtering", SIGIR 2023), which takes back what is
popular with everybody. It is computed on the d largest eigenvalues, where λ² is not yet small. What
suits q and w depends on how dense the data is: they are chosen by :mod:`.filter_choice`.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.filter_choice import chosen
from recsys_unlearn.recommenders.filter_options import SpectralOptions
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.graph_spectrum import normalized, spectrum
from recsys_unlearn.recommenders.item_item import ItemItemRecommender, check_in_use
from recsys_unlearn.recommenders.softmax import Geometry
from recsys_unlearn.recommenders.sparse_products import strongest_products


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
        """Filter, with the response that ranks ``validation`` best where the options leave it open."""
        options, counts = chosen(self.options, interactions, validation), interactions.item_counts.clip(1.0)
        self.retrain_options = options
        before, after = counts**-options.history_exponent, counts**options.item_exponent
        graph = normalized(interactions)
        weights = _linear_part(graph, before, after, options.neighbours)
        if progress:
            progress("training", 1, 2)
        values, vectors = spectrum(graph, options)
        response = (options.low_pass or 0.0) - options.damping * values**2
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

    def without(self, forget_set: Interactions, retained: Interactions, in_place: bool = False) -> Self:
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


def _linear_part(
    graph: sparse.csr_matrix, before: np.ndarray, after: np.ndarray, neighbours: int
) -> sparse.csr_matrix:
    """D_I^-p NᵀN D_I^q without its diagonal, the strongest of each row: items one has are not wanted."""
    left = sparse.csr_matrix(graph.multiply(before.astype(np.float32)).T)
    right = sparse.csr_matrix(graph.multiply(after.astype(np.float32)))
    return strongest_products(left, right, neighbours, torch.get_num_threads())
