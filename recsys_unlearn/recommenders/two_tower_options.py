"""Hyper-parameters of the two-tower recommender. Imports nothing heavy."""

from dataclasses import dataclass
from typing import ClassVar

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.recommenders.options import FactorizationOptions


@dataclass(frozen=True)
class TwoTowerOptions(FactorizationOptions):
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.two_tower.TwoTower`.

    Parameters
    ----------
    hidden
        Units of each tower's hidden layer. The other options are those of a factorisation; the towers'
        own weights are always trained by Adam, at the same learning rate.
    """

    family: ClassVar[str] = "two_tower"
    hidden: int = 64

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        super().__post_init__()
        if not self.hidden > 0:
            raise ConfigError("two_tower: hidden must be above 0")
