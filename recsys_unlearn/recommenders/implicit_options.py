"""Hyper-parameters of the engines of ``implicit``. Imports nothing heavy."""

from dataclasses import dataclass, fields
from typing import Any

from recsys_unlearn.errors import ConfigError


def _check(options: Any, name: str) -> None:
    """Refuse values that no training can use, all of them at once; a regularisation may be 0."""
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    wrong = [f"{key} must be above 0" for key, value in given.items() if key in _ABOVE_ZERO and not value > 0]
    if not given["regularization"] >= 0:
        wrong.append("regularization must not be negative")
    if wrong:
        raise ConfigError(f"{name}: " + "; ".join(wrong))


_ABOVE_ZERO = (
    *("dim", "confidence", "learning_rate", "negatives", "epochs"),
    *("patience", "evaluate_every", "threads"),
)


@dataclass(frozen=True)
class AlsOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.implicit_engines.Als`.

    Parameters
    ----------
    dim
        Length d of a vector.
    confidence
        α, the weight of a positive; the rest weigh 1.
    regularization
        μ of μ(‖x‖² + ‖y‖²).
    epochs
        Sweeps over both sides.
    threads
        Of the engine; the result is the same for any number.
    """

    dim: int = 64
    confidence: float = 10.0
    regularization: float = 10.0
    epochs: int = 15
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        _check(self, "als")


@dataclass(frozen=True)
class BprOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.implicit_engines.Bpr`.

    Parameters
    ----------
    dim
        Length of a vector without the bias.
    regularization
        λ of λ(‖u‖² + ‖v_i‖² + ‖v_j‖²) per sampled triple.
    epochs, patience
        At most ``epochs``, each of which samples as many triples as there are interactions; with validation
        data, stop after ``patience`` evaluations without a better Recall@20 and keep the best tables.
    threads
        Of the engine; more than 1 race for the tables, and no two trainings give the same bytes.
    """

    dim: int = 64
    learning_rate: float = 0.02
    regularization: float = 0.001
    epochs: int = 100
    patience: int = 4
    evaluate_every: int = 4
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        _check(self, "bpr")


@dataclass(frozen=True)
class LmfOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.implicit_engines.Lmf`.

    Parameters
    ----------
    dim
        Length of a vector without the biases.
    regularization
        μ of μ(‖x‖² + ‖y‖²).
    negatives
        Sampled for each positive.
    epochs, patience
        At most ``epochs`` passes over both sides; with validation data, stop after ``patience`` evaluations
        without a better Recall@20 and keep the best tables.
    threads
        Of the engine; the negatives that each one draws depend on their number.
    """

    dim: int = 64
    learning_rate: float = 1.0
    regularization: float = 0.6
    negatives: int = 30
    epochs: int = 30
    patience: int = 4
    evaluate_every: int = 4
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        _check(self, "lmf")
