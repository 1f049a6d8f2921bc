"""Who is a stranger, and which of a user's interactions are for training, validation and test.

Every draw is keyed by the seed and the rows it belongs to, so that taking one user out moves no
draw of another.
"""

import numpy as np

from recsys_unlearn.interactions.columns import STRANGER, STRANGER_HELD_OUT, TEST, TRAIN, VALIDATION
from recsys_unlearn.randomness import keyed_uniform, stream_key

SMALLEST_HISTORY = 3  # a shorter one stays in training whole: it has nothing to spare
_ROUNDING = 1e-9  # 0.29 * 100 is 28.999999999999996, and 29 is meant


def is_stranger(rows: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Tell which user rows are held out from all training: bool (n,)."""
    return keyed_uniform(stream_key(seed, "strangers"), rows) < fraction


def held_out(
    users: np.ndarray, order: np.ndarray, items: np.ndarray, test: float, validation: float
) -> np.ndarray:
    """Split each user's interactions by an order: the last go to the test set, those before to validation.

    Of n interactions, ``floor(test * n)``, and at least one, go to the test set; of the m that are
    left, ``floor(validation * m)`` go to the validation set. At least one stays in training. A
    fraction of 0 holds nothing out, and a user with fewer than three interactions keeps them all in
    training.

    Parameters
    ----------
    users, order, items
        (n,): user row, what to sort that user's interactions by, item row (which settles ties).
    test, validation
        Fractions in [0, 1).

    Returns
    -------
    numpy.ndarray
        int8 (n,): TRAIN, VALIDATION or TEST.
    """
    sequence = np.lexsort((items, order, users))
    counts = np.bincount(users)
    starts = np.cumsum(counts) - counts
    from_the_end = np.empty(len(users), np.int64)
    from_the_end[sequence] = (starts + counts)[users[sequence]] - np.arange(len(users))
    n_test, n_validation = _held_out_counts(counts, test, validation)
    in_test = from_the_end <= n_test[users]
    in_validation = ~in_test & (from_the_end <= (n_test + n_validation)[users])
    return np.select([in_test, in_validation], [TEST, VALIDATION], TRAIN).astype(np.int8)


def random_order(users: np.ndarray, items: np.ndarray, seed: int) -> np.ndarray:
    """float64 (n,): the order that a random split sorts by; depends on nothing but seed, user and item."""
    return keyed_uniform(stream_key(seed, "split"), users, items)


def with_strangers(splits: np.ndarray, users: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """int8 (n,): ``splits`` with every interaction of a stranger marked STRANGER or STRANGER_HELD_OUT.

    The strangers' own split is kept in the mark: the audit compares what training saw of a user with
    what it would have seen of a stranger, not with the stranger's longer whole history.
    """
    theirs = np.where(splits == TRAIN, STRANGER, STRANGER_HELD_OUT)
    return np.where(is_stranger(users, fraction, seed), theirs, splits).astype(np.int8)


def _held_out_counts(counts: np.ndarray, test: float, validation: float) -> tuple[np.ndarray, np.ndarray]:
    whole = np.floor(test * counts + _ROUNDING).astype(np.int64)
    n_test = np.clip(whole, 1, np.maximum(counts - 1, 1)) if test else np.zeros_like(counts)
    left = counts - n_test
    n_validation = np.minimum(np.floor(validation * left + _ROUNDING).astype(np.int64), left - 1)
    enough = counts >= SMALLEST_HISTORY
    return n_test * enough, n_validation * enough
