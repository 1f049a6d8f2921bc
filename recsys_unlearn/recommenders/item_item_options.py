"""Hyper-parameters of the item-item recommenders. Imports nothing heavy."""

from dataclasses import dataclass

from recsys_unlearn.errors import ConfigError


@dataclass(frozen=True)
class EaseOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.ease.Ease`.

    Parameters
    ----------
    regularization
        λ, added to the diagonal of the item-item counts.
    """

    regularization: float = 600.0

    def __post_init__(self) -> None:
        """Refuse what cannot be inverted: an item without users has a row of zeros and λ."""
        if not self.regularization > 0:
            raise ConfigError("ease: regularization must be above 0")


@dataclass(frozen=True)
class ItemKnnOptions:
    """Hyper-parameters of :class:`recsys_unlearn.recommenders.item_knn.ItemKnn`.

    Parameters
    ----------
    neighbours
        How many of each item's most similar items have a weight.
    shrinkage
        h of n_ij / (√(n_i n_j) + h): similarities that rest on few users count for less.
    """

    neighbours: int = 20
    shrinkage: float = 20.0

    def __post_init__(self) -> None:
        """Refuse values that no similarity can use, all of them at once."""
        wrong = []
        if not self.neighbours > 0:
            wrong.append("neighbours must be above 0")
        if not self.shrinkage >= 0:
            wrong.append("shrinkage must not be negative")
        if wrong:
            raise ConfigError("item_knn: " + "; ".join(wrong))
