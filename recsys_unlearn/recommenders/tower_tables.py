"""Training tables seen through two towers. Loaded with embedding_tables, which costs two seconds."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recsys_unlearn.recommenders.embedding_tables import TrainingTables

if TYPE_CHECKING:
    from recsys_unlearn.recommenders.two_tower import Tower


class TowerTables(TrainingTables):
    """Tables whose rows are looked up through the tower of their side.

    The processes of a group take the same batches, so that their towers stay equal without being averaged.

    Parameters
    ----------
    inner
        The id embeddings, under their own optimiser.
    user, item
        The towers, trained along with them by Adam; they move to the embeddings' device.
    learning_rate
        Of the towers.
    """

    def __init__(self, inner: TrainingTables, user: "Tower", item: "Tower", learning_rate: float) -> None:
        self.module, self.device = inner.module, inner.device
        self.inner, self.user, self.item = inner, user.to(self.device), item.to(self.device)
        weights = [*user.parameters(), *item.parameters()]
        self._optimizer = torch.optim.Adam(weights, lr=learning_rate, fused=True)

    def look_up(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the towers for the given rows."""
        user, item = self.inner.look_up(users, items)
        return self.user(user, users.to(self.device)), self.item(item, items.to(self.device))

    def step(self, loss: Tensor) -> None:
        """Descend ``loss`` by one step of the embeddings' optimiser and one of the towers'."""
        self._optimizer.zero_grad(set_to_none=True)
        self.inner.step(loss)
        self._optimizer.step()

    def tables(self) -> tuple[Tensor, Tensor]:
        """The towers' outputs for every row."""
        user, item = self.inner.tables()
        with torch.no_grad():
            return self.user(user), self.item(item)
