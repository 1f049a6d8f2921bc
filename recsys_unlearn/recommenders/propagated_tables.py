"""Training tables seen through the graph. Loaded with embedding_tables, which costs two seconds."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recsys_unlearn.recommenders.embedding_tables import DenseTables, TrainingTables

if TYPE_CHECKING:
    from recsys_unlearn.recommenders.light_gcn import Graph


class PropagatedTables(TrainingTables):
    """Tables whose rows are looked up after a propagation over the graph.

    Parameters
    ----------
    inner
        What is trained.
    graph, layers
        Along what, and how far; the graph moves to the tables' device.
    """

    def __init__(self, inner: TrainingTables, graph: "Graph", layers: int) -> None:
        if not isinstance(inner, DenseTables):
            raise TypeError("only dense tables can be propagated as a whole")
        self.inner, self.graph, self.layers = inner, graph.to(inner.device), layers
        self.module, self.device = inner.module, inner.device

    def look_up(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of the given rows, after the propagation."""
        user, item = self.graph.propagate(*self.inner.weights(), self.layers)
        return user[users.to(self.device)], item[items.to(self.device)]

    def step(self, loss: Tensor) -> None:
        """Descend ``loss``; through the graph it moves every row."""
        self.inner.step(loss)

    def tables(self) -> tuple[Tensor, Tensor]:
        """Copies of the propagated tables."""
        with torch.no_grad():
            return self.graph.propagate(*self.inner.tables(), self.layers)
