"""The natural step: a direction for every item, in the metric of what the other users' loss feels."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import blocks, tangent_

SMALLEST_CURVATURE = 1e-6  # an item with no users left has none; its step is bounded by this
MOST_SOFTENED = 0.5  # of an item's curvature, by the users who follow
CORRELATED = 0.03  # two dimensions of C; if none are, it is taken for diagonal
# Mean distance of users from rest, in row lengths: up to the one all of f_i counts, from the other on none.
FINISHED, UNFINISHED = 0.11, 0.19  # read off originals and retrains that are in no table (docs/forgetting.md)


@dataclass(frozen=True)
class SharedCurvature:
    """H_i = (P_i + Q_i) C + r_i I of every item, in the eigenbasis of C, and the gain from who follows.

    Parameters
    ----------
    weight, radial
        float32 (n_items, 1): P_i + Q_i and r_i.
    following
        float32 (n_items, 1): as much of f_i (:mod:`.following`) as training leaves time for. Users who are
        far from rest when training ends did not follow the items before either.
    length
        float32 (n_items, 1): what calibration learned.
    values, vectors
        float32 (d,) and (d, d): of C; None where the tables are in its basis as they are.
    """

    weight: Tensor
    radial: Tensor
    following: Tensor
    length: Tensor
    values: Tensor
    vectors: Tensor | None

    @classmethod
    def of(cls, readiness: NaturalReadiness, followed: bool = True) -> Self:
        """Curvature that the rest's loss has among users who follow, or who stay where they are."""
        sums = readiness.sums
        values, vectors = eigenbasis(readiness.covariance)
        distance = sums.unfinished / sums.users.clamp(min=1)
        finished = ((UNFINISHED - distance) / (UNFINISHED - FINISHED)).clamp(0, 1)
        weight = sums.positive + sums.pressure
        radial = sums.radial.clamp(min=SMALLEST_CURVATURE)
        length = calibrated_length(readiness) if followed else torch.ones(1)
        return cls(
            weight=weight.float()[:, None],
            radial=radial.float()[:, None],
            following=(sums.following * finished * followed).float()[:, None],
            length=length.expand(len(weight))[:, None],
            values=values.clamp(min=0),
            vectors=vectors,
        )

    def inverse(self, rows: slice | np.ndarray) -> Tensor:
        """(len(rows), d): of the items' eigenvalues."""
        return torch.mul(self.weight[rows], self.values).add_(self.radial[rows]).reciprocal_()

    def gain(self, inverse: Tensor, rows: slice | np.ndarray) -> Tensor:
        """(len(rows), 1): 1 / (1 - κ_i), κ_i = f_i / h_i with 1 / h_i the mean of the ``inverse``."""
        softened = inverse.mean(1, keepdim=True).mul_(self.following[rows]).clamp_(0, MOST_SOFTENED)
        return self.length[rows] / (1 - softened)

    def step_(self, direction: Tensor, rows: slice) -> Tensor:
        """H_i⁻¹ direction_i times the gain, in the place of ``direction`` (len(rows), d)."""
        inverse = self.inverse(rows)
        gain = self.gain(inverse, rows)
        if self.vectors is None:
            return direction.mul_(inverse).mul_(gain)
        return torch.mm((direction @ self.vectors).mul_(inverse).mul_(gain), self.vectors.T, out=direction)


def shared_basis_step(
    direction: Tensor, recommender: EmbeddingRecommender, readiness: NaturalReadiness
) -> Tensor:
    """Solve ((P_i + Q_i) C + r_i I) step_i = direction_i for all items, with the gain from who follows.

    The steps take the place of ``direction``, and are returned.
    """
    curvature, items = SharedCurvature.of(readiness), torch.from_numpy(recommender.item_table)
    for rows in blocks(len(items)):
        part = curvature.step_(direction[rows], rows)
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
