"""Slope and curvature of the training loss at every item, kept so that a deletion need not look.

For item i, over the users u who are in the model, with x_u the user's row of the table:

    H_i = Σ_{u: (u,i) positive} p_ui (1 - p_ui) x_u x_uᵀ + Q_i C + r_i I,    C = Σ_u w_u x_u x_uᵀ / Σ_u w_u

The first sum is left to the moment of a deletion and to the items that need it; what is kept of it
is its weight P_i, and P_i C stands for it. Training stops early, so the slope G_i is not zero; why a
deletion must know it is told in :mod:`recsys_unlearn.unlearning.natural_ascent`.

A deletion subtracts the user's part of every sum. Nothing is kept for a user alone.
"""

from dataclasses import dataclass, field
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
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender

FILE = "readiness.safetensors"
CALIBRATION = "calibration"  # what is in the file beside the sums


@dataclass(frozen=True)
class NaturalReadiness:
    """Sums over the users who are in the model.

    Parameters
    ----------
    sums
        Slope and curvature at every item.
    calibration
        float64 (2,): what :mod:`recsys_unlearn.readiness.calibrated` learned about the length of a step;
        zeros for a step as it is derived.
    """

    sums: LossSums
    calibration: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))

    @classmethod
    def measure(
        cls, recommender: EmbeddingRecommender, interactions: Interactions, progress: Progress | None = None
    ) -> Self:
        """Sum over all users of ``interactions``: one pass of their scores over the catalogue."""
        sums = loss_sums(recommender, interactions, progress)
        bend = 2 * recommender.geometry.item_penalty  # belongs to no user, so it is added once, here
        sums.gradient.add_(torch.from_numpy(recommender.item_table), alpha=bend)
        sums.radial.add_(bend)
        return cls(sums)

    @property
    def covariance(self) -> Tensor:
        """C, float64 (d, d)."""
        return self.sums.moment / self.sums.weight.clamp(min=torch.finfo(torch.float64).tiny)

    def save(self, directory: Path) -> None:
        """Write ``readiness.safetensors`` into ``directory``."""
        tensors = vars(self.sums) | {CALIBRATION: self.calibration}
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
            calibration = tensors.pop(CALIBRATION)
            loaded = cls(LossSums(**tensors), calibration)
            _check(loaded)
            return loaded
        except Exception as error:  # whatever a damaged file makes the reader raise
            raise VersionError(f"no readable {FILE} in {directory}: {error}. Train a new version.") from error


def _check(loaded: NaturalReadiness) -> None:
    """Raise ValueError where a sum's shape or type is wrong, or a number is none."""
    n, d = loaded.sums.gradient.shape
    matrices = {"gradient": (n, d), "moment": (d, d)}
    scalars = dict.fromkeys(("unfinished", "weight", "users", "pairs"), (1,))
    for name, value in vars(loaded.sums).items():
        if value.shape != (matrices | scalars).get(name, (n,)):
            raise ValueError(f"{name} is of the wrong shape")
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise ValueError(f"{name} holds something else than numbers")
    if loaded.calibration.shape != (2,) or not torch.isfinite(loaded.calibration).all():
        raise ValueError("calibration is not two numbers")


def measure_readiness(
    recommender: Recommender, interactions: Interactions, progress: Progress | None = None
) -> NaturalReadiness | None:
    """Readiness of a recommender with two tables; another kind forgets without, and has None."""
    if not isinstance(recommender, EmbeddingRecommender):
        return None
    return NaturalReadiness.measure(recommender, interactions, progress)
