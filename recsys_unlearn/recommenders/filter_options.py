"""Hyper-parameters of the closed-form filters. Imports nothing heavy."""

from dataclasses import dataclass

from recsys_unlearn.errors import ConfigError


@dataclass(frozen=True)
class SpectralOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.spectral.Spectral`.

    Parameters
    ----------
    dim
        How many of the largest eigenvalues get a response of their own.
    neighbours
        How many of each item's strongest weights are kept in the linear part.
    history_exponent
        p: an item of the history that n users have counts n^-p.
    item_exponent
        q: the score of an item that n users have is multiplied by n^q; 1/2 undoes the normalisation. None:
        chosen by :mod:`recsys_unlearn.recommenders.filter_choice`.
    damping
        c of w - c λ²: how much the tastes that everybody shares are held back.
    low_pass
        w of w - c λ²: how much every one of the ``dim`` directions is raised. None: chosen likewise.
    sweeps
        Subspace iterations for the eigenvectors.
    """

    dim: int = 256
    neighbours: int = 500
    history_exponent: float = 0.25
    item_exponent: float | None = None
    damping: float = 0.5
    low_pass: float | None = None
    sweeps: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no filter can use, all of them at once."""
        names = ("dim", "neighbours", "sweeps")
        wrong = [f"{name} must be above 0" for name in names if not getattr(self, name) > 0]
        for name in ("history_exponent", "item_exponent", "damping", "low_pass"):
            value = getattr(self, name)
            if value is not None and not abs(value) < float("inf"):  # NaN too
                wrong.append(f"{name} must be a number")
        if wrong:
            raise ConfigError("spectral: " + "; ".join(wrong))


@dataclass(frozen=True)
class LowRankEaseOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.low_rank_ease.LowRankEase`.

    Parameters
    ----------
    dim
        Length d of an embedding vector.
    regularization
        λ, added to the diagonal of the item-item sums.
    dropout
        Share of a history that is hidden, in expectation, from its own reconstruction.
    user_exponent
        A user with n items weighs n^-user_exponent; 0: all the same.
    """

    dim: int = 160
    regularization: float = 200.0
    dropout: float = 0.5
    user_exponent: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that no regression can use, all of them at once."""
        names = ("dim", "regularization")
        wrong = [f"{name} must be above 0" for name in names if not getattr(self, name) > 0]
        if not 0 <= self.dropout < 1:
            wrong.append("dropout must be at least 0 and below 1")
        if not self.user_exponent >= 0:
            wrong.append("user_exponent must not be negative")
        if wrong:
            raise ConfigError("low_rank_ease: " + "; ".join(wrong))
