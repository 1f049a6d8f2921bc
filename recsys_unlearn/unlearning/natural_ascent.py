"""One ascent step on the forgotten users' loss, in the metric of the retained users' curvature.

Let g_i be the gradient of the forget set's loss at item i, G_i that of everybody's, H_i the retained
curvature, and ε the forget set's share of the interactions:

    v_i <- v_i + η H_i⁻¹ (g_i - ε G_i)

Were the model at the minimum, G would be zero, and this is Newton's step on the retained loss: an
*ascent* step on the forget loss (influence functions; Koh & Liang 2017, eq. 2). But training stops
early. A part of g is then no trace of these users; it is their share of the training that nobody
finished, and a forget set that is a fair sample of everybody (g = ε G) must leave the model where it is,
because a retrain would stop at the same place. Without the second term the step undoes training
for all: forgetting 5 % of the users of ML-1M costs the others 3 % of Recall@20 with inner products and
0.8 % with cosines; with it, nothing (docs/forgetting.md).

H_i is what the item feels among users who stay where they are. In a retrain they go with it, which makes
it softer: :mod:`recsys_unlearn.readiness.following` says by how much, item by item.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.loss_sums import USERS_PER_BATCH, LossSums, loss_sums, walk_
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.readiness.step import SMALLEST_CURVATURE, SharedCurvature
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import Positives, blocks
from recsys_unlearn.recommenders.softmax import geometry_of
from recsys_unlearn.threads import one_thread
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Unlearner
from recsys_unlearn.unlearning.user_rows import without_forgotten_rows

Form = Literal["full", "whitened"]
FEW = 16  # users; their deletion is quicker on one thread


@dataclass(frozen=True)
class NaturalAscent(Unlearner):
    """One natural step per deletion.

    Parameters
    ----------
    form
        ``whitened``: all items share the eigenbasis of C, and a deletion reads nobody else's
        interactions. ``full``: an own d x d curvature for every item that a forgotten user has
        interacted with; a hundred times the work for the same figures on the sphere.
    step_size
        η; 1 is Newton's step.
    centred
        Whether to take out the forget set's share of the unfinished training.
    followed
        Whether each item goes as far as it would with the other users following it
        (:mod:`recsys_unlearn.readiness.following`).
    in_place
        Change the user table and the readiness that were given instead of copying them: then a deletion
        takes as long however many users there are, and what was given is not to be used again.
    """

    form: Form = "whitened"
    step_size: float = 1.0
    centred: bool = True
    followed: bool = True
    in_place: bool = False

    name = "natural_ascent"
    guarantee = "heuristic"
    leaves_behind = "second-order traces: how the forgotten moved the vectors of other users"

    @property
    def reads_others(self) -> bool:
        """Only the full form does; readiness has the sums that the other needs."""
        return self.form == "full"

    def _forget(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        readiness: NaturalReadiness | None,
    ) -> ForgetResult:
        before = readiness or NaturalReadiness.measure(recommender, interactions)
        with one_thread(len(request.users) <= FEW):
            return self._step(recommender, interactions, request, before)

    def _step(
        self,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        before: NaturalReadiness,
    ) -> ForgetResult:
        forgotten = loss_sums(recommender, request.forget_set)
        share = self.centred * (forgotten.pairs / before.sums.pairs).item()
        partial = request.partial_users
        kept = interactions.of_users(partial).without(request.forget_set) if len(partial) else None
        staying = loss_sums(recommender, kept) if kept else None
        slope = before.sums.gradient if self.in_place else before.sums.gradient.clone()
        rest = _without(before, forgotten, staying, slope, recommender, interactions, request)
        moved = self._moved(forgotten.gradient, slope, share, recommender, interactions, request, rest)
        users = without_forgotten_rows(recommender, interactions, request, moved, self.in_place)
        if kept and staying:
            # Their old vectors, which the forgotten items shaped, must not live on in the sums.
            new = loss_sums(recommender.with_tables(users, recommender.item_table), kept)
            rest = replace(rest, sums=rest.sums.plus(staying, times=-1).plus(new))
        return ForgetResult(recommender.with_tables(users, moved), rest, np.arange(len(moved)), request.users)

    def _moved(
        self,
        gradient: Tensor,
        slope: Tensor,
        share: float,
        recommender: EmbeddingRecommender,
        interactions: Interactions,
        request: ForgetRequest,
        rest: NaturalReadiness,
    ) -> np.ndarray:
        """Item table after the step, in the place of the ``gradient`` g; the ``slope`` G becomes the rest's.

        That is G - g with H_i · step_i = η (g - ε G) on top: (1 - ε) G for η = 1.
        """
        items, geometry = torch.from_numpy(recommender.item_table), geometry_of(recommender)
        curvature = SharedCurvature.of(rest, self.followed)
        touched = np.flatnonzero(request.forget_set.item_counts) if self.form == "full" else np.zeros(0, int)
        own = torch.sub(gradient[touched], slope[touched], alpha=share)
        for rows in blocks(len(items)):
            direction, theirs = gradient[rows], slope[rows]
            direction.add_(theirs, alpha=-share)
            theirs.mul_(1 - share)
            if self.step_size != 1:
                theirs.add_(direction, alpha=self.step_size - 1)
                direction.mul_(self.step_size)
            walk_(curvature.step_(direction, rows), items[rows], geometry)
        if len(touched):
            co_users = interactions.where(request.forget_set.item_counts[interactions.items] > 0)
            hessian = item_curvature(touched, recommender, co_users.without(request.forget_set), rest)
            gain = curvature.gain(curvature.inverse(touched), touched)
            steps = torch.linalg.solve(hessian, own) * gain * self.step_size
            gradient[touched] = walk_(steps, items[touched], geometry)
        return gradient.numpy()


def item_curvature(
    rows: np.ndarray, recommender: EmbeddingRecommender, retained: Interactions, readiness: NaturalReadiness
) -> Tensor:
    """H_i of the items ``rows``, (len(rows), d, d), float32.

    On the sphere it is restricted to the tangent plane, with 1 along the radius, where there is nothing
    to solve.
    """
    sums = readiness.sums
    curvature = sums.pressure[rows, None, None].float() * readiness.covariance.float()
    curvature += _positive_curvature(rows, recommender, retained)
    curvature.diagonal(dim1=1, dim2=2).add_(sums.radial[rows, None].clamp(min=SMALLEST_CURVATURE).float())
    if not geometry_of(recommender).spherical:
        return curvature
    points = torch.from_numpy(recommender.item_table[rows])
    along = points[:, :, None] * points[:, None, :]
    inside = torch.eye(points.shape[1]) - along
    return inside @ curvature @ inside + along


def _positive_curvature(
    rows: np.ndarray, recommender: EmbeddingRecommender, retained: Interactions
) -> Tensor:
    """Sum over the users who have it of x_u x_uᵀ · p_ui (1 - p_ui), for each item in ``rows``."""
    order = np.argsort(retained.items, kind="stable")
    users, items = retained.users[order], retained.items[order]
    user = torch.from_numpy(recommender.user_table[users])
    root = user * _curvature_of_pairs(recommender, retained).sqrt()[order, None]
    starts, ends = (np.searchsorted(items, rows, side=side) for side in ("left", "right"))
    parts = [root[start:end].T @ root[start:end] for start, end in zip(starts, ends, strict=True)]
    return torch.stack(parts)


def _curvature_of_pairs(recommender: EmbeddingRecommender, interactions: Interactions) -> Tensor:
    """p_ui (1 - p_ui) of every interaction, in their order, (n,)."""
    items, users, parts = torch.from_numpy(recommender.item_table), interactions.active_users, []
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        positives = Positives.of(interactions, batch)
        scores = torch.from_numpy(recommender.user_table[batch]) @ items.T
        own = scores[positives.owner, positives.item]
        parts.append(recommender.geometry.terms(scores, own, positives.owner).positive_curvature)
    return torch.cat(parts) if parts else torch.zeros(0)


def _without(
    before: NaturalReadiness,
    forgotten: LossSums,
    staying: LossSums | None,
    slope: Tensor,
    recommender: EmbeddingRecommender,
    interactions: Interactions,
    request: ForgetRequest,
) -> NaturalReadiness:
    """Readiness of the rest, at the tables as they were but for the ``slope``, which is given.

    What one user contributes is not the sum over their pairs, since their own stiffness depends on all of
    them: those who stay are taken out whole and put back with what remains.
    """
    sums = before.sums.plus(forgotten, times=-1, gradient=slope)
    if staying:
        theirs = loss_sums(recommender, interactions.of_users(request.users))
        sums = before.sums.plus(theirs, times=-1, gradient=slope).plus(staying, gradient=slope)
    for column in (sums.positive, sums.pressure, sums.following):
        column.clamp_(min=0)  # an item without users left has none, up to rounding
    return replace(before, sums=sums)
