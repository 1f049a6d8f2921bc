"""What every recommender is: trained from scratch, asked for scores, kept as arrays and a description.

There are two kinds. An :class:`~recsys_unlearn.recommenders.embedding.EmbeddingRecommender` has a vector
for each user; an :class:`~recsys_unlearn.recommenders.item_item.ItemItemRecommender` has none, and scores
the history that the caller gives. Who serves, evaluates or audits need not know which one it has.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from recsys_unlearn.errors import NothingLeft, VersionError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress

if TYPE_CHECKING:
    from recsys_unlearn.recommenders.geometry import LossGeometry

WEIGHTS_FILE = "weights.safetensors"
DESCRIPTION_FILE = "model.json"


class Recommender(ABC):
    """A recommender over fixed id spaces of user rows and item rows.

    The constructor stores hyper-parameters and does nothing else. ``fit`` starts from scratch every
    time. A fitted recommender keeps no interactions: histories, and what a user must not be shown
    again, are arguments.

    Attributes
    ----------
    options
        The hyper-parameters, a frozen dataclass.
    retrain_options
        Set by ``fit``: the options with which a fit on fewer interactions repeats this training step
        for step, early stopping's choice included. The oracle of every audit is trained with them.
    arrays
        Names of the attributes that ``fit`` sets: with the options, all that a version keeps.
    forgets_by
        Name of the unlearning method that a deletion uses unless it asks for another.
    """

    name: ClassVar[str]
    options_type: ClassVar[type]
    arrays: ClassVar[tuple[str, ...]]
    forgets_by: ClassVar[str]

    def __init__(self, options: Any = None) -> None:
        self.options = self.options_type() if options is None else options
        self.retrain_options = self.options

    def fit(
        self,
        interactions: Interactions,
        validation: Interactions | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train from scratch on ``interactions``; on as many threads, twice the same.

        Parameters
        ----------
        validation
            Decides when a descent stops, and how ``spectral`` weighs its filters; nothing else.

        Raises
        ------
        NothingLeft
            If there is nothing to train on.
        UsageError
            If the catalogue is too large for this kind of recommender.
        """
        if not len(interactions):
            raise NothingLeft("no training interactions: check the split and the filters of `ingest`")
        self._fit(interactions, validation, progress)
        return self

    @abstractmethod
    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Set what :attr:`arrays` names; there is at least one interaction."""

    @abstractmethod
    def scores(self, users: np.ndarray, histories: Interactions | None = None) -> np.ndarray:
        """float32 (len(users), n_items): scores of the whole catalogue for the given user rows.

        ``histories`` holds the items of each user; a recommender with a vector for each user does not
        look at it.
        """

    @abstractmethod
    def folded_in(self, histories: Interactions) -> "Given":
        """Scorer that knows the users of ``histories`` by these items alone, members or strangers."""

    @property
    @abstractmethod
    def members(self) -> np.ndarray:
        """Bool (n_users,): rows that are in the model; strangers and the forgotten are not."""

    def knows(self, users: np.ndarray) -> np.ndarray:
        """Bool (len(users),): which of these rows are in the model."""
        return self.members[users]

    @property
    @abstractmethod
    def n_items(self) -> int:
        """Size of the catalogue."""

    @property
    @abstractmethod
    def geometry(self) -> "LossGeometry":
        """How scores enter the loss: what forgetting differentiates and the audit measures."""

    @property
    def epochs(self) -> int:
        """Passes over the data that training took; a closed form takes one."""
        return int(getattr(self.retrain_options, "epochs", 1))

    @property
    def seed(self) -> int:
        """Of its training, and of what is drawn to forget from it; 0 for one that draws nothing."""
        return int(getattr(self.options, "seed", 0))

    def canonical(self) -> Self:
        """Return the same recommender in a form that does not depend on how it was parametrised.

        Scores are equal up to rounding, but a regularised fold-in sees the difference: it is what audits
        measure. Most recommenders have one form.
        """
        return self

    def given(self, histories: Interactions) -> "Given":
        """Scorer by user row alone, for :func:`recsys_unlearn.metrics.evaluate`."""
        return Given(self, histories)

    def recommend(
        self,
        users: int | np.ndarray,
        k: int = 20,
        exclude: Interactions | None = None,
        histories: Interactions | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Top-k item rows and their scores, best first, by brute force.

        A scalar ``users`` gives 1-D arrays, an array of n rows gives (n, k). Items that a user has
        in ``exclude`` are left out; where fewer than k items remain, the rest is -1 with score -inf.
        """
        rows = np.atleast_1d(np.asarray(users))
        scores = self.scores(rows, histories).copy()
        if exclude is not None:
            for line, row in zip(scores, rows, strict=True):
                line[exclude.items_of(int(row))] = -np.inf
        items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(scores, items, axis=1)
        missing = max(0, k - items.shape[1])
        best = np.pad(best, ((0, 0), (0, missing)), constant_values=-np.inf)
        items = np.where(np.isneginf(best), -1, np.pad(items, ((0, 0), (0, missing))))
        return (items[0], best[0]) if np.ndim(users) == 0 else (items, best)

    def retrain(self, interactions: Interactions, progress: Progress | None = None) -> Self:
        """Train another from scratch, the same way, on what is left: the oracle."""
        return type(self)(self.retrain_options).fit(interactions, progress=progress)

    def state(self) -> dict[str, np.ndarray]:
        """What ``fit`` computed, by name."""
        return {name: getattr(self, name) for name in self.arrays}

    def with_state(self, state: Mapping[str, np.ndarray]) -> Self:
        """Return a recommender of the same kind and options that holds the given arrays.

        Raises
        ------
        ValueError
            If they are not the arrays of such a recommender.
        """
        if set(state) != set(self.arrays):
            raise ValueError(f"it holds {', '.join(sorted(state))} and not {', '.join(self.arrays)}")
        self.check_state(state)
        other = type(self)(self.options)
        vars(other).update(state)
        other.retrain_options = self.retrain_options
        return other

    @staticmethod
    @abstractmethod
    def check_state(state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError where an array's shape or type is wrong."""

    def save(self, directory: Path) -> None:
        """Write the arrays as safetensors and the description as JSON into ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        state = self.state()
        save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, directory / WEIGHTS_FILE)
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
            state = load_file(directory / WEIGHTS_FILE)
            if description["recommender"] != cls.name:
                raise VersionError(f"{directory} holds a {description['recommender']!r}, not a {cls.name!r}")
            _check_finite(state)
            loaded = cls(cls.options_type(**description["options"])).with_state(state)
            loaded.retrain_options = cls.options_type(**description["retrain_options"])
            return loaded
        except VersionError:
            raise
        except Exception as error:  # whatever a damaged file makes the readers raise
            raise VersionError(f"no readable model in {directory}: {error}. Train a new version.") from error


def _check_finite(state: Mapping[str, np.ndarray]) -> None:
    if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in state.values()):
        raise ValueError("an array holds NaN or infinity")


@dataclass(frozen=True, eq=False)
class Given:
    """A recommender with its users' histories at hand.

    Parameters
    ----------
    recommender
        Whose scores.
    histories
        The items of each user.
    """

    recommender: Recommender
    histories: Interactions

    def scores(self, users: np.ndarray) -> np.ndarray:
        """float32 (len(users), n_items)."""
        return self.recommender.scores(users, self.histories)

    def recommend(
        self, users: int | np.ndarray, k: int = 20, exclude: Interactions | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Top-k item rows and their scores, as :meth:`Recommender.recommend` does."""
        return self.recommender.recommend(users, k, exclude, self.histories)

    @property
    def geometry(self) -> "LossGeometry":
        """The recommender's own."""
        return self.recommender.geometry
