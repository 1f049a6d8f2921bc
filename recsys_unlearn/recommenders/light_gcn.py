"""LightGCN: matrix factorisation whose vectors are averaged over the neighbours in the interaction graph.

He et al., SIGIR 2020. With A the normalised adjacency of users and items and E the trained tables,

    served = 1 / (L + 1) (E + A E + ... + A^L E)          (equation 7)

Training is :class:`~recsys_unlearn.recommenders.factorization.Factorization`'s, sampler and losses
included; its tables look rows up after the propagation. What is served are the propagated tables: no graph
is kept, and a score is an inner product.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.graph_spectrum import normalized
from recsys_unlearn.recommenders.light_gcn_options import LightGcnOptions

if TYPE_CHECKING:
    from scipy import sparse

    from recsys_unlearn.recommenders.embedding_tables import TrainingTables


class LightGcn(Factorization):
    """User and item embeddings smoothed over the graph of the training interactions.

    Forgetting steps in the served tables. Newton's step is the same however they are parametrised, so that it
    takes out what the user gave through the edges as well; taking the edges out besides would do so twice
    (docs/forgetting.md). A fit on what is left is the exact way. :meth:`resume` goes on from the served
    tables, without a graph.
    """

    name = "light_gcn"
    options_type = LightGcnOptions
    options: LightGcnOptions

    @contextmanager
    def _training_tables(self, interactions: Interactions) -> Iterator["TrainingTables"]:
        from recsys_unlearn.recommenders.propagated_tables import PropagatedTables

        with super()._training_tables(interactions) as tables:
            yield PropagatedTables(tables, Graph(interactions), self.options.layers)


class Graph:
    """Normalised adjacency between users and items; symmetric, so that it is its own derivative.

    Parameters
    ----------
    interactions
        Its edges; n_ui = 1 / √(n_u n_i).
    """

    def __init__(self, interactions: Interactions) -> None:
        edges = normalized(interactions)
        self._to_users, self._to_items = _csr(edges), _csr(edges.T.tocsr())

    def to(self, device: torch.device) -> Self:
        """Move the edges to where the tables are."""
        self._to_users, self._to_items = self._to_users.to(device), self._to_items.to(device)
        return self

    def propagate(self, user: Tensor, item: Tensor, layers: int) -> tuple[Tensor, Tensor]:
        """Mean of (user, item) and its images under the first ``layers`` powers of the adjacency."""
        users, items = user, item
        for _ in range(layers):
            user, item = self._step(user, item)
            users, items = users + user, items + item
        return users / (layers + 1), items / (layers + 1)

    def _step(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        return (
            _Product.apply(self._to_users, self._to_items, item),
            _Product.apply(self._to_items, self._to_users, user),
        )


class _Product(torch.autograd.Function):
    """Sparse matrix by dense table; its derivative is the product with the transpose, kept ready."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, back: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return matrix @ table

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[None, None, Tensor]:
        return None, None, ctx.saved_tensors[0] @ gradient[0].contiguous()


def _csr(matrix: "sparse.csr_matrix") -> Tensor:
    starts, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    parts = [torch.from_numpy(part) for part in (starts, columns, matrix.data)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(parts[0], parts[1], parts[2], matrix.shape, check_invariants=True)
