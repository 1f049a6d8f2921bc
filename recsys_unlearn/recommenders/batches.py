"""Mini-batches and negatives as functions of (seed, epoch, interaction).

A batch is a bucket of interactions chosen by hash, not a run of a shuffled list: taking a user out
leaves every other interaction in the batch where it was.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator, keyed_hash, stream_key

Sampling = Literal["uniform", "popularity", "everything"]


class Batches:
    """Batches of positives and their shared negatives.

    Parameters
    ----------
    interactions
        What to train on.
    per_epoch
        Number of batches; each interaction is in exactly one of them in each epoch.
    seed
        With the epoch and the interaction it fixes the batch.
    """

    def __init__(self, interactions: Interactions, per_epoch: int, seed: int) -> None:
        self.interactions, self.per_epoch, self.seed = interactions, per_epoch, seed

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (users, items), int64 (B,) each, ``per_epoch`` times; B varies around its mean."""
        users, items = self.interactions.users, self.interactions.items
        batch = keyed_hash(stream_key(self.seed, "batch", number), users, items) % np.uint64(self.per_epoch)
        order = np.argsort(batch, kind="stable")
        ends = np.cumsum(np.bincount(batch.astype(np.int64), minlength=self.per_epoch))
        for positions in np.split(order, ends[:-1]):
            yield (
                torch.from_numpy(users[positions].astype(np.int64)),
                torch.from_numpy(items[positions].astype(np.int64)),
            )


class Negatives:
    """Items that a batch shares as negatives.

    Parameters
    ----------
    sampling
        ``uniform``; ``popularity``, in proportion to a power of the item's count; or ``everything``,
        the catalogue once in order.
    count
        N, drawn with replacement.
    popularity
        int64 (n_items,) number of training interactions per item.
    """

    EXPONENT = 0.75  # Mikolov et al., 2013: between uniform and proportional

    def __init__(self, sampling: Sampling, count: int, popularity: np.ndarray, seed: int) -> None:
        self.sampling, self.count, self.seed = sampling, count, seed
        self.n_items = len(popularity)
        mass = np.maximum(popularity, 1) ** self.EXPONENT
        self.probability = mass / mass.sum()

    def draw(self, epoch: int, step: int) -> tuple[Tensor, Tensor | None]:
        """Rows of the negatives, int64 (N,), and for ``popularity`` the log of how often each is expected."""
        if self.sampling == "everything":
            return torch.arange(self.n_items), None
        uniform = generator(self.seed, "negatives", epoch, step).random(self.count)
        if self.sampling == "uniform":
            return torch.from_numpy((uniform * self.n_items).astype(np.int64)), None
        rows = np.searchsorted(np.cumsum(self.probability)[:-1], uniform, side="right")
        log_expected = np.log(self.count * self.probability[rows]).astype(np.float32)
        return torch.from_numpy(rows), torch.from_numpy(log_expected)
