"""Deletions as they arrive in life: one after the other, accounts and single items mixed.

At checkpoints the model is put against a retrain for exactly the deletions so far (the protocol of ERASE,
2603.08341, at 1/4, 2/4, 3/4 and 4/4).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys_unlearn.experiments.cohorts import draw_cohort
from recsys_unlearn.experiments.preparations import Prepared
from recsys_unlearn.experiments.setting import Original
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

ITEMS_FORGOTTEN = 0.3  # of the user's interactions where single items are named; at least one


@dataclass(frozen=True)
class Checkpoint:
    """The state after some deletions.

    Parameters
    ----------
    accounts
        int64: user rows gone by now.
    forget_set
        Every training pair gone by now, items of users who stayed included.
    seconds
        Wall seconds of each deletion so far, in order.
    """

    deletions: int
    accounts: np.ndarray
    forget_set: Interactions
    recommender: EmbeddingRecommender
    readiness: NaturalReadiness | None
    seconds: np.ndarray


def draw_requests(original: Original, cohort: str, number: int, items: float) -> list[ForgetRequest]:
    """One request each of ``number`` users of a cohort, in random order.

    Parameters
    ----------
    items
        Share of the requests that name single items, 30 % of the user's, instead of the account.
    """
    train, seed = original.splits.train, original.seed
    share = number / len(train.active_users)
    users = draw_cohort(cohort, train, original.recommender, share, seed)
    users = users[np.argsort(keyed_uniform(stream_key(seed, "order of arrival"), users))]
    partial = keyed_uniform(stream_key(seed, "kind of request"), users) < items
    return [_request(train, user, single, seed) for user, single in zip(users, partial, strict=True)]


def _request(train: Interactions, user: int, single: bool, seed: int) -> ForgetRequest:
    request = ForgetRequest.of_accounts(train, np.array([user]))
    pairs = request.forget_set
    if not single or len(pairs) < 2:
        return request
    order = np.argsort(keyed_uniform(stream_key(seed, "named items"), pairs.users, pairs.items))
    return ForgetRequest.of_pairs(pairs.where(np.sort(order[: max(1, round(ITEMS_FORGOTTEN * len(pairs)))])))


def one_by_one(
    start: Prepared, train: Interactions, asked: list[ForgetRequest]
) -> Iterator[tuple[ForgetResult, float]]:
    """Carry out each request from where the last one ended, by natural ascent; with its wall seconds.

    Only the first leaves what it was given as it is: a result is not to be used once the next is asked for.
    """
    recommender, readiness, method = start.recommender, start.readiness, NaturalAscent()
    for request in asked:
        began = time.perf_counter()
        result = method.forget(recommender, train, request, readiness)
        yield result, time.perf_counter() - began
        recommender, readiness, method = result.recommender, result.readiness, NaturalAscent(in_place=True)


def stream(
    start: Prepared, train: Interactions, asked: list[ForgetRequest], checkpoints: int = 4
) -> Iterator[Checkpoint]:
    """Carry out the requests :func:`one_by_one`; yield after every ``1 / checkpoints`` of them."""
    ends = {round(len(asked) * part / checkpoints) for part in range(1, checkpoints + 1)}
    seconds = []
    for number, (result, took) in enumerate(one_by_one(start, train, asked), 1):
        seconds.append(took)
        if number in ends:
            gone, now = _together(train, asked[:number]), (result.recommender, result.readiness)
            yield Checkpoint(number, gone.accounts, gone.forget_set, *now, np.array(seconds))


def _together(train: Interactions, asked: list[ForgetRequest]) -> ForgetRequest:
    accounts = np.concatenate([request.accounts for request in asked])
    codes = np.concatenate([request.forget_set.pair_codes for request in asked])
    return ForgetRequest(train.where(np.isin(train.pair_codes, codes)), np.unique(accounts))
