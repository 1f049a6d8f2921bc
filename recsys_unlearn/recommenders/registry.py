"""The recommenders by name: the one list that the command line, version files and contract tests read.

Importing it costs nothing: ``train --help`` lists options without waiting for torch.
"""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_unlearn.errors import UsageError, VersionError
from recsys_unlearn.recommenders.filter_options import LowRankEaseOptions, SpectralOptions
from recsys_unlearn.recommenders.implicit_options import AlsOptions, BprOptions, LmfOptions
from recsys_unlearn.recommenders.item_item_options import EaseOptions, ItemKnnOptions
from recsys_unlearn.recommenders.light_gcn_options import LightGcnOptions
from recsys_unlearn.recommenders.options import FactorizationOptions
from recsys_unlearn.recommenders.sharded_options import ShardedOptions
from recsys_unlearn.recommenders.two_tower_options import TwoTowerOptions

if TYPE_CHECKING:
    from recsys_unlearn.recommenders.contract import Recommender

OPTIONS: dict[str, type[Any]] = {
    "factorization": FactorizationOptions,
    "als": AlsOptions,
    "bpr": BprOptions,
    "lmf": LmfOptions,
    "light_gcn": LightGcnOptions,
    "two_tower": TwoTowerOptions,
    "ease": EaseOptions,
    "low_rank_ease": LowRankEaseOptions,
    "item_knn": ItemKnnOptions,
    "spectral": SpectralOptions,
    "sharded": ShardedOptions,
}
"""Hyper-parameters of each recommender, by its name."""

DEFAULT = "factorization"


def options_type(name: str) -> type[Any]:
    """Return the type of the named recommender's hyper-parameters, and import nothing heavy.

    Raises
    ------
    UsageError
        If there is no such recommender.
    """
    if name not in OPTIONS:
        raise UsageError(f"no model {name!r}; there are {', '.join(OPTIONS)}")
    return OPTIONS[name]


def recommender_kind(name: str) -> "type[Recommender]":
    """Return the named kind of recommender; raises as :func:`options_type` does."""
    options_type(name)
    return _kinds()[name]


def load_recommender(directory: Path) -> "Recommender":
    """Read the recommender of whichever kind was saved in ``directory``.

    Raises
    ------
    VersionError
        If its files cannot be read, or it is of a kind that this release does not have.
    """
    from recsys_unlearn.recommenders.contract import DESCRIPTION_FILE

    try:
        name = json.loads((directory / DESCRIPTION_FILE).read_text())["recommender"]
        kind = _kinds()[name]
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise VersionError(f"no readable model in {directory}: {error!r}. Train a new version.") from error
    return kind.load(directory)


@cache
def _kinds() -> "dict[str, type[Recommender]]":
    from recsys_unlearn.recommenders.ease import Ease
    from recsys_unlearn.recommenders.factorization import Factorization
    from recsys_unlearn.recommenders.implicit_engines import Als, Bpr, Lmf
    from recsys_unlearn.recommenders.item_knn import ItemKnn
    from recsys_unlearn.recommenders.light_gcn import LightGcn
    from recsys_unlearn.recommenders.low_rank_ease import LowRankEase
    from recsys_unlearn.recommenders.sharded import Sharded
    from recsys_unlearn.recommenders.spectral import Spectral
    from recsys_unlearn.recommenders.two_tower import TwoTower

    with_tables = (Factorization, LightGcn, TwoTower, Als, Bpr, Lmf)
    kinds = (*with_tables, Ease, LowRankEase, ItemKnn, Spectral, Sharded)
    return {kind.name: kind for kind in kinds}
