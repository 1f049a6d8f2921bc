"""Slow, obvious float64 twins of the package's fast sums: one loop per line of the mathematics."""

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.softmax import Geometry

F64 = torch.float64


def user_loss(user: Tensor, item_table: Tensor, positives: np.ndarray, negatives: float) -> Tensor:
    """Σ_i log(e^{s_ui} + N·mean_j e^{s_uj}) - s_ui over one user's positives, written as it reads."""
    scores = item_table @ user
    partition = negatives * scores.exp().mean()
    return sum(
        ((scores[i].exp() + partition).log() - scores[i] for i in positives), torch.zeros((), dtype=F64)
    )


def item_loss(
    user_table: np.ndarray, item_table: Tensor, interactions: Interactions, geometry: Geometry
) -> Tensor:
    """Summed training loss as a function of the item table (users' own penalty left out)."""
    users = torch.from_numpy(user_table).to(F64)
    total = torch.zeros((), dtype=F64)
    for user in interactions.active_users:
        total = total + user_loss(users[user], item_table, interactions.items_of(user), geometry.negatives)
    for item in interactions.items:
        total = total + geometry.regularization * item_table[int(item)].square().sum()
    return total


def item_gradient(
    user_table: np.ndarray, item_table: np.ndarray, interactions: Interactions, geometry: Geometry
) -> Tensor:
    """Derivative of :func:`item_loss`, by autograd, float64 (n_items, d)."""
    table = torch.from_numpy(item_table).to(F64).requires_grad_()
    return torch.autograd.grad(item_loss(user_table, table, interactions, geometry), table)[0]


def differences(function, point: Tensor, step: float = 1e-6) -> Tensor:
    """Central differences of a scalar function, elementwise."""
    slopes = torch.zeros_like(point)
    for place in np.ndindex(*point.shape):
        moved = torch.zeros_like(point)
        moved[place] = step
        slopes[place] = (function(point + moved) - function(point - moved)) / (2 * step)
    return slopes
