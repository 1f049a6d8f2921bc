"""The names under which every method's measurements are filed, so that MLflow's comparison lines up.

MLflow refuses ``@`` in a metric's name, so ``recall@20`` is stored as ``recall_at_20``. This module is
the only place that knows.
"""

import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from recsys_unlearn.errors import InvalidValue, UsageError

UTILITY = ("recall@20", "ndcg@20", "mrr@20", "hit_rate@20", "coverage@20")
"""Of the version that the run is about, over its retained users."""

BEFORE = {"before/recall@20": "recall@20", "before/ndcg@20": "ndcg@20"}
"""Of the parent version over the same users. With no deletion nothing changed: the version's own."""

DELETED = ("deleted/users", "deleted/interactions")
"""How much was asked to be forgotten; 0 where nothing was."""

COMMON = (*UTILITY, *BEFORE, "audit/auc", "audit/recall_gap", *DELETED, "seconds/total")
"""The dozen that every run has, whatever its kind; NaN says "not measured"."""

GROUPS = ("audit", "before", "deleted", "interval", "loss", "seconds", "validation")
"""A name may also be one of these, a slash and anything, as in ``seconds/model``."""

_CUT_OFF = re.compile(r"(recall|ndcg|mrr|hit_rate|coverage)@[1-9][0-9]*")
_GROUPED = re.compile(rf"({'|'.join(GROUPS)})/[a-z0-9_.]+(@[a-z0-9.]+)?")


def check(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values as floats; None, "not measured", becomes NaN.

    Raises
    ------
    UsageError
        If a name is not one that all methods share, and so would sit alone in a comparison.
    InvalidValue
        If a value is infinite, which SQLite would store as 1.8e308.
    """
    for name in values:
        _check_name(name)
    numbers = {name: math.nan if value is None else float(value) for name, value in values.items()}
    for name, number in numbers.items():
        if math.isinf(number):
            raise InvalidValue(f"metric {name!r} is infinite; log NaN for what could not be measured")
    return numbers


def complete(values: Mapping[str, float]) -> dict[str, float]:
    """Return ``values`` with all of :data:`COMMON`, so that any two runs can be put side by side."""
    defaults = dict.fromkeys(COMMON, math.nan) | dict.fromkeys(DELETED, 0.0)
    filled = defaults | dict(values)
    return filled | {name: filled[own] for name, own in BEFORE.items() if name not in values}


def to_mlflow(name: str) -> str:
    """``recall@20`` as MLflow will have it."""
    return name.replace("@", "_at_")


def from_mlflow(name: str) -> str:
    """Undo :func:`to_mlflow`."""
    return name.replace("_at_", "@")


def measured(stored: Mapping[str, float]) -> dict[str, float]:
    """MLflow's metrics under our names, without those that were not measured."""
    return {from_mlflow(name): value for name, value in stored.items() if not math.isnan(value)}


def _check_name(name: str) -> None:
    if _CUT_OFF.fullmatch(name) or (_GROUPED.fullmatch(name) and "_at_" not in name):
        return
    raise UsageError(f"no metric is called {name!r}; {_suggest(name, COMMON)}, or one of {_groups()}")


def _suggest(name: str, valid: Iterable[str]) -> str:
    near = get_close_matches(name, valid, n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}" if near else f"use one of {', '.join(valid)}"


def _groups() -> str:
    return ", ".join(f"{group}/..." for group in GROUPS)
