"""Features that the training interactions give for every user and every item, as bands on a log scale.

Features from files are not read yet. These are counted anew from whatever a fit is given, so that a fit on
what a deletion leaves has nothing of the forgotten in them.
"""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.interactions.contract import Interactions

BANDS = 64  # fixed, so that a deletion changes no weight's place; the last begins at 2³¹
PER_OCTAVE = 2


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """Bands of each user and each item.

    Parameters
    ----------
    user
        int64 (n_users, 2): of the length of the history, and of the mean popularity of its items.
    item
        int64 (n_items, 2): of the number of users, and of the mean length of their histories.
    """

    user: np.ndarray
    item: np.ndarray

    @classmethod
    def of(cls, interactions: Interactions) -> "SideFeatures":
        """Count them."""
        users, items = interactions.users, interactions.items
        lengths, popularity = interactions.user_counts, interactions.item_counts
        return cls(
            _features(lengths, np.bincount(users, popularity[items], len(lengths))),
            _features(popularity, np.bincount(items, lengths[users], len(popularity))),
        )


def bands(values: np.ndarray) -> np.ndarray:
    """int64: 0 for none, then two bands to an octave: 1 for 1, 2 for √2, 3 for 2, 5 for 4, ..."""
    octaves = np.log2(np.maximum(values, 1))
    return np.where(values > 0, np.minimum(1 + (PER_OCTAVE * octaves).astype(np.int64), BANDS - 1), 0)


def _features(counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    return np.stack([bands(counts), bands(sums / np.maximum(counts, 1))], axis=1)
