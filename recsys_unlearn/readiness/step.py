"""The natural step: a direction for every item, in the metric of what the other users' loss feels."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import blocks, tangent_

SMALLEST_CURVATURE = 1e-6  # an item with no users left has none; its step is bounded by this
MOST_SOFTENED = 0.5  # of an item's curvature, by the users who follow
CORRELATED = 0.03  # two dimensions of C; if none are, it is taken for diagonal
CROWD = 0.05  # of the users; read off originals and retrains that are in no table (docs/forgetting.md)


@dataclass(frozen=True)
class SharedCurvature:
    """H_i = (P_i + Q_i) C + r_i I of every item, in the eigenbasis of C.

    Parameters
    ----------
    weight, radial
        float32 (n_items, 1): P_i + Q_i and r_i.
    values, vectors
        float32 (d,) and (d, d): of C; None where the tables are in its basis as they are.
    """

    weight: Tensor
    radial: Tensor
    values: Tensor
    vectors: Tensor | None

    @classmethod
    def of(cls, readiness: NaturalReadiness, gain: Tensor | float = 1.0) -> Self:
        """Curvature that the rest's loss has; with a ``gain`` (n_items,), by how much softer each item is."""
        sums = readiness.sums
        values, vectors = eigenbasis(readiness.covariance)
        parts = sums.positive + sums.pressure, sums.radial.clamp(min=SMALLEST_CURVATURE)
        weight, radial = ((part.float() / gain)[:, None] for part in parts)
        return cls(weight, radial, values.clamp(min=0), vectors)

    def solve_(self, direction: Tensor, rows: slice) -> Tensor:
        """H_i⁻¹ direction_i of the items ``rows``, in the place of ``direction`` (len(rows), d)."""
        curvature = torch.mul(self.weight[rows], self.values).add_(self.radial[rows])
        if self.vectors is None:
            return direction.div_(curvature)
        return torch.mm((direction @ self.vectors).div_(curvature), self.vectors.T, out=direction)


def shared_basis_step(
    direction: Tensor, recommender: EmbeddingRecommender, readiness: NaturalReadiness
) -> Tensor:
    """Solve ((P_i + Q_i) C + r_i I) step_i = direction_i for all items.

    The steps take the place of ``direction``, and are returned.
    """
    curvature, items = SharedCurvature.of(readiness), torch.from_numpy(recommender.item_table)
    for rows in blocks(len(items)):
        part = curvature.solve_(direction[rows], rows)
        if recommender.geometry.spherical:
            tangent_(part, items[rows])
    return direction


def eigenbasis(covariance: Tensor) -> tuple[Tensor, Tensor | None]:
    """float32 eigenvalues (d,) and eigenvectors (d, d); None if the tables are in that basis as they are.

    ``factorization`` trains such tables (``EmbeddingRecommender.on_principal_axes``), for which a product
    of the item table with the eigenvectors, forth and back, would be a quarter of a deletion's time.
    """
    values = covariance.diagonal()
    roots = values.clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    correlation = (covariance / torch.outer(roots, roots)).fill_diagonal_(0)
    if correlation.abs().max() < CORRELATED:
        return values.float(), None
    values, vectors = torch.linalg.eigh(covariance)
    return values.float(), vectors.float()


def followers_gain(readiness: NaturalReadiness) -> Tensor:
    """float32 (n_items,): how much further an item goes because its users follow it.

    1 / (1 - κ_i), κ_i = f_i / h_i with h_i the item's mean curvature (:mod:`.following`). For an item that
    many have, the mean stiffness of its users no longer stands for all that holds them, and κ_i is too
    large; it fades out as the item's share of the users nears ``CROWD``.
    """
    sums, spread = readiness.sums, readiness.covariance.diagonal().mean().item()
    mean = torch.add(sums.radial.clamp(min=0), sums.positive + sums.pressure, alpha=spread)
    few = (1 - sums.holders / (CROWD * sums.users.clamp(min=1))).clamp_(min=0)
    softened = (sums.following / mean.clamp_(min=SMALLEST_CURVATURE)).mul_(few).clamp_(0, MOST_SOFTENED)
    return (1 / (1 - softened)).float()


def calibrated_length(readiness: NaturalReadiness) -> Tensor:
    """float32 (n_items,): exp(a + b z_i), z_i the item's standardised log popularity; one 1 if a = b = 0."""
    if not readiness.calibration.any():
        return torch.ones(1)
    length, tilt = readiness.calibration
    return (length + tilt * standardised_popularity(readiness.sums.holders)).exp().float()


def standardised_popularity(holders: Tensor) -> Tensor:
    """float64 (n_items,): log(1 + n_i), less its mean over items and by its standard deviation."""
    popularity = holders.log1p()
    return (popularity - popularity.mean()) / popularity.std().clamp(min=1e-6)
