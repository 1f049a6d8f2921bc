"""An original on the tiny world of tastes, as the benchmark would train it."""

import numpy as np
import pytest

from recsys_unlearn.experiments.setting import Original, Trained
from recsys_unlearn.interactions.contract import Splits


@pytest.fixture(scope="session")
def splits(train, strangers):
    """Of each member's ten items, the last in the table is for testing."""
    last = np.zeros(len(train), bool)
    last[train.offsets[1:61] - 1] = True
    nothing = train.where(np.zeros(len(train), bool))
    return Splits(train.where(~last), nothing, train.where(last), strangers, nothing)


@pytest.fixture(scope="session")
def original(splits, spherical):
    return Original("tiny", 3, splits, Trained(None), spherical, 1.0)
