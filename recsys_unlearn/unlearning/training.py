"""Steps of Adam on both tables, for methods whose objective is not the training loss alone.

The forgotten users' own rows are read and never moved. They are dropped in the end, and a row that may
move meets any objective about its user by itself, while the items keep the trace (FORGETTING, section 4).
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_unlearn.errors import NothingLeft
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.batches import Batches
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows

CATALOGUE_SAMPLE = 512  # items from which a step estimates log Z_u


class Pairs(NamedTuple):
    """A batch: user vectors (B, d) on the scale of the served table, and item rows, int64 (B,)."""

    users: Tensor
    items: Tensor


class Student:
    """The tables of a recommender on their way under Adam.

    Parameters
    ----------
    recommender
        Where it starts; it is not changed.
    learning_rate
        Of Adam, on item rows of length near one.
    item_mask
        Bool (n_items, d): which entries of the item table may move; None lets all. With a mask, user
        rows stay where they are.
    """

    def __init__(
        self, recommender: EmbeddingRecommender, learning_rate: float, item_mask: Tensor | None = None
    ) -> None:
        self.start, self.geometry, self.item_mask = recommender, recommender.geometry, item_mask
        self.length = self.geometry.user_length if self.geometry.spherical else 1.0
        self.user = torch.from_numpy(recommender.user_table / self.length).requires_grad_(item_mask is None)
        self.item = torch.from_numpy(recommender.item_table.copy()).requires_grad_()
        moving = [table for table in (self.user, self.item) if table.requires_grad]
        self.optimizer = torch.optim.Adam(moving, lr=learning_rate, fused=True)

    def pairs(self, users: Tensor, items: Tensor) -> Pairs:
        """Batch of users who stay: their vectors move."""
        return Pairs(self._on_sphere(self.user[users]) * self.length, items)

    def item_rows(self, items: Tensor) -> Tensor:
        """Item vectors, (len(items), d)."""
        return self._on_sphere(self.item[items])

    def loss(self, pairs: Pairs, catalogue: Tensor) -> Tensor:
        """Mean of -log p_ui, and of the penalty λ(‖u‖² + ‖v‖²) where lengths are free."""
        vectors, sample = self.item_rows(pairs.items), self.item_rows(catalogue)
        owner = torch.arange(len(vectors))
        positive, scores = (pairs.users * vectors).sum(1), pairs.users @ sample.T
        loss = -self.geometry.terms(scores, positive, owner).log_likelihood
        lengths = pairs.users.square().sum(1) + vectors.square().sum(1)
        return (loss + self.geometry.regularization * lengths).mean()

    def step(self, objective: Tensor) -> None:
        """Descend ``objective`` by one step."""
        self.optimizer.zero_grad(set_to_none=True)
        objective.backward()
        if self.item_mask is not None and self.item.grad is not None:
            self.item.grad.mul_(self.item_mask)
        self.optimizer.step()

    @torch.no_grad()
    def recommender(self) -> EmbeddingRecommender:
        """Tables as they are served; a row that never moved has the bytes it started with."""
        served = self._on_sphere(self.user) * self.length, self._on_sphere(self.item)
        before = torch.from_numpy(self.start.user_table), torch.from_numpy(self.start.item_table)
        moved = (self.user != before[0] / self.length), (self.item != before[1])
        user, item = (
            torch.where(changed.any(1, keepdim=True), new, old).numpy()
            for changed, new, old in zip(moved, served, before, strict=True)
        )
        return self.start.with_tables(user, item)

    def _on_sphere(self, rows: Tensor) -> Tensor:
        return normalize(rows, dim=1) if self.geometry.spherical else rows


def endless(interactions: Interactions, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of (users, items), int64 (B,) each, epoch after epoch.

    Raises
    ------
    NothingLeft
        If there are no interactions.
    """
    if not len(interactions):
        raise NothingLeft("nobody is left to train on: every interaction is in the forget set")
    batches = Batches(interactions, -(-len(interactions) // batch_size), seed)
    for epoch in count(1):
        yield from ((users, items) for users, items in batches.epoch(epoch) if len(users))


def catalogues(n_items: int, seed: int) -> Iterator[Tensor]:
    """Uniform samples of item rows, int64 (CATALOGUE_SAMPLE,), one per step."""
    for step in count():
        rows = generator(seed, "unlearning catalogue", step).integers(n_items, size=CATALOGUE_SAMPLE)
        yield torch.from_numpy(rows)


def row_dropped(
    recommender: EmbeddingRecommender, interactions: Interactions, request: ForgetRequest
) -> EmbeddingRecommender:
    """Forgotten rows zeroed, changed users folded in; the items as they are."""
    users = without_forgotten_rows(recommender, interactions, request, recommender.item_table)
    return recommender.with_tables(users, recommender.item_table)
