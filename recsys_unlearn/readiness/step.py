"""The natural step: a direction for every item, in the metric of what the other users' loss feels."""

import torch
from torch import Tensor

from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import tangent_

BLOCK = 2048  # items: what is computed for them at once stays in the processor's cache
SMALLEST_CURVATURE = 1e-6  # an item with no users left has none; its step is bounded by this
MOST_SOFTENED = 0.5  # of an item's curvature, by the users who follow
CORRELATED = 0.03  # two dimensions of C; if none are, it is taken for diagonal
CROWD = 0.05  # of the users; read off originals and retrains that are in no table (docs/forgetting.md)


def shared_basis_step(
    direction: Tensor, recommender: EmbeddingRecommender, readiness: NaturalReadiness
) -> Tensor:
    """Solve ((P_i + Q_i) C + r_i I) step_i = direction_i for all items, in the eigenbasis of C.

    The steps take the place of ``direction``, and are returned.
    """
    sums, items = readiness.sums, torch.from_numpy(recommender.item_table)
    values, vectors = eigenbasis(readiness.covariance)
    weight, radial = (sums.positive + sums.pressure).float(), sums.radial.clamp(min=0).float()
    for rows in map(slice, range(0, len(items), BLOCK), range(BLOCK, len(items) + BLOCK, BLOCK)):
        curvature = torch.addcmul(radial[rows, None], weight[rows, None], values)
        curvature.clamp_(min=SMALLEST_CURVATURE)
        part = direction[rows]
        if vectors is None:
            part.div_(curvature)
        else:
            torch.mm((part @ vectors).div_(curvature), vectors.T, out=part)
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
    sums = readiness.sums
    mean = (sums.positive + sums.pressure) * readiness.covariance.diagonal().mean() + sums.radial.clamp(min=0)
    share = sums.holders / sums.users.clamp(min=1)
    softened = sums.following / mean.clamp(min=SMALLEST_CURVATURE) * (1 - share / CROWD).clamp(min=0)
    return (1 / (1 - softened.clamp(0, MOST_SOFTENED))).float()


def calibrated_length(readiness: NaturalReadiness) -> Tensor:
    """float32 (n_items,): exp(a + b z_i), z_i the item's standardised log popularity; 1 if a = b = 0."""
    length, tilt = readiness.calibration
    return (length + tilt * standardised_popularity(readiness.sums.holders)).exp().float()


def standardised_popularity(holders: Tensor) -> Tensor:
    """float64 (n_items,): log(1 + n_i), less its mean over items and by its standard deviation."""
    popularity = holders.log1p()
    return (popularity - popularity.mean()) / popularity.std().clamp(min=1e-6)
