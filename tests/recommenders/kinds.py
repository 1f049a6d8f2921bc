"""Every recommender that the package defines, found and not listed: a new one cannot escape the laws."""

import importlib
import pkgutil

import pytest

from recsys_unlearn import recommenders
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender, ResumableRecommender
from recsys_unlearn.recommenders.item_item import ItemItemRecommender

for module in pkgutil.iter_modules(recommenders.__path__):
    importlib.import_module(f"{recommenders.__name__}.{module.name}")


def concrete(kind):
    """Every class below ``kind`` that can be made."""
    below = {kind, *(deeper for child in kind.__subclasses__() for deeper in concrete(child))}
    return {
        each
        for each in below
        if not each.__abstractmethods__ and each.__module__.startswith("recsys_unlearn")
    }


KINDS = sorted(concrete(Recommender), key=lambda kind: kind.name)


def only(base):
    """For the kinds below ``base`` alone."""
    kinds = [kind for kind in KINDS if issubclass(kind, base)]
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


WITH_TABLES, RESUMABLE, ITEM_ITEM = map(
    only, (EmbeddingRecommender, ResumableRecommender, ItemItemRecommender)
)


def state_of(model):
    return {name: array.tobytes() for name, array in model.state().items()}
