"""The squared loss of zeros and ones, and of ALS, where a positive weighs more.

    Σ_u Σ_i c_ui (p_ui - s_ui)² + μ (Σ_u ‖x_u‖² + Σ_i ‖y_i‖²),    p_ui = 1 and c_ui = α for a positive,
                                                                   0 and 1 for the rest

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, equation 3. It is
quadratic in either side: the vector of a user has a closed form, and the curvature no approximation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.geometry import LossGeometry, LossTerms, Positives


@dataclass(frozen=True)
class SquaredGeometry(LossGeometry):
    """Geometry of the weighted squared loss.

    Parameters
    ----------
    confidence
        α, the weight of a positive.
    item_penalty
        μ, for either side.
    """

    confidence: float = 1.0
    item_penalty: float = 0.0

    def terms(self, scores: Tensor, positive_scores: Tensor, owner: Tensor) -> "SquaredTerms":
        """Terms for ``scores`` (n, m) of the catalogue."""
        return SquaredTerms(positive_scores, len(scores), self.confidence)

    def fit_users(self, table: Tensor, histories: Interactions, users: np.ndarray) -> Tensor:
        """float32 (len(users), d): (YᵀY + (α - 1) Σ y yᵀ + μI)⁻¹ α Σ y, sums over the user's items."""
        table, positives = table.double(), Positives.of(histories, users)
        shared = table.T @ table + self.item_penalty * torch.eye(table.shape[1]).double()
        fitted = torch.zeros(len(users), table.shape[1]).double()
        for place, items in enumerate(torch.split(positives.item, histories.user_counts[users].tolist())):
            if len(items):
                own = table[items]
                matrix = shared + (self.confidence - 1) * own.T @ own
                fitted[place] = torch.linalg.solve(matrix, self.confidence * own.sum(0))
        return fitted.float()


@dataclass(frozen=True)
class SquaredTerms(LossTerms):
    """Derivatives of the squared loss.

    Parameters
    ----------
    positive_scores
        (p,).
    n_users
        n.
    confidence
        α.
    """

    positive_scores: Tensor
    n_users: int
    confidence: float

    @property
    def weight(self) -> Tensor:
        """(n,): 1 for every user."""
        return torch.ones(self.n_users)

    @property
    def log_likelihood(self) -> Tensor:  # type: ignore[override]
        """(p,): that of a normal error, -α (1 - s)²."""
        return -self.confidence * (1 - self.positive_scores).square()

    @property
    def log_partition(self) -> Tensor:  # type: ignore[override]
        """(n,): zeros; nothing is normalised."""
        return torch.zeros(self.n_users)

    @property
    def positive_slope(self) -> Tensor:
        """(p,): 2 α (s - 1), without the 2 s that :meth:`slope` counts already."""
        return 2 * self.confidence * (self.positive_scores - 1) - 2 * self.positive_scores

    @property
    def positive_curvature(self) -> Tensor:
        """(p,): 2 (α - 1)."""
        return torch.full_like(self.positive_scores, 2 * (self.confidence - 1))

    def slope(self, scores: Tensor) -> Tensor:
        """(n, m): 2 s."""
        return 2 * scores

    def pressure(self, slope: Tensor) -> Tensor:
        """float64 (m,): 2 for every user."""
        return torch.full((slope.shape[1],), 2.0 * len(slope)).double()

    def own_curvature(self, slope: Tensor, squares: Tensor, pushed: Tensor) -> Tensor:
        """(n,): 2 Σ_i ‖y_i‖² for every user."""
        return torch.full((len(slope),), 2.0) * squares.sum()
