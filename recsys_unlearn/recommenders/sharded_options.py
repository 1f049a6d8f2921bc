"""Hyper-parameters of a recommender in shards."""

from dataclasses import dataclass
from typing import Literal, get_args

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.recommenders.options import FactorizationOptions

Cut = Literal["hash", "users", "items", "interactions"]
Aggregation = Literal["mean", "attention"]


@dataclass(frozen=True)
class ShardedOptions(FactorizationOptions):
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.sharded.Sharded`.

    Those of a factorisation are each shard's.

    Parameters
    ----------
    shards
        How many.
    partition
        ``hash`` (SISA); ``users``, ``items`` or ``interactions`` (RecEraser), by the vectors of a
        factorisation that is trained on everything for ``pretraining_epochs`` and thrown away.
    aggregation
        ``mean`` of the shards' scores, or ``attention`` over their vectors, trained for
        ``attention_steps`` batches on everything.
    """

    shards: int = 4
    partition: Cut = "hash"
    aggregation: Aggregation = "mean"
    pretraining_epochs: int = 5
    attention_steps: int = 200

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        super().__post_init__()
        counts = ("shards", "pretraining_epochs", "attention_steps")
        wrong = [f"{name} must be above 0" for name in counts if not getattr(self, name) > 0]
        for name, kind in (("partition", Cut), ("aggregation", Aggregation)):
            if getattr(self, name) not in get_args(kind):
                wrong.append(f"{name} must be one of {', '.join(get_args(kind))}")
        if wrong:
            raise ConfigError("sharded: " + "; ".join(wrong))
