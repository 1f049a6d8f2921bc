"""Does what was forgotten come back faster than it would to a model that never knew it?

A suppressed memory snaps back under a little fine-tuning, even on retained data alone (Siddiqui et al.
2025, arXiv 2505.22310); an erased one is learnt at the oracle's pace. So method and oracle go on
training on the same lessons, and the statistic of the forgotten must follow one curve.

An evaluation that teaches the answer measures its own lesson (Feng et al. 2025, arXiv 2506.00688). Hence
three limits: at most a tenth of each history is taught; it is taken from the part that the statistic
does not look for; and strangers, who were never trained on, are taught a tenth of theirs as a control.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_unlearn.audit.membership import Estimate, mean_estimate, membership_auc
from recsys_unlearn.audit.statistic import fold_in_statistic, split_histories
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import generator, keyed_uniform, stream_key
from recsys_unlearn.recommenders.embedding import ResumableRecommender
from recsys_unlearn.recommenders.fold_in import fold_in

STEPS = (0, 1, 3, 10, 30, 100)
LEARNING_RATE = 1e-3  # a tenth of training's, see Recommender.resume
TAUGHT_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class RelearningCurve:
    """Statistics of both sides after each number of steps.

    Parameters
    ----------
    steps
        Numbers of training steps, ascending.
    forgotten, strangers
        float64 (len(steps), n): fold-in log-likelihood of each user.
    """

    steps: tuple[int, ...]
    forgotten: np.ndarray
    strangers: np.ndarray

    @property
    def auc(self) -> np.ndarray:
        """float64 (len(steps),): membership AUC."""
        pairs = zip(self.forgotten, self.strangers, strict=True)
        return np.array([membership_auc(*sides) for sides in pairs])

    def distance(self, oracle: "RelearningCurve", seed: int = 0) -> Estimate:
        """Mean over steps and users of the statistic's difference to the oracle's, same users.

        Above 0 the method is ahead of the oracle. The interval resamples users: it is of the whole curve,
        so a method whose interval holds 0 cannot be told from the oracle by relearning.
        """
        difference = (self.forgotten - oracle.forgotten).mean(axis=0)
        return mean_estimate(difference, generator(seed, "relearning distance"))

    def regained(self, oracle: "RelearningCurve", seed: int = 0) -> Estimate:
        """The same, less what it was before the first step: the pace alone, not the starting point."""
        gains = self.forgotten - self.forgotten[0] - (oracle.forgotten - oracle.forgotten[0])
        return mean_estimate(gains.mean(axis=0), generator(seed, "relearning pace"))


def relearn(
    recommender: ResumableRecommender,
    lessons: Interactions,
    forgotten: Interactions,
    strangers: Interactions,
    steps: Sequence[int] = STEPS,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
) -> RelearningCurve:
    """Train on ``lessons`` for every number of ``steps``, each from the start, and measure both sides.

    Users of the lessons who have no row are given the one that fold-in finds for them, as a returning
    user would be served; the same lessons must be given to method and oracle.
    """
    taught = welcomed(recommender, lessons)
    measured = []
    for number in steps:
        model = taught.resume(lessons, number, learning_rate) if number else taught
        sides = (fold_in_statistic(model, each, seed).log_likelihood for each in (forgotten, strangers))
        measured.append(tuple(sides))
    both = (np.array(side) for side in zip(*measured, strict=True))
    return RelearningCurve(tuple(steps), *both)


def a_tenth(histories: Interactions, seed: int = 0, share: float = TAUGHT_SHARE) -> Interactions:
    """A ``share`` of each history, at least one item of two, from what the statistic does not hide."""
    visible, _ = split_histories(histories, seed)
    draw = keyed_uniform(stream_key(seed, "relearned items"), visible.users, visible.items)
    order = np.lexsort((draw, visible.users))
    rank = np.empty(len(visible), np.int64)
    rank[order] = np.arange(len(visible)) - visible.offsets[visible.users[order]]
    wanted = np.maximum(np.floor(share * histories.user_counts), 1)
    return visible.where(rank < wanted[visible.users])


def welcomed(recommender: ResumableRecommender, lessons: Interactions) -> ResumableRecommender:
    """Give a row to every user of ``lessons`` who has none."""
    absent = ~recommender.members
    newcomers = lessons.active_users[absent[lessons.active_users]]
    if not len(newcomers):
        return recommender
    table = recommender.user_table.copy()
    table[newcomers] = fold_in(recommender.item_table, lessons, newcomers, recommender.geometry)
    return recommender.with_tables(table, recommender.item_table)
