"""Attention over the vectors that each shard has for a user or an item.

Chen et al., "Recommendation Unlearning" (2201.06820), section 3.3. A shard's vectors are mapped into a common
space and weighted by how much each shard has to say,

    e = Σ_k α_k ẽ_k,    ẽ_k = W_k e_k + b_k,    α = softmax_k hᵀ relu(A ẽ_k + c)

with parameters of their own for either side, trained on all interactions while the shards stand still.
So a deletion trains the attention again, from scratch.
"""

from collections.abc import Iterator
from itertools import chain, count, islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.losses import sampled_softmax
from recsys_unlearn.randomness import keyed_normal
from recsys_unlearn.recommenders.batches import Batches, Negatives
from recsys_unlearn.recommenders.sharded_options import ShardedOptions

LEARNING_RATE = 5e-3  # of Adam


class Attention(nn.Module):
    """Attention of one side.

    Parameters
    ----------
    vectors
        float32 (shards, rows, d): what the shards have; a row of zeros is not attended to.
    seed, side
        Of A and h; W starts at the identity, b and c at zero.
    """

    def __init__(self, vectors: np.ndarray, seed: int, side: str) -> None:
        super().__init__()
        shards, _, dim = vectors.shape
        self.vectors = torch.from_numpy(vectors)
        self.known = (self.vectors != 0).any(2)
        self.maps = nn.Parameter(torch.eye(dim).repeat(shards, 1, 1))
        self.shifts = nn.Parameter(torch.zeros(shards, 1, dim))
        start = torch.from_numpy(keyed_normal(seed, f"attention {side}", dim + 1, dim)) / dim**0.5
        self.inner, self.outer = nn.Parameter(start[:dim].clone()), nn.Parameter(start[dim].clone())
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, rows: Tensor) -> Tensor:
        """Aggregated vectors, (len(rows), d); zeros for a row that no shard knows."""
        mapped = self.vectors[:, rows] @ self.maps.transpose(1, 2) + self.shifts
        known = self.known[:, rows]
        say = torch.relu(mapped @ self.inner.T + self.bias) @ self.outer
        weight = torch.softmax(say.masked_fill(~known, -torch.inf), 0).masked_fill(~known, 0)
        return (weight[:, :, None] * mapped).sum(0)


def attended_tables(
    shard_users: np.ndarray, shard_items: np.ndarray, interactions: Interactions, options: ShardedOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Train both sides on ``interactions``.

    Returns
    -------
    tuple[numpy.ndarray, numpy.ndarray]
        float32 (n_users, d) and (n_items, d), on the scale of a shard's own tables.
    """
    length = 1 / options.temperature if options.similarity == "cosine" else 1.0
    users = Attention(shard_users / np.float32(length), options.seed, "user")
    items = Attention(shard_items, options.seed, "item")

    def vectors(side: Attention, rows: Tensor) -> Tensor:
        return normalize(side(rows), dim=1) if options.similarity == "cosine" else side(rows)

    optimizer = torch.optim.Adam([*users.parameters(), *items.parameters()], lr=LEARNING_RATE)
    for positives, sample in _batches(interactions, options):
        user, item = vectors(users, positives[0]) * length, vectors(items, positives[1])
        optimizer.zero_grad(set_to_none=True)
        sampled_softmax((user * item).sum(1), user @ vectors(items, sample).T).mean().backward()
        optimizer.step()
    with torch.no_grad():
        every = (torch.arange(table.shape[1]) for table in (shard_users, shard_items))
        user, item = (vectors(side, rows) for side, rows in zip((users, items), every, strict=True))
    return (user * length).numpy(), item.numpy()


def _batches(
    interactions: Interactions, options: ShardedOptions
) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor]]:
    """Positives and uniform negatives of ``attention_steps`` batches."""
    batches = Batches(interactions, -(-len(interactions) // options.batch_size), options.seed)
    negatives = Negatives("uniform", options.negatives, interactions.item_counts, options.seed)
    positives = chain.from_iterable(batches.epoch(epoch) for epoch in count(1))
    for step, pairs in enumerate(islice(positives, options.attention_steps)):
        if len(pairs[0]):
            yield pairs, negatives.draw(0, step)[0]
