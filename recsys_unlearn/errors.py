"""Everything that can go wrong, as one tree. Each leaf fixes the command line's exit code.

::

    RecsysUnlearnError            1  failed, nothing changed
    ├── UsageError                2  an argument or option makes no sense
    │   └── ConfigError           2  a configuration key or value is wrong (all are listed at once)
    ├── InputError                1  the caller's data cannot be used
    │   ├── UnreadableSource      1  no such file, not that format, truncated
    │   ├── MissingColumn         1  a column that is needed is not there
    │   ├── InvalidValue          1  a value of the wrong type, NaN, out of range
    │   └── NothingLeft           1  no rows, or a split or filter that leaves none
    ├── UnknownUser               3  not in this workspace: never ingested, or forgotten
    ├── UnknownItem               2  not in this workspace's catalogue
    ├── StoreError                1  the training store is missing, damaged or of another generation
    │   └── LostRequest           1  what a request needs to be carried out is lost
    ├── VersionError              1  a model version is missing, damaged or from elsewhere
    ├── LedgerError               1  the ledger, its key or the suppression list cannot be relied on
    ├── PartiallyDone             4  some steps are durable, others are not; run the command again
    ├── VerificationFailed        5  the audit did not pass; the champion is unchanged
    └── Locked                    6  another process is changing this workspace

A message says what happened, to what, and what to do next. It never carries a user's id.
"""

import os
import re
import sqlite3


class RecsysUnlearnError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class UsageError(RecsysUnlearnError):
    """An argument or option makes no sense."""

    exit_code = 2


class ConfigError(UsageError):
    """One or more configuration keys or values are wrong."""


class InputError(RecsysUnlearnError):
    """The caller's data cannot be used; nothing was written."""


class UnreadableSource(InputError):
    """A file that is absent, truncated, or not in the stated format."""


class MissingColumn(InputError):
    """A column that is needed is not in the source."""


class InvalidValue(InputError):
    """A value of the wrong type, NaN, or out of range."""


class NothingLeft(InputError):
    """No rows at all, or none after filtering or splitting."""


class UnknownUser(RecsysUnlearnError):
    """The user is not in this workspace: never ingested, or forgotten."""

    exit_code = 3


class UnknownItem(UsageError):
    """The item is not in this workspace's catalogue."""


class StoreError(RecsysUnlearnError):
    """The training store is missing, damaged, or not the one a version was trained on."""


class LostRequest(StoreError):
    """The working directory of a request is damaged, and the ledger does not tell what was in it."""


class VersionError(RecsysUnlearnError):
    """A model version is missing, damaged, or was not written by this workspace."""


class LedgerError(RecsysUnlearnError):
    """The ledger of requests, its key or the suppression list is missing, altered or unwritable."""


class PartiallyDone(RecsysUnlearnError):
    """Some steps are durable and others are not; running the command again finishes them."""

    exit_code = 4


class VerificationFailed(RecsysUnlearnError):
    """The audit did not pass, so the champion alias was left where it was."""

    exit_code = 5


class Locked(RecsysUnlearnError):
    """Another living process is changing this workspace."""

    exit_code = 6


_NUMBERED = re.compile(r"\(os error (\d+)\)")


def refusal(error: BaseException) -> str | None:
    """What the system or SQLite refused, in words that quote nothing; None for an error of another cause.

    polars and safetensors raise errors of their own kind, with the system's number in the text. SQLAlchemy
    and MLflow wrap SQLite's, and quote the statement with its values; SQLite quotes nothing.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if numbered := _NUMBERED.search(str(error)):
        return os.strerror(int(numbered[1]))
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, sqlite3.OperationalError):
            return f"MLflow's database cannot be used: {link}"
        link = link.__cause__ or link.__context__
    return None
