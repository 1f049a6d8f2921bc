"""Newton steps to the fixed point of ALS, in the items alone.

Half of the loss (Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008,
equation 3), with X the users and Y the items, is

    ½ Σ_ui c_ui (p_ui - x_u·y_i)² + ½ μ (‖X‖² + ‖Y‖²),    p_ui = 1 and c_ui = α for an interaction,
                                                          0 and 1 for the rest

Every user is at their best, x_u = A_u⁻¹ α Σ_{i of u} y_i with A_u = Σ_i c_ui y_i y_iᵀ + μI, so that the items
are the only variables (variable projection; Golub & Pereyra 1973). With w_ui = c_ui (x_u·y_i - p_ui),

    slope        g_i = Σ_u w_ui x_u + μ y_i
    users        z_u = -A_u⁻¹ Σ_i (c_ui (x_u·v_i) y_i + w_ui v_i)                    as the items move along V
    curvature    (H V)_i = Σ_u (c_ui (x_u·v_i + z_u·y_i) x_u + w_ui z_u) + μ v_i

Sums over all pairs are products of d x d matrices; what differs at interactions is sparse. H V = -g is solved
by conjugate gradients, preconditioned by each item's own A_i (a plain sweep is the step along -A_i⁻¹ g_i).

Rotating both tables changes no score: along Y K with K = -Kᵀ there is no slope, and off the fixed point the
curvature there is slight and of either sign, which is where conjugate gradients would lose themselves. So
they are kept orthogonal to it, where Yᵀ V is symmetric.
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.incidence import incidence

TOGETHER = 4  # steps of conjugate gradients whose sum is looked at
ACCURACY = 0.1  # of the tolerance, where conjugate gradients end
MOST = 100  # steps of conjugate gradients
ROWS_PER_BLOCK = 1024
_TINY = 1e-30


@dataclass(frozen=True)
class Tables:
    """Users (n_users, d) and items (n_items, d), or how far both move."""

    users: Tensor
    items: Tensor

    def __add__(self, other: "Tables") -> "Tables":
        return Tables(self.users + other.users, self.items + other.items)

    def __rmul__(self, factor: float) -> "Tables":
        return Tables(factor * self.users, factor * self.items)


def length(left: Tensor, right: Tensor) -> float:
    """‖L Rᵀ‖ for tables (n, d) and (m, d), from their d x d products."""
    left, right = left.double(), right.double()
    return float(((left.T @ left) * (right.T @ right)).sum().clamp(min=0).sqrt())


class AlsLoss:
    """Half of the loss, of the items alone.

    Parameters
    ----------
    confidence, regularization
        α and μ.
    """

    def __init__(
        self,
        interactions: Interactions,
        confidence: float,
        regularization: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._settings = confidence, regularization, dtype
        self._rows = incidence(interactions, dtype=np.float32)

    @cached_property
    def of_users(self) -> "_Side":
        """Sums over each user's items."""
        return _Side(self._rows, *self._settings)

    @cached_property
    def of_items(self) -> "_Side":
        """Sums over each item's users."""
        return _Side(sparse.csr_matrix(self._rows.T), *self._settings)

    def at(self, items: Tensor) -> "Point":
        """Return the point with these items and the users at their best."""
        inverses = self.of_users.inverses(items)
        return Point(self, Tables(_each(inverses, self.of_users.target(items)), items), inverses)

    def imbalance(self, tables: Tables) -> float:
        """Return the larger relative residual of both sides' normal equations; 0 at a fixed point."""
        users, items = tables.users, tables.items
        return max(self.of_users.imbalance(users, items), self.of_items.imbalance(items, users))


@dataclass(frozen=True)
class Point:
    """A loss at its items.

    Parameters
    ----------
    loss, tables
        Whose users are at their best.
    inverses
        (n_users, d, d): A_u⁻¹.
    """

    loss: AlsLoss
    tables: Tables
    inverses: Tensor

    @cached_property
    def slope(self) -> Tensor:
        """(n_items, d): g."""
        return self.loss.of_items.slope(self.tables.items, self.tables.users)

    def curvature(self, along: Tensor) -> tuple[Tensor, Tensor]:
        """Return H V, (n_items, d), and how the users follow, (n_users, d)."""
        users, items = self.tables.users, self.tables.items
        of_users, of_items = self.loss.of_users, self.loss.of_items
        pull = of_users.weighted(users, along, items) + of_users.summed(self._errors[0], users, items, along)
        follow = -_each(self.inverses, pull)
        change = torch.hstack([along, items]), torch.hstack([users, follow])  # products: of the scores
        bent = of_items.weighted(*change, users) + of_items.summed(self._errors[1], items, users, follow)
        return bent + of_items.regularization * along, follow

    @cached_property
    def _errors(self) -> tuple[Tensor, Tensor]:
        """What w is more at interactions than x·y, in the order of users and in that of items."""
        users, items = self.tables.users, self.tables.items
        return self.loss.of_users.errors(users, items), self.loss.of_items.errors(items, users)

    def unturned(self, along: Tensor) -> Tensor:
        """V - Y K, (n_items, d), orthogonal to all rotations of Y."""
        values, vectors = self._axes
        turn = self.tables.items.double().T @ along.double()
        turn = vectors.T @ (turn - turn.T) @ vectors / (values[:, None] + values)
        return along - self.tables.items @ (vectors @ turn @ vectors.T).to(along.dtype)

    @cached_property
    def _axes(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues, above 0, and eigenvectors of Yᵀ Y."""
        items = self.tables.items.double()
        values, vectors = torch.linalg.eigh(items.T @ items)
        return values.clamp(min=max(1e-12 * float(values[-1]), _TINY)), vectors

    def length(self, step: Tables) -> float:
        """‖X Vᵀ + Z Yᵀ‖ / ‖X Yᵀ‖: how far the scores move, relative to their length."""
        users, items = self.tables.users, self.tables.items
        moved = length(torch.hstack([users, step.users]), torch.hstack([step.items, items]))
        return moved / max(length(users, items), _TINY)

    def newton_step(self, preconditioner: Tensor, accuracy: float) -> Tables | None:
        """Solve H V = -g until a few steps together move the scores by less than ``accuracy``.

        Parameters
        ----------
        preconditioner
            (n_items, d, d): A_i⁻¹, here or nearby.

        Returns
        -------
        Tables or None
            None where the curvature is not above 0, or no end in sight.
        """

        def preconditioned(residual: Tensor) -> Tensor:
            return self.unturned(_each(preconditioner, residual))

        nowhere = Tables(torch.zeros_like(self.tables.users), torch.zeros_like(self.tables.items))
        total = recent = nowhere
        residual = self.unturned(-self.slope)
        towards = preconditioned(residual)
        along, size = towards, _dot(residual, towards)
        for count in range(1, MOST + 1):
            if not size > 0:
                return total + recent
            bent, follow = self.curvature(along)
            bend = _dot(along, bent)
            if not bend > 0:
                return None
            recent = recent + (size / bend) * Tables(follow, along)
            if count % TOGETHER == 0:
                total, moved, recent = total + recent, self.length(recent), nowhere
                if moved < accuracy:
                    return total
            residual = residual - (size / bend) * self.unturned(bent)
            towards = preconditioned(residual)
            before, size = size, _dot(residual, towards)
            along = towards + (size / before) * along
        return None


def newton(loss: AlsLoss, items: Tensor, tolerance: float, steps: int) -> tuple[Tables, float] | None:
    """Go from ``items`` to where the slope is 0.

    Parameters
    ----------
    tolerance
        The last step moved the scores by less, relative to their length. What is left after it is less again.
    steps
        At most so many.

    Returns
    -------
    (Tables, float) or None
        Where it ends, and the length of the last step. None if there is no end nearby: steps do not shrink,
        or the penalty is too slight for matrices to be inverted.
    """
    preconditioner, before = None, float("inf")
    with suppress(torch.linalg.LinAlgError):
        for _ in range(steps):
            point = loss.at(items)
            if preconditioner is None:
                preconditioner = loss.of_items.inverses(point.tables.users)
            step = point.newton_step(preconditioner, ACCURACY * tolerance)
            if step is None:
                return None
            moved = point.length(step)
            if not moved < before / 2:
                return None
            items, before = items + step.items, moved
            if moved < tolerance:
                return loss.at(items).tables, moved
    return None


class _Side:
    """Sums over the other side for each row of one: of users over their items, or of items over their users.

    ``rows`` is the table of this side, ``others`` and ``values`` are of the other.
    """

    def __init__(
        self, matrix: sparse.csr_matrix, confidence: float, regularization: float, dtype: torch.dtype
    ) -> None:
        self.confidence, self.regularization = confidence, regularization
        self._index = torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.indices)
        self._shape = matrix.shape
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
            self._ones = self._sparse(torch.ones(matrix.nnz, dtype=dtype))
        self._products = self._sparse(torch.zeros(matrix.nnz, dtype=dtype))  # written over each time

    def _sparse(self, entries: Tensor) -> Tensor:
        return torch.sparse_csr_tensor(*self._index, entries, self._shape, check_invariants=False)

    def target(self, others: Tensor) -> Tensor:
        """α Σ_{j of r} y_j, (n, d)."""
        return self.confidence * (self._ones @ others)

    def inverses(self, others: Tensor) -> Tensor:
        """Return A_r⁻¹, (n, d, d)."""
        d = others.shape[1]
        matrices = torch.empty(self._shape[0], d, d, dtype=others.dtype)
        for column in range(d):
            matrices[:, column] = self._ones @ (others * others[:, column : column + 1])
        shared = others.T @ others + self.regularization * torch.eye(d, dtype=others.dtype)
        for block in matrices.split(ROWS_PER_BLOCK):
            block.mul_(self.confidence - 1).add_(shared)
            torch.cholesky_inverse(torch.linalg.cholesky(block), out=block)
        return matrices

    def products(self, rows: Tensor, others: Tensor) -> Tensor:
        """x_r·y_j at the interactions; overwritten by the next call."""
        into = self._products
        return torch.sparse.sampled_addmm(into, rows, others.T, beta=0.0, out=into).values()

    def errors(self, rows: Tensor, others: Tensor) -> Tensor:
        """(α - 1) x_r·y_j - α at the interactions: w_rj less x_r·y_j, which it is elsewhere."""
        return (self.confidence - 1) * self.products(rows, others) - self.confidence

    def summed(self, errors: Tensor, rows: Tensor, others: Tensor, values: Tensor) -> Tensor:
        """Σ_j w_rj v_j, (n, d)."""
        return rows @ (others.T @ values) + self._sparse(errors) @ values

    def weighted(self, rows: Tensor, others: Tensor, values: Tensor) -> Tensor:
        """Σ_j c_rj (x_r·y_j) v_j, (n, d)."""
        own = self._sparse((self.confidence - 1) * self.products(rows, others))
        return rows @ (others.T @ values) + own @ values

    def slope(self, rows: Tensor, others: Tensor) -> Tensor:
        """Σ_j w_rj y_j + μ x_r, (n, d)."""
        return self.summed(self.errors(rows, others), rows, others, others) + self.regularization * rows

    def imbalance(self, rows: Tensor, others: Tensor) -> float:
        """‖A_r x_r - α Σ y_j‖ / ‖α Σ y_j‖ over all rows."""
        return float(self.slope(rows, others).norm() / self.target(others).norm().clamp(min=_TINY))


def _each(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Return M_r v_r, (n, d), for (n, d, d) and (n, d)."""
    return torch.bmm(matrices, vectors[:, :, None])[:, :, 0]


def _dot(one: Tensor, other: Tensor) -> float:
    return float((one * other).sum(dtype=torch.float64))
