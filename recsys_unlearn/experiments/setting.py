"""One draw: the data, who is a stranger, who is forgotten, and the models with and without them."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recsys_unlearn.durable import write_json
from recsys_unlearn.experiments.cohorts import draw_cohort
from recsys_unlearn.experiments.recipes import RECIPES
from recsys_unlearn.interactions import IngestOptions, Interactions, InteractionStore, Splits, ingest
from recsys_unlearn.interactions.synthetic import SPARSE, SyntheticOptions, generate
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.registry import load_recommender, recommender_kind
from recsys_unlearn.unlearning.contract import ForgetRequest

SECONDS_FILE = "seconds.json"
SYNTHETIC = {"synthetic": SyntheticOptions(), "synthetic-sparse": SPARSE}


@dataclass(frozen=True)
class Original:
    """A model of everybody but the strangers.

    Parameters
    ----------
    seconds_fit
        Wall seconds of plain training.
    """

    dataset: str
    seed: int
    splits: Splits
    trained: "Trained"
    recommender: EmbeddingRecommender
    seconds_fit: float


@dataclass(frozen=True)
class Setting:
    """An original, a cohort to forget, and the oracle: a retrain without them.

    Parameters
    ----------
    forgotten, retained
        int64: user rows, ascending; together all users of the training split.
    """

    start: Original
    cohort: str
    forgotten: np.ndarray
    oracle: EmbeddingRecommender
    seconds_retrain: float

    @property
    def retained(self) -> np.ndarray:
        """int64: training users who stay."""
        return np.setdiff1d(self.start.splits.train.active_users, self.forgotten)

    @cached_property
    def request(self) -> ForgetRequest:
        """All forgotten users at once."""
        return ForgetRequest.of_accounts(self.start.splits.train, self.forgotten)

    @cached_property
    def retained_test(self) -> Interactions:
        """Test pairs of those who stay: where utility is measured."""
        return self.start.splits.test.of_users(self.retained)


def read_dataset(dataset: Path | str | None, seed: int, validation: float = 0.0) -> tuple[str, Splits]:
    """Name and splits of a folder with ``train.txt`` and ``test.txt``, or of a synthetic set by name.

    Strangers, and the share of training pairs that goes to ``validation``, are drawn by ``seed``.
    """
    options = IngestOptions(seed=seed, validation_fraction=validation)
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) / "store"
        name = str(dataset or "synthetic")
        if name in SYNTHETIC:
            ingest(generate(SYNTHETIC[name]).frame, store, options)
        else:
            source = Path(name)
            ingest(source / "train.txt", store, options.model_copy(update={"test": source / "test.txt"}))
            name = source.resolve().name
        return name, InteractionStore.open(store).splits()


class Trained:
    """Models by name in a directory, so that another method can be measured without another training.

    Parameters
    ----------
    directory
        Of one data set, recipe and seed; None keeps nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def get(self, name: str, train: Callable[[], Recommender]) -> tuple[Any, float]:
        """Return the model and the seconds its training took, whenever that was."""
        place = self.directory / name if self.directory else None
        if place and (place / SECONDS_FILE).exists():
            return load_recommender(place), json.loads((place / SECONDS_FILE).read_text())
        start = time.perf_counter()
        recommender = train()
        seconds = time.perf_counter() - start
        if place:
            recommender.save(place)
            write_json(place / SECONDS_FILE, seconds)
        return recommender, seconds


def train_original(dataset: Path | str | None, recipe: str, seed: int, keep: Path | None = None) -> Original:
    """Draw the strangers, train on the rest; ``keep`` holds models between calls."""
    chosen = RECIPES[recipe]
    name, splits = read_dataset(dataset, seed, chosen.validation)
    trained = Trained(keep / f"{name}-{recipe}-{seed}" if keep else None)
    fresh = recommender_kind(chosen.model)(replace(chosen.options, seed=seed))
    recommender, seconds = trained.get("original", lambda: fresh.fit(splits.train, splits.validation))
    return Original(name, seed, splits, trained, recommender, seconds)


def with_oracle(original: Original, cohort: str, share: float) -> Setting:
    """Draw a cohort and retrain without it."""
    train = original.splits.train
    forgotten = draw_cohort(cohort, train, original.recommender, share, original.seed)
    left = train.without_users(forgotten)
    oracle, seconds = original.trained.get(
        f"without-{cohort}-{share:g}", lambda: original.recommender.retrain(left)
    )
    return Setting(original, cohort, forgotten, oracle, seconds)
