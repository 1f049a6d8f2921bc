"""Hyper-parameters of LightGCN. Imports nothing heavy."""

from dataclasses import dataclass
from typing import ClassVar

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.recommenders.options import FactorizationOptions


@dataclass(frozen=True)
class LightGcnOptions(FactorizationOptions):
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.light_gcn.LightGcn`.

    Parameters
    ----------
    layers
        L: how many steps along the graph are averaged. The other options are those of a factorisation;
        every step of training propagates the whole tables, so that large batches pay, and only ``adam``
        trains dense tables.
    """

    family: ClassVar[str] = "light_gcn"
    layers: int = 2
    batch_size: int = 16384

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        super().__post_init__()
        if not self.layers >= 0:
            raise ConfigError("light_gcn: layers must not be negative")
        if self.optimizer != "adam":
            raise ConfigError("light_gcn: optimizer must be adam; propagation moves every row at each step")
