"""The kinds of readiness that the benchmark compares, by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from recsys_unlearn.errors import UsageError
from recsys_unlearn.experiments.setting import Original, Setting
from recsys_unlearn.interactions.contract import Interactions, Splits
from recsys_unlearn.readiness.assumed import assumed
from recsys_unlearn.readiness.calibrated import calibrate, half_of
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.ready2unlearn import make_ready
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.factorization import Factorization

Prepare = Callable[[EmbeddingRecommender, Splits], tuple[EmbeddingRecommender, NaturalReadiness | None]]


@dataclass(frozen=True)
class Preparation:
    """What training does for forgetting, after it has trained.

    Parameters
    ----------
    prepare
        From a recommender and its data to the one that serves and what is kept with it.
    moves
        Whether the tables change: then the oracle is prepared the same way before it is compared with.
    uses_strangers
        Whether it looks at half of the strangers: the audit then uses the others alone.
    """

    prepare: Prepare
    moves: bool = False
    uses_strangers: bool = False


def _none(
    recommender: EmbeddingRecommender, splits: Splits
) -> tuple[EmbeddingRecommender, NaturalReadiness | None]:
    return recommender, assumed(recommender, splits.train)


def _natural(
    recommender: EmbeddingRecommender, splits: Splits
) -> tuple[EmbeddingRecommender, NaturalReadiness | None]:
    return recommender, NaturalReadiness.measure(recommender, splits.train)


def _calibrated(
    recommender: EmbeddingRecommender, splits: Splits
) -> tuple[EmbeddingRecommender, NaturalReadiness | None]:
    readiness = NaturalReadiness.measure(recommender, splits.train)
    return recommender, calibrate(recommender, splits.train, half_of(splits.strangers)[0], readiness)


def _ready2unlearn(
    recommender: EmbeddingRecommender, splits: Splits
) -> tuple[EmbeddingRecommender, NaturalReadiness | None]:
    if not isinstance(recommender, Factorization):
        raise UsageError(f"ready2unlearn goes on training a factorization, and {recommender.name!r} is none")
    ready = make_ready(recommender, splits.train)
    return ready, NaturalReadiness.measure(ready, splits.train)


PREPARATIONS: dict[str, Preparation] = {
    "none": Preparation(_none),
    "natural": Preparation(_natural),
    "calibrated": Preparation(_calibrated, uses_strangers=True),
    "ready2unlearn": Preparation(_ready2unlearn, moves=True),
}


@dataclass(frozen=True)
class Prepared:
    """An original as one kind of readiness leaves it.

    Parameters
    ----------
    strangers
        Those whom the preparation has not looked at.
    seconds
        Wall seconds on top of plain training.
    """

    name: str
    recommender: EmbeddingRecommender
    readiness: NaturalReadiness | None
    strangers: Interactions
    seconds: float


def prepared(name: str, original: Original) -> Prepared:
    """Apply the preparation of that name."""
    preparation, strangers = PREPARATIONS[name], original.splits.strangers
    start = time.perf_counter()
    recommender, readiness = preparation.prepare(original.recommender, original.splits)
    seconds = time.perf_counter() - start
    unseen = half_of(strangers)[1] if preparation.uses_strangers else strangers
    return Prepared(name, recommender, readiness, unseen, seconds)


def oracle_of(name: str, setting: Setting) -> EmbeddingRecommender:
    """Return the retrain, prepared like its original where the preparation moves the tables."""
    preparation = PREPARATIONS[name]
    if not preparation.moves:
        return setting.oracle
    splits = setting.start.splits
    retained = replace(splits, train=splits.train.without_users(setting.forgotten))
    return preparation.prepare(setting.oracle, retained)[0]
