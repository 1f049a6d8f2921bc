"""Learn the length of the step from deletions that nobody asked for, with the audit as the objective.

Episode: draw pseudo-forgotten users from the training data, take the natural step on them with

    v_i <- v_i + exp(a + b z_i) · step_i        z_i: standardised log popularity of item i

fold them and the calibration's own strangers in, and compare the log-likelihood of their hidden items, by
popularity of the hidden item. The residual r(a, b) is what the audit would see: above 0 remembered, below
over-forgotten, so it is two-sided. The outer step is Gauss-Newton on

    Σ_k r_k² / var_k  +  (a² + b²) / PRIOR²

The derivative is exact and of second order: the folded-in vector x(v) answers to the items through the
implicit function theorem, dx = -(∂²L/∂x²)⁻¹ ∂²L/∂x∂v dv, and only rows that an episode touches are gathered
(Lorraine et al. 2020, 1911.02590, is the same for validation losses). The prior keeps the derived
step (a = b = 0) where the strangers are too few to say better.

The strangers it looks at must not be those of the audit.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.randomness import generator, keyed_uniform, stream_key
from recsys_unlearn.readiness.loss_sums import loss_sums
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import shared_basis_step, standardised_popularity
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.geometry import LossGeometry, Positives

PRIOR = 0.15  # standard deviation of a and b before anything is seen
BANDS = 3  # of popularity; hidden items are compared within each
HIDDEN_SHARE = 0.2
RIDGE = 1e-3  # of the largest curvature of a user's own loss: the radius of the sphere has none


@dataclass(frozen=True)
class CalibrationOptions:
    """How much an original spends on calibration.

    Parameters
    ----------
    episodes, share, most_users
        Pseudo-deletions, each of a share of the users; of each, and of the strangers, at most so many are
        folded in.
    catalogue
        Items that stand for the catalogue in a user's own loss.
    rounds
        Gauss-Newton steps.
    """

    episodes: int = 3
    share: float = 0.03
    most_users: int = 300
    catalogue: int = 2048
    rounds: int = 2
    seed: int = 0


@dataclass(frozen=True)
class _Episode:
    """What one pseudo-deletion comes to."""

    step: Tensor  # (n_items, d), with a = b = 0
    cohort: Interactions


def calibrate(
    recommender: EmbeddingRecommender,
    train: Interactions,
    strangers: Interactions,
    readiness: NaturalReadiness,
    options: CalibrationOptions | None = None,
    progress: Progress | None = None,
) -> NaturalReadiness:
    """Return ``readiness`` with a and b learned; unchanged if there is nobody to learn from.

    Parameters
    ----------
    strangers
        Histories of users who were never trained on and whom no audit will look at.
    """
    options = options or CalibrationOptions()
    if not len(strangers):
        return readiness
    episodes = [
        _episode(recommender, train, readiness, options, number) for number in range(options.episodes)
    ]
    learned = torch.zeros(2, dtype=torch.float64)
    for turn in range(options.rounds):
        found = [_residual(learned, each, recommender, strangers, readiness, options) for each in episodes]
        learned = learned - gauss_newton(
            learned, *(torch.stack(part).mean(0) for part in zip(*found, strict=True))
        )
        if progress:
            progress("calibrating", turn + 1, options.rounds)
    return replace(readiness, calibration=learned)


def gauss_newton(at: Tensor, residual: Tensor, variance: Tensor, slope: Tensor) -> Tensor:
    """Step to subtract from ``at`` (2,), given r (K,), var (K,) and ∂r/∂(a, b) (K, 2)."""
    weighted = slope.T / variance
    curvature = weighted @ slope + torch.eye(2, dtype=slope.dtype) / PRIOR**2
    return torch.linalg.solve(curvature, weighted @ residual + at / PRIOR**2)


def _episode(
    recommender: EmbeddingRecommender,
    train: Interactions,
    readiness: NaturalReadiness,
    options: CalibrationOptions,
    number: int,
) -> _Episode:
    users = np.flatnonzero(train.user_counts >= 5)
    drawn = users[keyed_uniform(stream_key(options.seed, "pseudo-deletion", number), users) < options.share]
    cohort = train.of_users(drawn)
    forgotten = loss_sums(recommender, cohort)
    rest = NaturalReadiness(readiness.sums.plus(forgotten, times=-1))  # not what was learned before
    share = (forgotten.pairs / readiness.sums.pairs).float()
    direction = torch.addcmul(forgotten.gradient, readiness.sums.gradient, share, value=-1)
    step = shared_basis_step(direction, recommender, rest)
    return _Episode(step, _at_most(cohort, options.most_users))


def _residual(
    learned: Tensor,
    episode: _Episode,
    recommender: EmbeddingRecommender,
    strangers: Interactions,
    readiness: NaturalReadiness,
    options: CalibrationOptions,
) -> tuple[Tensor, Tensor, Tensor]:
    """R (K,), its variance (K,), and the Jacobian (K, 2), all float64."""
    parameters = learned.clone().requires_grad_()
    items = torch.from_numpy(recommender.item_table).double()
    popularity = standardised_popularity(readiness.sums.holders)
    moved = items + (parameters[0] + parameters[1] * popularity).exp()[:, None] * episode.step.double()
    if recommender.geometry.spherical:
        moved = normalize(moved, dim=1)
    bands = _bands(readiness.sums.holders)
    sides = [
        _hidden_likelihood(moved, side, recommender.geometry, bands, options)
        for side in (episode.cohort, _at_most(strangers, options.most_users))
    ]
    (mean, variance), (reference, reference_variance) = sides
    residual = mean - reference
    slope = torch.stack([torch.autograd.grad(each, parameters, retain_graph=True)[0] for each in residual])
    return residual.detach(), (variance + reference_variance).detach(), slope


def _hidden_likelihood(
    items: Tensor, histories: Interactions, geometry: LossGeometry, bands: Tensor, options: CalibrationOptions
) -> tuple[Tensor, Tensor]:
    """Mean log p of hidden items in each band, differentiable in ``items``, and the mean's variance."""
    hidden = (
        keyed_uniform(stream_key(options.seed, "hidden"), histories.users, histories.items) < HIDDEN_SHARE
    )
    seen, unseen = histories.where(~hidden), histories.where(hidden)
    users = np.intersect1d(seen.active_users, unseen.active_users)
    catalogue = items[_sample(len(items), options)]
    vectors = _responding(items, catalogue, seen, users, geometry)
    positives = Positives.of(unseen, users)
    terms = _terms(vectors, items, catalogue, positives, geometry)
    band = bands[positives.item]
    counts = torch.bincount(band, minlength=BANDS).clamp(min=2)
    mean = torch.zeros(BANDS, dtype=items.dtype).index_add(0, band, terms) / counts
    spread = torch.zeros(BANDS, dtype=items.dtype).index_add(0, band, (terms - mean[band]).square()) / counts
    return mean, spread / counts


def _responding(
    items: Tensor, catalogue: Tensor, seen: Interactions, users: np.ndarray, geometry: LossGeometry
) -> Tensor:
    """Folded-in vectors (n, d) whose derivative in ``items`` is that of the minimum they lie at."""
    found = fold_in(items.detach().float().numpy(), seen, users, geometry)
    at = torch.from_numpy(found).to(items).requires_grad_()
    positives = Positives.of(seen, users)

    def slope(vectors: Tensor, table: Tensor, sample: Tensor) -> Tensor:
        loss = -_terms(vectors, table, sample, positives, geometry).sum()
        loss = loss + geometry.regularization * (vectors[positives.owner]).square().sum()
        return torch.autograd.grad(loss, vectors, create_graph=True)[0]

    frozen = slope(at, items.detach(), catalogue.detach())
    rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in frozen.unbind(1)]
    hessian = torch.stack(rows, dim=1)
    hessian = (hessian + hessian.transpose(1, 2)) / 2
    ridge = RIDGE * hessian.diagonal(dim1=1, dim2=2).abs().amax(1)
    hessian = hessian + ridge[:, None, None] * torch.eye(items.shape[1], dtype=items.dtype)
    live = slope(at, items, catalogue)
    change = live - live.detach()  # nothing in value; in derivative, how the slope answers to the items
    return at.detach() - torch.linalg.solve(hessian.detach(), change[:, :, None])[:, :, 0]


def _terms(
    vectors: Tensor, items: Tensor, catalogue: Tensor, positives: Positives, geometry: LossGeometry
) -> Tensor:
    """(p,): log-likelihood of each positive under the user's vector, on the sphere where that is home."""
    user = normalize(vectors, dim=1) * geometry.user_length if geometry.spherical else vectors
    own = (user[positives.owner] * items[positives.item]).sum(1)
    return geometry.terms(user @ catalogue.T, own, positives.owner).log_likelihood


def _bands(holders: Tensor) -> Tensor:
    """int64 (n_items,): popularity band, such that every band has as many interactions."""
    order = torch.argsort(holders)
    passed = torch.empty_like(holders)
    passed[order] = holders[order].cumsum(0) / holders.sum().clamp(min=1)
    return (passed * BANDS).floor().clamp(max=BANDS - 1).long()


def _sample(n_items: int, options: CalibrationOptions) -> Tensor:
    size = min(n_items, options.catalogue)
    rows = generator(options.seed, "calibration catalogue").choice(n_items, size, replace=False)
    return torch.from_numpy(np.sort(rows))


def _at_most(histories: Interactions, most: int) -> Interactions:
    users = histories.active_users
    step = math.ceil(len(users) / most) if len(users) else 1
    return histories.of_users(users[::step])


def half_of(strangers: Interactions, seed: int = 0) -> tuple[Interactions, Interactions]:
    """Strangers for calibration, and the others, whom it leaves to the audit."""
    users = strangers.active_users
    chosen = users[keyed_uniform(stream_key(seed, "calibration strangers"), users) < 0.5]
    return strangers.of_users(chosen), strangers.without_users(chosen)
