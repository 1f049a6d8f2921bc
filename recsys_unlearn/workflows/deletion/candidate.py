"""The version to be: tables that have forgotten, and an index over them, in the working directory.

Nobody sees any of it until :mod:`.serving` has audited it.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from recsys_unlearn import durable
from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.erasure.requests import State
from recsys_unlearn.errors import LostRequest
from recsys_unlearn.interactions.contract import Interactions, Splits
from recsys_unlearn.readiness.natural import measure_readiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.tracking.versions import DIGEST_TAG
from recsys_unlearn.unlearning.contract import Unlearner
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.registry import unlearner
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.lineage import Lineage
from recsys_unlearn.workflows.version_files import INDEX_FILE, Files, Opened, index_of, write_files

FILES, DESCRIPTION = "version", "candidate.json"


@dataclass(frozen=True)
class Candidate:
    """A version in the making.

    Parameters
    ----------
    parent
        Number of the version that it was made from.
    made_by
        Name, guarantee and parameters of the method, and what it leaves behind.
    files
        Where it lies; None if the parent holds nothing of what goes, and so may serve on.
    """

    parent: int
    made_by: dict[str, Any]
    files: Files | None

    @property
    def from_scratch(self) -> bool:
        """Whether it was fitted to the retained data, and owes its parent nothing."""
        return bool(self.made_by["from_scratch"])


def make(batch: Batch, parent: Opened, splits: Splits, lineage: Lineage) -> Candidate:
    """Unlearn, and write what comes out of it to the working directory, durably.

    Parameters
    ----------
    splits
        Of the store, which does not hold the forget set any more.

    Raises
    ------
    LostRequest
        If the forget set is lost, and the parent may know it.
    """
    discard(batch)
    recommender = parent.recommender()
    method = _configured(batch.terms.method, recommender, splits)
    made_by = _described(method)
    files = None
    if batch.is_lost and _knows(batch, parent, lineage):
        raise LostRequest(
            f"the working directory of {batch.name} was damaged, and with it what the model is to forget was "
            "lost. The data is erased: run `recsys-unlearn train`, which makes a version without it"
        )
    if len(batch.plan.train) and _knows(batch, parent, lineage):
        known = merged(splits.train, batch.plan.train)
        result = method.forget(recommender, known, batch.plan.request, parent.readiness())
        if result.recommender is not recommender:  # else they were strangers to it, or unlearned before
            readiness = result.readiness or measure_readiness(result.recommender, splits.train)
            files = Files(batch.directory / FILES)
            write_files(files.directory, result.recommender, readiness)
            durable.sync_tree(files.directory)
    candidate = Candidate(parent.version.number, made_by, files)
    description = {"parent": candidate.parent, "made_by": made_by, "made": files is not None}
    durable.write_json(batch.directory / DESCRIPTION, description)
    return candidate


def find(batch: Batch) -> Candidate | None:
    """Return what was made before, by this process or by one that has died; None if nothing was."""
    try:
        found = json.loads((batch.directory / DESCRIPTION).read_bytes())
    except (OSError, ValueError):
        return None
    files = Files(batch.directory / FILES) if found["made"] else None
    return Candidate(found["parent"], found["made_by"], files)


def discard(batch: Batch) -> None:
    """Remove what was made before: it is of another parent, or by another method."""
    (batch.directory / DESCRIPTION).unlink(missing_ok=True)
    shutil.rmtree(batch.directory / FILES, ignore_errors=True)


def index(candidate: Candidate) -> None:
    """Build the index over the candidate's items, beside them; durable, like everything that saves one."""
    if candidate.files is not None:
        made = index_of(candidate.files.recommender())
        if made is not None:
            made.save(candidate.files.directory / INDEX_FILE)
        durable.sync(candidate.files.directory)


def merged(retained: Interactions, forgotten: Interactions) -> Interactions:
    """Both together, as they were before the one was taken from the other."""
    codes = np.concatenate([retained.pair_codes, forgotten.pair_codes])
    order = np.argsort(codes, kind="stable")

    def column(name: str) -> np.ndarray | None:
        parts = getattr(retained, name), getattr(forgotten, name)
        return None if any(each is None for each in parts) else np.concatenate(parts)[order]

    columns = {name: column(name) for name in ("users", "items", "weights", "times")}
    return Interactions(n_users=retained.n_users, n_items=retained.n_items, **columns)  # type: ignore[arg-type]


def _knows(batch: Batch, parent: Opened, lineage: Lineage) -> bool:
    erased_at = batch.requests[0].sequences[State.DATA_ERASED]
    return lineage.knows(parent.version.tags.get(DIGEST_TAG), batch.name, erased_at)


def _configured(name: str | None, recommender: Recommender, splits: Splits) -> Unlearner:
    """Return the method; one that stops at the strangers' level is told where that is."""
    chosen = unlearner(name or recommender.forgets_by)
    if not isinstance(chosen, GradientAscent) or not len(splits.strangers):
        return chosen
    level = fold_in_statistic(recommender, splits.strangers).log_likelihood.mean()
    return replace(chosen, stranger_level=float(level))


def _described(method: Unlearner) -> dict[str, Any]:
    return {
        "method": method.name,
        "guarantee": method.guarantee,
        "leaves_behind": method.leaves_behind,
        "from_scratch": method.trains_again and method.guarantee == "exact",
        "parameters": dict(_flat(asdict(method), "method")),
    }


def _flat(parameters: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value
