"""What every recommender is: scores for users over the catalogue, from a table for each side."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from recsys_unlearn.errors import VersionError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress

WEIGHTS_FILE = "weights.safetensors"
DESCRIPTION_FILE = "model.json"


class Recommender(ABC):
    """A recommender with a user table and an item table; a score is the inner product of two rows.

    The constructor stores hyper-parameters and does nothing else. ``fit`` starts from scratch every
    time. A fitted recommender keeps no interactions, only the tables: what a user must not be
    shown again is an argument of :meth:`recommend`.

    Attributes
    ----------
    user_table, item_table
        float32 (n_users, d) and (n_items, d). The row of a user who was never trained on, or was
        forgotten, is all zeros.
    options
        The hyper-parameters, a frozen dataclass.
    retrain_options
        Set by ``fit``: the options with which a fit on fewer interactions repeats this training step
        for step, early stopping's choice included. The oracle of every audit is trained with them.
    """

    name: ClassVar[str]
    options_type: ClassVar[type]
    user_table: np.ndarray
    item_table: np.ndarray

    def __init__(self, options: Any = None) -> None:
        self.options = self.options_type() if options is None else options
        self.retrain_options = self.options

    @abstractmethod
    def fit(
        self,
        interactions: Interactions,
        validation: Interactions | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train from scratch on ``interactions``; ``validation`` decides when to stop."""

    @abstractmethod
    def resume(self, interactions: Interactions, steps: int, learning_rate: float) -> Self:
        """Return another that goes on training for some steps on ``interactions``; ``self`` stays."""

    def scores(self, users: np.ndarray) -> np.ndarray:
        """float32 (len(users), n_items): scores of the whole catalogue for the given user rows."""
        return self.user_table[users] @ self.item_table.T

    def recommend(
        self, users: int | np.ndarray, k: int = 20, exclude: Interactions | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Top-k item rows and their scores, best first, by brute force.

        A scalar ``users`` gives 1-D arrays, an array of n rows gives (n, k). Items that a user has
        in ``exclude`` are left out; where fewer than k items remain, the rest is -1 with score -inf.
        """
        rows = np.atleast_1d(np.asarray(users))
        scores = self.scores(rows).copy()
        if exclude is not None:
            for line, row in zip(scores, rows, strict=True):
                line[exclude.items_of(int(row))] = -np.inf
        items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(scores, items, axis=1)
        missing = max(0, k - items.shape[1])
        best = np.pad(best, ((0, 0), (0, missing)), constant_values=-np.inf)
        items = np.where(np.isneginf(best), -1, np.pad(items, ((0, 0), (0, missing))))
        return (items[0], best[0]) if np.ndim(users) == 0 else (items, best)

    def with_tables(self, user_table: np.ndarray, item_table: np.ndarray) -> Self:
        """Return a recommender of the same kind and options that holds the given tables."""
        other = type(self)(self.options)
        other.user_table, other.item_table = user_table, item_table
        other.retrain_options = self.retrain_options
        return other

    def retrain(self, interactions: Interactions, progress: Progress | None = None) -> Self:
        """Train another from scratch, the same way, on what is left: the oracle."""
        return type(self)(self.retrain_options).fit(interactions, progress=progress)

    def save(self, directory: Path) -> None:
        """Write the tables as safetensors and the description as JSON into ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        tables = {"user_table": self.user_table, "item_table": self.item_table}
        save_file({k: np.ascontiguousarray(v) for k, v in tables.items()}, directory / WEIGHTS_FILE)
        description = {
            "recommender": self.name,
            "options": asdict(self.options),
            "retrain_options": asdict(self.retrain_options),
        }
        (directory / DESCRIPTION_FILE).write_text(json.dumps(description, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        VersionError
            If the directory holds another kind of recommender, or its files cannot be read.
        """
        try:
            description = json.loads((directory / DESCRIPTION_FILE).read_text())
            tables = load_file(directory / WEIGHTS_FILE)
            if description["recommender"] != cls.name:
                raise VersionError(f"{directory} holds a {description['recommender']!r}, not a {cls.name!r}")
            _check_tables(tables)
            loaded = cls(cls.options_type(**description["options"])).with_tables(**tables)
            loaded.retrain_options = cls.options_type(**description["retrain_options"])
            return loaded
        except VersionError:
            raise
        except Exception as error:  # whatever a damaged file makes the readers raise
            raise VersionError(f"no readable model in {directory}: {error}. Train a new version.") from error


def _check_tables(tables: dict[str, np.ndarray]) -> None:
    if any(table.ndim != 2 or table.dtype != np.float32 for table in tables.values()):
        raise ValueError("a table is not a matrix of float32")
    if len({table.shape[1] for table in tables.values()}) > 1:
        raise ValueError("the tables' rows differ in length")
