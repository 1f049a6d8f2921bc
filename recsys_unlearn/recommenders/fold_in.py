"""Fit fresh user vectors to given items under a frozen item table.

For users whom training never saw, for users whose interactions changed, and for the audit.
"""

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.geometry import LossGeometry, Positives, tangent

STEPS = 40
STEP_SIZE = 0.1  # of Adam, on vectors of length near one
LARGEST_CATALOGUE = 8192  # beyond it Z_u is estimated from as many items, the same for every user
USERS_PER_BATCH = 1024


def fold_in(
    item_table: np.ndarray, histories: Interactions, users: np.ndarray, geometry: LossGeometry
) -> np.ndarray:
    """Minimise each user's own training loss over their vector, the item table fixed.

    Parameters
    ----------
    item_table
        float32 (n_items, d).
    histories
        The items of each user.
    users
        int64 (n,): user rows to fit.

    Returns
    -------
    numpy.ndarray
        float32 (n, d): user vectors on the scale of the recommender's user table; zeros for a user
        without history. Deterministic.
    """
    batches = [users[start : start + USERS_PER_BATCH] for start in range(0, len(users), USERS_PER_BATCH)]
    table = torch.from_numpy(np.ascontiguousarray(item_table))
    fitted = [geometry.fit_users(table, histories, batch).numpy() for batch in batches]
    return np.concatenate(fitted) if fitted else np.zeros((0, item_table.shape[1]), np.float32)


def descend(table: Tensor, histories: Interactions, users: np.ndarray, geometry: LossGeometry) -> Tensor:
    """Fit by 40 steps of Adam from the mean of the user's items: for losses without a closed form."""
    sample = _catalogue_sample(len(table))
    positives = Positives.of(histories, users)
    counts = torch.from_numpy(histories.user_counts[users]).float()[:, None]
    summed = torch.zeros(len(users), table.shape[1]).index_add_(0, positives.owner, table[positives.item])
    vectors = summed / counts.clamp(min=1)
    mean, square = torch.zeros_like(vectors), torch.zeros_like(vectors)
    for step in range(1, STEPS + 1):  # Adam, per user: no user's path depends on who shares the batch
        gradient = _gradient(table, positives, vectors, counts, geometry, sample)
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square().mean(1, keepdim=True).expand_as(square), 0.1)
        size = STEP_SIZE * (1 - (step - 1) / STEPS)
        vectors = vectors - size * (mean / (1 - 0.9**step)) / (square / (1 - 0.9**step)).sqrt().clamp(
            min=1e-12
        )
    return _on_scale(vectors, geometry) * (counts > 0)


def _gradient(
    table: Tensor,
    positives: Positives,
    vectors: Tensor,
    counts: Tensor,
    geometry: LossGeometry,
    sample: Tensor,
) -> Tensor:
    """Derivative of each user's mean loss in ``vectors`` (n, d)."""
    user = _on_scale(vectors, geometry)
    scores = user @ table[sample].T
    positive_rows = table[positives.item]
    now = geometry.terms(scores, (user[positives.owner] * positive_rows).sum(1), positives.owner)
    pushed = now.slope(scores) @ table[sample]
    gradient = pushed.index_add(0, positives.owner, positive_rows * now.positive_slope[:, None])
    gradient = gradient / counts.clamp(min=1) + 2 * geometry.regularization * user
    return tangent(gradient, user / geometry.user_length) if geometry.spherical else gradient


def _on_scale(vectors: Tensor, geometry: LossGeometry) -> Tensor:
    if not geometry.spherical:
        return vectors
    return torch.nn.functional.normalize(vectors, dim=1) * geometry.user_length


def _catalogue_sample(n_items: int) -> Tensor:
    if n_items <= LARGEST_CATALOGUE:
        return torch.arange(n_items)
    rows = generator(0, "fold-in catalogue").choice(n_items, LARGEST_CATALOGUE, replace=False)
    return torch.from_numpy(np.sort(rows))
