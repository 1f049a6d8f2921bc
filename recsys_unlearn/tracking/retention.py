"""How long a superseded version is kept: not at all, for some days, or until enough came after it.

A superseded version still holds whoever was forgotten since, so every day that it is kept is a choice
between going back quickly and being rid of the data. The default is not to keep it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from recsys_unlearn.errors import UsageError


@dataclass(frozen=True)
class Superseded:
    """A version older than the one that serves.

    Parameters
    ----------
    since
        When the version after it was made, in UTC.
    place
        0 for the newest of the superseded versions, 1 for the one before it.
    """

    number: int
    since: datetime
    place: int


class Retention(Protocol):
    """Decides for each superseded version; what serves, and what is newer than it, is never asked about."""

    def reason_to_keep(self, version: Superseded, now: datetime) -> str | None:
        """Say why the version stays, or None if it goes."""


@dataclass(frozen=True)
class AtOnce:
    """Keep none."""

    def reason_to_keep(self, version: Superseded, now: datetime) -> str | None:
        """Return None: it goes."""
        return None


@dataclass(frozen=True)
class AfterDays:
    """Keep each for some days after it was superseded.

    Raises
    ------
    UsageError
        If ``days`` is negative.
    """

    days: float

    def __post_init__(self) -> None:
        _check(self.days, "days")

    def reason_to_keep(self, version: Superseded, now: datetime) -> str | None:
        """Keep until the days are over."""
        end = version.since + timedelta(days=self.days)
        return f"kept for {self.days:g} days, until {end.date()}" if now < end else None


@dataclass(frozen=True)
class KeepNewest:
    """Keep the newest few of the superseded.

    Raises
    ------
    UsageError
        If ``count`` is negative.
    """

    count: int

    def __post_init__(self) -> None:
        _check(self.count, "versions")

    def reason_to_keep(self, version: Superseded, now: datetime) -> str | None:
        """Keep the first ``count``, counted from the newest."""
        return f"among the newest {self.count} superseded" if version.place < self.count else None


def _check(value: float, what: str) -> None:
    if not value >= 0:
        raise UsageError(f"superseded versions cannot be kept for {value} {what}; give 0 or more")
