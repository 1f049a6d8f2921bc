"""Two towers: id embeddings, moved by a small network that sees the side's features.

After Yi et al., RecSys 2019 (two towers, a softmax over sampled items), with the id embedding passed by the
network (a residual). With e the embedding and b_f the vector of the row's band of feature f,

    out = e + max(0, e W + Σ_f b_f) V

Training is :class:`~recsys_unlearn.recommenders.factorization.Factorization`'s, sampler and losses
included; its tables look rows up through the towers. What is served are the towers' outputs: no tower is
kept, and a score is an inner product.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import keyed_normal
from recsys_unlearn.recommenders.factorization import INITIAL_SCALE, Factorization
from recsys_unlearn.recommenders.side_features import BANDS, SideFeatures
from recsys_unlearn.recommenders.two_tower_options import TwoTowerOptions

if TYPE_CHECKING:
    import numpy as np

    from recsys_unlearn.recommenders.embedding_tables import TrainingTables


class TwoTower(Factorization):
    """User and item embeddings through a network for each side, with :class:`SideFeatures`.

    Forgetting steps in the served tables, whose rows are as free as a factorisation's, since each has an
    embedding of its own. What the towers' weights learned from the forgotten is in those rows, too; how near
    to a retrain the step comes is measured (docs/forgetting.md). A version holds no tower, and nothing can be
    read from one. A fit on what is left is the exact way: features are counted again and towers trained
    again. :meth:`resume` goes on from the served tables, without towers.
    """

    name = "two_tower"
    options_type = TwoTowerOptions
    options: TwoTowerOptions

    @contextmanager
    def _training_tables(self, interactions: Interactions) -> Iterator["TrainingTables"]:
        from recsys_unlearn.recommenders.tower_tables import TowerTables

        options, features = self.options, SideFeatures.of(interactions)
        user, item = Tower("user", options, features.user), Tower("item", options, features.item)
        with super()._training_tables(interactions) as tables:
            yield TowerTables(tables, user, item, options.learning_rate)


class Tower(nn.Module):
    """One side's network.

    Parameters
    ----------
    side
        ``user`` or ``item``: which stream of the seed its weights are drawn from.
    options
        Length of the embeddings, hidden units, and the seed.
    features
        int64 (n, f): band of each row in each feature.
    """

    features: Tensor

    def __init__(self, side: str, options: TwoTowerOptions, features: "np.ndarray") -> None:
        super().__init__()
        n_features = features.shape[1]
        first = torch.arange(n_features) * BANDS  # the features' bands stand one below the other
        self.register_buffer("features", torch.from_numpy(features) + first)
        self.inward = _normal(options, f"{side} tower", options.dim, options.dim**-0.5)
        self.bands = _normal(options, f"{side} bands", n_features * BANDS, INITIAL_SCALE)
        self.outward = nn.Parameter(torch.zeros(options.hidden, options.dim))  # it starts as a factorisation

    def forward(self, embeddings: Tensor, rows: Tensor | None = None) -> Tensor:
        """Outputs (n, d) for the embeddings (n, d) of the given rows, or of all."""
        features = self.features if rows is None else self.features[rows]
        seen = functional.embedding_bag(features, self.bands, mode="sum")
        return embeddings + torch.relu(embeddings @ self.inward + seen) @ self.outward


def _normal(options: TwoTowerOptions, purpose: str, rows: int, scale: float) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(scale * keyed_normal(options.seed, purpose, rows, options.hidden)))
