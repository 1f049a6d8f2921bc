"""One published version of the recommender, as the registry knows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking import manifest

DIGEST_TAG = "files_sha256"
PARENT_TAG = "parent_version"


@dataclass(frozen=True)
class Version:
    """A version's number, place and measurements; reading its files goes through :meth:`open`.

    Parameters
    ----------
    number
        1 for the first; never used again.
    directory
        Where its files lie, in the workspace's own ``mlruns``.
    run_id
        The MLflow run that made it.
    parent
        The version that it was made from, None for one trained from the data.
    created
        In UTC.
    metrics
        Name to value, without what was not measured; see :mod:`.names`.
    """

    number: int
    directory: Path
    run_id: str
    parent: int | None
    created: datetime
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def verify(self) -> None:
        """Check every file against the hashes taken at publication.

        Raises
        ------
        VersionError
            If a file is altered, missing or additional, or the version has no hash.
        """
        digest = self.tags.get(DIGEST_TAG)
        if digest is None:
            raise VersionError(
                f"version {self.number} has no tag {DIGEST_TAG!r}, so it was not published by this package; "
                "train a new version"
            )
        manifest.verify(self.directory.parent, digest)

    def open(self) -> Path:
        """Verify, and return the directory of the files. This is the way to load a model."""
        self.verify()
        return self.directory
