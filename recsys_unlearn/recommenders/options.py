"""Hyper-parameters. Imports nothing heavy: ``train --help`` lists them without waiting for torch."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from recsys_unlearn.errors import ConfigError

Similarity = Literal["cosine", "dot"]
Loss = Literal["sampled_softmax", "popularity_softmax", "full_softmax", "bpr"]
Optimizer = Literal["adam", "rowwise_adagrad"]
Precision = Literal["float32", "bf16"]
ABOVE_ZERO = (
    *("dim", "temperature", "negatives", "learning_rate"),
    *("batch_size", "epochs", "patience", "evaluate_every"),
)


@dataclass(frozen=True)
class FactorizationOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.factorization.Factorization`.

    Parameters
    ----------
    dim
        Length d of an embedding vector.
    similarity
        ``cosine``: both vectors are normalised and the cosine is divided by ``temperature``.
        ``dot``: the plain inner product.
    loss
        ``sampled_softmax``, ``bpr`` (both with ``negatives`` uniform items that a batch shares),
        ``popularity_softmax`` (negatives drawn by popularity, log-expected correction), ``full_softmax``.
    regularization
        λ of λ(‖u‖² + ‖v‖²) per positive; for ``dot`` only, a cosine does not see lengths.
    optimizer
        ``adam`` on dense tables, or ``rowwise_adagrad`` fused into the backward pass.
    precision
        Of the products of user vectors with negatives; ``bf16`` leaves tables, losses and optimiser in
        float32.
    epochs, patience
        At most ``epochs``; with validation data, stop after ``patience`` evaluations without a better
        Recall@20 and keep the best tables.
    steps_per_epoch
        Number of batches, so that a retrain with fewer interactions keeps every batch where it was;
        by default as many as ``batch_size`` asks for.
    """

    family: ClassVar[str] = "factorization"
    dim: int = 64
    similarity: Similarity = "cosine"
    temperature: float = 0.15
    loss: Loss = "sampled_softmax"
    negatives: int = 512
    regularization: float = 0.03
    optimizer: Optimizer = "adam"
    precision: Precision = "float32"
    learning_rate: float = 0.005
    batch_size: int = 2048
    epochs: int = 40
    patience: int = 3
    evaluate_every: int = 2
    steps_per_epoch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can use, all of them at once."""
        wrong = [f"{name} must be above 0" for name in ABOVE_ZERO if not getattr(self, name) > 0]  # NaN too
        if self.steps_per_epoch is not None and self.steps_per_epoch <= 0:
            wrong.append("steps_per_epoch must be above 0")
        choices = {"similarity": Similarity, "loss": Loss, "optimizer": Optimizer, "precision": Precision}
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                wrong.append(f"{name} must be one of {', '.join(get_args(kind))}")
        if not self.regularization >= 0:
            wrong.append("regularization must not be negative")
        if wrong:
            raise ConfigError(f"{self.family}: " + "; ".join(wrong))
