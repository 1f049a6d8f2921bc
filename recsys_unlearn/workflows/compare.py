"""Put versions side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recsys_unlearn import tracking
from recsys_unlearn.workspace import Workspace


@dataclass(frozen=True)
class Comparison:
    """Versions with their measurements.

    Parameters
    ----------
    versions
        In the order asked for, or from the oldest to the newest; keys as in
        :func:`recsys_unlearn.tracking.compare`.
    """

    versions: list[dict[str, Any]]

    def as_list(self) -> list[dict[str, Any]]:
        """Return one mapping for each version, ready for JSON."""
        return self.versions


def compare(workspace: Workspace, numbers: Sequence[int] = ()) -> Comparison:
    """Describe the named versions, or all of them.

    Raises
    ------
    VersionError
        If there is no version of one of the numbers.
    """
    registry = workspace.registry()
    chosen = [registry.version(number) for number in numbers] if numbers else registry.versions()[::-1]
    return Comparison(tracking.compare(chosen))
