"""What is looked for when a workspace is searched for one person, gathered before they are deleted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from recsys_unlearn.durable import replacing
from recsys_unlearn.errors import InvalidValue
from recsys_unlearn.interactions.contract import UserId

FEWEST_ITEMS = 5  # below it a set of items is nobody's fingerprint


@dataclass(frozen=True)
class Target:
    """One person's traces. It is personal data itself: keep it no longer than the request is open.

    Parameters
    ----------
    user_id
        As the caller writes it; None to search for the rest only.
    row
        The internal user row, in the store of ``store_id``.
    items, item_ids
        Item rows, and the same items as the caller writes them: the fingerprint, if there are 5 or more.
    vectors
        float (d,), one for each version and table with a row of this user's that is not zero.
    n_users, n_items
        Sizes of the store's id spaces, by which a table over users is recognised.
    foreign_models
        Directory names of models that were trained on another store: their rows are other people.
    """

    user_id: UserId | None = field(default=None, repr=False)
    row: int | None = field(default=None, repr=False)
    items: tuple[int, ...] = field(default=(), repr=False)
    item_ids: tuple[str, ...] = field(default=(), repr=False)
    vectors: tuple[np.ndarray, ...] = field(default=(), repr=False, compare=False)
    store_id: str | None = None
    n_users: int | None = None
    n_items: int | None = None
    foreign_models: frozenset[str] = frozenset()

    @property
    def text(self) -> str | None:
        """The id as text."""
        return None if self.user_id is None else str(self.user_id)

    @property
    def searched(self) -> list[str]:
        """Kinds of traces that this target can be recognised by."""
        present = {
            "id": self.user_id is not None,
            "row": self.row is not None,
            "vector": bool(self.vectors),
            "items": len(self.items) >= FEWEST_ITEMS,
        }
        return [kind for kind, there in present.items() if there]

    def save(self, path: Path) -> None:
        """Write as JSON, readable by the owner alone."""
        values = vars(self) | {
            "vectors": [np.asarray(vector, np.float64).tolist() for vector in self.vectors],
            "foreign_models": sorted(self.foreign_models),
        }
        with replacing(path) as temporary:
            temporary.touch(mode=0o600, exist_ok=False)
            temporary.write_text(json.dumps(values, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InvalidValue
            If the file is not a saved target.
        """
        try:
            return cls._parse(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InvalidValue(
                f"{path} is not a saved target ({type(error).__name__}); save one before the deletion"
            ) from None

    @classmethod
    def _parse(cls, values: Mapping[str, Any]) -> Self:
        arrays: dict[str, Any] = {
            "items": tuple(values["items"]),
            "item_ids": tuple(values["item_ids"]),
            "vectors": tuple(np.array(each, np.float32) for each in values["vectors"]),
            "foreign_models": frozenset(values["foreign_models"]),
        }
        return cls(**dict(values) | arrays)
