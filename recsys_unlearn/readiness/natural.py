"""Slope and curvature of the training loss at every item, kept so that a deletion need not look.

For item i, over the users u who are in the model, with x_u the user's row of the table:

    H_i = Σ_{u: (u,i) positive} p_ui (1 - p_ui) x_u x_uᵀ + Q_i C + r_i I,    C = Σ_u w_u x_u x_uᵀ / Σ_u w_u

The first sum is left to the moment of a deletion and to the items that need it; what is kept of it
is its weight P_i, and P_i C stands for it. Training stops early, so the slope G_i is not zero; why a
deletion must know it is told in :mod:`recsys_unlearn.unlearning.natural_ascent`.

A deletion subtracts the user's part of every sum and clears their log Z_u.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_unlearn.errors import VersionError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.readiness.loss_sums import LossSums, loss_sums
from recsys_unlearn.recommenders.contract import Recommender

FILE = "readiness.safetensors"


@dataclass(frozen=True)
class NaturalReadiness:
    """Sums over the users who are in the model.

    Parameters
    ----------
    sums
        Slope and curvature at every item.
    log_partition
        float32 (n_users,): log Z_u; minus infinity for a row that is not in use.
    """

    sums: LossSums
    log_partition: Tensor

    @classmethod
    def measure(
        cls, recommender: Recommender, interactions: Interactions, progress: Progress | None = None
    ) -> Self:
        """Sum over all users of ``interactions``: one pass of their scores over the catalogue."""
        return cls(*loss_sums(recommender, interactions, progress))

    @property
    def covariance(self) -> Tensor:
        """C, float64 (d, d)."""
        return self.sums.moment / self.sums.weight.clamp(min=torch.finfo(torch.float64).tiny)

    def save(self, directory: Path) -> None:
        """Write ``readiness.safetensors`` into ``directory``."""
        tensors = vars(self.sums) | {"log_partition": self.log_partition}
        save_file({name: value.contiguous() for name, value in tensors.items()}, directory / FILE)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        VersionError
            If the file is missing or damaged.
        """
        try:
            tensors = load_file(directory / FILE)
            return cls(log_partition=tensors.pop("log_partition"), sums=LossSums(**tensors))
        except Exception as error:  # whatever a damaged file makes the reader raise
            raise VersionError(f"no readable {FILE} in {directory}: {error}. Train a new version.") from error
