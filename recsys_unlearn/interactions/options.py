"""What a caller can decide about an ingest."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsys_unlearn.errors import ConfigError

Format = Literal["csv", "tsv", "parquet", "inter", "u.data", "dat", "lightgcn"]
SplitKind = Literal["time", "random", "provided"]


class IngestOptions(BaseModel):
    """How to read, filter and split a source of interactions.

    Parameters
    ----------
    format
        Format of the files; None tells it from their content.
    user_column, item_column, rating_column, time_column
        Names of the columns; None finds them by their usual names.
    min_rating
        Keep the interactions rated this or higher; None keeps all.
    k_core
        Keep the largest subset in which every user and every item has at least this many
        interactions; 0 and 1 keep all.
    split
        ``time``: each user's latest interactions are the test set, those before them the validation
        set. ``random``: drawn per user. ``provided``: by ``test`` and ``validation``. None takes
        ``provided`` if either is given, else ``time`` if there is a time column, else ``random``.
    test, validation
        Files or frames that hold those sets, in the shape of the source.
    test_fraction
        Share of each user's interactions that go to the test set.
    validation_fraction
        Share of what the test set leaves that goes to the validation set.
    strangers
        Share of users held out from all training: what a model knows of them is what it may know of
        a forgotten user.
    seed
        Of the row numbers, the random splits and the choice of strangers.
    n_buckets
        Number of files the interactions are spread over; a deletion rewrites one per user.
    replace
        Take the place of a store that is already there.

    Raises
    ------
    ConfigError
        Lists everything that is wrong at once; an unknown name comes with the nearest known one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    format: Format | None = None
    user_column: str | None = None
    item_column: str | None = None
    rating_column: str | None = None
    time_column: str | None = None
    min_rating: float | None = Field(None, allow_inf_nan=False)
    k_core: int = Field(0, ge=0)
    split: SplitKind | None = None
    test: Any = None
    validation: Any = None
    test_fraction: float = Field(0.2, ge=0, lt=1)
    validation_fraction: float = Field(0.1, ge=0, lt=1)
    strangers: float = Field(0.05, ge=0, lt=1)
    seed: int = 0
    n_buckets: int = Field(64, ge=1, le=4096)
    replace: bool = False

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = "\n".join(f"  {_problem(details)}" for details in error.errors())
            raise ConfigError(f"ingest options cannot be used:\n{problems}") from None

    @model_validator(mode="after")
    def _split_agrees_with_sources(self) -> "IngestOptions":
        if self.split == "provided" and not self.provides_splits:
            raise ValueError("split 'provided' needs test or validation: name the file that holds it")
        if self.split in ("time", "random") and self.provides_splits:
            raise ValueError(f"split '{self.split}' contradicts test and validation: leave one of them out")
        return self

    @property
    def provides_splits(self) -> bool:
        """Whether a test or validation set comes with the source."""
        return self.test is not None or self.validation is not None

    def as_dict(self) -> dict[str, Any]:
        """Return what is kept in the manifest: every option but the sources, whose names may be private."""
        return self.model_dump(exclude={"test", "validation", "replace"})


def source_name(source: Any) -> str:
    """Return what messages call a source: its file names, or its type."""
    paths = source if isinstance(source, list | tuple) else [source]
    if all(isinstance(path, str | Path) for path in paths):
        return ", ".join(str(path) for path in paths)
    return f"the {type(source).__module__.partition('.')[0]} {type(source).__name__}"


def _problem(details: Any) -> str:
    name = ".".join(map(str, details["loc"])) or "options"
    if details["type"] != "extra_forbidden":
        return f"{name}: {details['msg'].removeprefix('Value error, ')}"
    nearest = get_close_matches(name, IngestOptions.model_fields, 1, cutoff=0)
    return f"{name}: no such option; the nearest is {nearest[0]}"
