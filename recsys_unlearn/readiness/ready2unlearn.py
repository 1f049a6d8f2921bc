"""Ready2Unlearn: train on until a few steps of ascent forget, hurt nobody else, and are not undone.

The published objective (arXiv 2505.10845, vision and language; reconstructed from its abstract and reviews,
since the equations could not be read) simulates forgetting, θ' = θ + α ∇L(θ; B_f), then relearning on
look-alikes, θ'' = θ' - γ ∇L(θ'; B_rel), and minimises

    L(θ; D) - λ₁ [L(θ'; B_f) - L(θ; B_f)] + λ₂ [L(θ'; B_s) - L(θ; B_s)] - λ₃ [L(θ''; B_f) - L(θ; B_f)]

Differences instead of losses, each capped: without a cap the negative terms diverge, and with plain losses
the first-order gradient cancels the task loss in the first bracket (FORGETTING, section 4). Only rows that a
step touches are gathered, so that the exact second order costs those rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_unlearn import losses
from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.randomness import generator, keyed_uniform, stream_key
from recsys_unlearn.recommenders.factorization import Factorization

Order = Literal["first", "second"]


@dataclass(frozen=True)
class Ready2UnlearnOptions:
    """Weights of the objective and size of a step.

    Parameters
    ----------
    revocable
        Who may ask to be forgotten: int user rows, or a share of all users (1 for everybody).
    efficiency, retention, resistance
        λ₁, λ₂, λ₃.
    cap
        Most that each difference may contribute, in units of the loss of one positive.
    ascent, relearning
        α and γ: sizes of the simulated steps, on vectors of length near one.
    order
        ``second`` differentiates through the simulated steps, ``first`` takes them as given.
    steps
        Meta-steps; each costs about six of training's.
    users, stable
        Revocable users, and pairs of others, in a step.
    """

    revocable: float | Sequence[int] = 1.0
    efficiency: float = 0.3
    retention: float = 0.3
    resistance: float = 0.3
    cap: float = 1.0
    ascent: float = 20.0
    relearning: float = 20.0
    order: Order = "second"
    steps: int = 300
    users: int = 16
    stable: int = 1024
    learning_rate: float = 1e-3
    seed: int = 0


class Rows(NamedTuple):
    """Gathered rows of both tables, a point of the simulated training."""

    user: Tensor
    item: Tensor


class Pairs(NamedTuple):
    """Positions of some positives among the gathered rows."""

    user: Tensor
    item: Tensor


def make_ready(
    recommender: Factorization,
    train: Interactions,
    options: Ready2UnlearnOptions | None = None,
    progress: Progress | None = None,
) -> Factorization:
    """Go on training ``recommender`` under the meta-objective; ``recommender`` stays as it is.

    Raises
    ------
    UsageError
        If the recommender was not trained on cosines: the sizes of the simulated steps are for the sphere.
    """
    options = options or Ready2UnlearnOptions()
    if not recommender.geometry.spherical:
        raise UsageError("ready2unlearn needs a recommender trained with similarity cosine")
    length = recommender.geometry.user_length
    tables = Rows(torch.from_numpy(recommender.user_table / length), torch.from_numpy(recommender.item_table))
    tables = Rows(*(table.clone().requires_grad_() for table in tables))
    optimizer = torch.optim.Adam(tables, lr=options.learning_rate)
    draws = _Draws(recommender, train, options)
    for step in range(options.steps):
        rows, batches, negatives = draws.at(step)
        gathered = Rows(
            *(table.detach()[row].requires_grad_() for table, row in zip(tables, rows, strict=True))
        )
        loss = objective(gathered, batches, negatives, 1 / length, options)
        slopes = torch.autograd.grad(loss, gathered, allow_unused=True)
        for table, row, slope in zip(tables, rows, slopes, strict=True):
            table.grad = torch.zeros_like(table)
            table.grad[row] = 0.0 if slope is None else slope
        optimizer.step()
        if progress:
            progress("getting ready", step + 1, options.steps)
    user, item = (normalize(table.detach(), dim=1) for table in tables)
    user = user * length * torch.from_numpy(recommender.members)[:, None]
    return recommender.with_tables(user.numpy(), item.numpy())


class Batches(NamedTuple):
    """What one meta-step looks at."""

    everybody: Pairs
    forgotten: Pairs
    stable: Pairs
    look_alikes: Pairs


def objective(
    rows: Rows, batches: Batches, negatives: Tensor, temperature: float, options: Ready2UnlearnOptions
) -> Tensor:
    """The meta-objective at ``rows``; ``negatives`` (N,) are positions among the item rows."""

    def loss(at: Rows, pairs: Pairs) -> Tensor:
        user, item = normalize(at.user, dim=1) / temperature, normalize(at.item, dim=1)
        positive = (user[pairs.user] * item[pairs.item]).sum(1)
        return losses.sampled_softmax(positive, user[pairs.user] @ item[negatives].T).mean()

    def moved(at: Rows, pairs: Pairs, size: float) -> Rows:
        exact = options.order == "second"
        slopes = torch.autograd.grad(loss(at, pairs), at, create_graph=exact)
        return Rows(*(row + size * slope for row, slope in zip(at, slopes, strict=True)))

    after = moved(rows, batches.forgotten, options.ascent)
    relearned = moved(after, batches.look_alikes, -options.relearning)
    start = loss(rows, batches.forgotten)
    forgets = loss(after, batches.forgotten) - start
    harms = loss(after, batches.stable) - loss(rows, batches.stable)
    resists = loss(relearned, batches.forgotten) - start
    forgets, harms, resists = (each.clamp(-options.cap, options.cap) for each in (forgets, harms, resists))
    task = loss(rows, batches.everybody)
    return task - options.efficiency * forgets + options.retention * harms - options.resistance * resists


class _Draws:
    """Users, pairs and negatives of every meta-step, as functions of (seed, step)."""

    CANDIDATES = 1024  # users among whom a look-alike is sought

    def __init__(
        self, recommender: Factorization, train: Interactions, options: Ready2UnlearnOptions
    ) -> None:
        self.train, self.options, self.recommender = train, options, recommender
        self.revocable = _revocable(train, options)
        stable = np.ones(train.n_users, bool)
        stable[self.revocable] = False
        anyone = not stable[train.active_users].any()  # all may go: then others of them are the stable ones
        self.stable = np.flatnonzero(stable[train.users] | anyone)

    def at(self, step: int) -> tuple[tuple[Tensor, Tensor], Batches, Tensor]:
        """Rows of each table, positions of the four batches among them, and of the negatives."""
        random, train = generator(self.options.seed, "ready2unlearn", step), self.train
        leaving = random.choice(self.revocable, min(self.options.users, len(self.revocable)), replace=False)
        alike = self._look_alikes(leaving, random)
        own = self.stable[~np.isin(train.users[self.stable], leaving)]
        drawn = [
            random.choice(len(train), min(self.recommender.options.batch_size, len(train)), replace=False),
            np.flatnonzero(np.isin(train.users, leaving)),
            random.choice(own if len(own) else self.stable, min(self.options.stable, max(len(own), 1))),
            np.flatnonzero(np.isin(train.users, alike)),
        ]
        negatives = random.integers(train.n_items, size=self.recommender.options.negatives)
        users = np.unique(np.concatenate([train.users[each] for each in drawn]))
        items = np.unique(np.concatenate([*(train.items[each] for each in drawn), negatives]))
        batches = Batches(*(Pairs(*self._places(each, users, items)) for each in drawn))
        places = torch.from_numpy(np.searchsorted(items, negatives))
        return (
            (torch.from_numpy(users.astype(np.int64)), torch.from_numpy(items.astype(np.int64))),
            batches,
            places,
        )

    def _places(self, drawn: np.ndarray, users: np.ndarray, items: np.ndarray) -> tuple[Tensor, Tensor]:
        user = np.searchsorted(users, self.train.users[drawn])
        return torch.from_numpy(user), torch.from_numpy(np.searchsorted(items, self.train.items[drawn]))

    def _look_alikes(self, leaving: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Nearest other user of each, among some candidates, by cosine of the rows served."""
        others = np.setdiff1d(self.train.active_users, leaving)
        candidates = random.choice(others, min(self.CANDIDATES, len(others)), replace=False)
        table = self.recommender.user_table  # all rows have one length
        return np.unique(candidates[(table[leaving] @ table[candidates].T).argmax(1)])


def _revocable(train: Interactions, options: Ready2UnlearnOptions) -> np.ndarray:
    if not isinstance(options.revocable, float | int):
        return np.intersect1d(np.asarray(options.revocable, np.int64), train.active_users)
    users = train.active_users
    return users[keyed_uniform(stream_key(options.seed, "revocable"), users) < options.revocable]
