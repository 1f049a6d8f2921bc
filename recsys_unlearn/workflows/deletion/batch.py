"""Requests that are carried out together, and what is kept of them on the way.

The forget set has to outlive the data: the model is updated and audited after the store has lost it. So
it lies, as rows, in the working directory of the first request, and goes with it at the end.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load, save

from recsys_unlearn import durable
from recsys_unlearn.erasure.requests import STEPS, WORKING, Request, Requests, State
from recsys_unlearn.errors import LostRequest
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.deletion_plan import DeletionPlan

DESCRIPTION_FILE, FORGET_SET_FILE = "batch.json", "forget_set.safetensors"


@dataclass(frozen=True)
class Batch:
    """Requests on one way, which make one version.

    Parameters
    ----------
    requests
        The first one gives the batch its name, and its working directory.
    counts
        Request to its number of interactions, and of training interactions.
    pairs
        Keyed hashes of a user and an item each, of requests for items: what must not come back.
    resumed
        Whether it was begun by another process.
    is_lost
        Whether some of the forget set is gone, so that no model can be made to forget it.
    """

    requests: tuple[Request, ...]
    terms: Terms
    plan: DeletionPlan
    counts: Mapping[str, tuple[int, int]]
    directory: Path
    pairs: Sequence[tuple[str, str]] = ()
    resumed: bool = False
    is_lost: bool = False

    @property
    def name(self) -> str:
        """Id of the first request."""
        return self.requests[0].request_id

    @property
    def ids(self) -> list[str]:
        """Ids of all requests."""
        return [each.request_id for each in self.requests]

    @property
    def reached(self) -> State:
        """The step that all of them have reached."""
        return STEPS[min(STEPS.index(each.reached) for each in self.requests)]

    @property
    def subjects(self) -> list[str]:
        """Keyed hashes of the accounts that go."""
        return [hash for each in self.requests if each.kind == "account" for hash in each.subject]

    def details(self, state: State) -> Mapping[str, Any]:
        """What was recorded when the batch reached a state."""
        return self.requests[0].details.get(state, {})

    def advanced(self, requests: Requests, state: State, details: Mapping[str, Any]) -> Self:
        """Record a step of all requests: the particulars with the first, its name with the others."""
        behind = [each for each in self.requests if STEPS.index(each.reached) < STEPS.index(state)]
        first = [each.request_id for each in behind if each.request_id == self.name]
        others = [each.request_id for each in behind if each.request_id != self.name]
        requests.advance_all(first, state, **details)
        requests.advance_all(others, state, batch=self.name)
        now = {each.request_id: each for each in requests.all()}
        return replace(self, requests=tuple(now[each] for each in self.ids))

    def by(self, method: str | None) -> Self:
        """Return the same batch, to be carried on by another method if one is given."""
        return replace(self, terms=self.terms.by(method))

    def save(self) -> None:
        """Write it down, durably, where :meth:`load` finds it."""
        plan = self.plan
        tensors = {
            "accounts": plan.accounts,
            **_columns("pairs", plan.pairs),
            **_columns("train", plan.train),
        }
        _write(self.directory / FORGET_SET_FILE, save(tensors))
        description = {
            "requests": self.ids,
            "terms": self.terms.as_dict(),
            "counts": self.counts,
            "pairs": self.pairs,
            "shape": [plan.pairs.n_users, plan.pairs.n_items],
            "fingerprint": plan.fingerprint,
        }
        _write(self.directory / DESCRIPTION_FILE, json.dumps(description).encode())

    @classmethod
    def load(cls, requests: Requests, first: Request) -> "Batch":
        """Read the batch of a request that gave it its name.

        Raises
        ------
        LostRequest
            If what was written is missing or damaged.
        """
        directory = requests.working(first.request_id)
        try:
            found = json.loads((directory / DESCRIPTION_FILE).read_bytes())
            tensors = load((directory / FORGET_SET_FILE).read_bytes())
            pairs, train = (_interactions(tensors, name, found["shape"]) for name in ("pairs", "train"))
            members = tuple(requests.get(each) for each in found["requests"])
            plan = DeletionPlan(tensors["accounts"], pairs, train, found["fingerprint"])
            named = [(user, item) for user, item in found["pairs"]]
            terms, counts = Terms(**found["terms"]), dict(found["counts"])
        except Exception as error:  # whatever a damaged file makes the readers raise
            raise LostRequest(
                f"the working directory of {first.request_id} is damaged ({type(error).__name__})"
            ) from error
        return cls(members, terms, plan, counts, directory, named, resumed=True)


def members(requests: Requests, first: Request) -> Sequence[str]:
    """Ids of the requests in the batch of that name; of one whose directory is gone, just the name."""
    try:
        path = requests.directory / WORKING / first.request_id / DESCRIPTION_FILE
        return list(json.loads(path.read_bytes())["requests"])
    except (OSError, ValueError, KeyError, TypeError):
        return [first.request_id]


def _write(path: Path, content: bytes) -> None:
    with durable.replacing(path) as temporary:
        temporary.write_bytes(content)


def _columns(name: str, interactions: Interactions) -> dict[str, np.ndarray]:
    columns = {part: getattr(interactions, part) for part in ("users", "items", "weights", "times")}
    return {
        f"{name}.{part}": np.ascontiguousarray(each) for part, each in columns.items() if each is not None
    }


def _interactions(tensors: Mapping[str, np.ndarray], name: str, shape: Sequence[int]) -> Interactions:
    columns = {part: tensors.get(f"{name}.{part}") for part in ("users", "items", "weights", "times")}
    return Interactions(n_users=shape[0], n_items=shape[1], **columns)  # type: ignore[arg-type]
