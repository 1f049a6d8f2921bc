"""Per-user likelihood-ratio attacks with reference models.

The strongest known black-box question about one person: under models that were trained with them, and
under models that were not, how likely is the score that this model gives them? Reference models answer
it for each user separately, so a user who is hard to predict is compared with themselves, not with
strangers. LiRA: Carlini et al. 2022 (arXiv 2112.03570); on unlearned models, U-LiRA: Hayes et al. 2024
(arXiv 2403.01218); with few references, RMIA: Zarifzadeh et al. 2024 (arXiv 2312.03262).

Training is apart from scoring: the attacks see two arrays, and a planted one has a known answer.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from recsys_unlearn.audit.cross_fit import cross_fit
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.contract import Recommender

FEWEST_FOR_OWN_SPREAD = 64  # references; with fewer, users share one standard deviation (LiRA, section VI)
SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class References:
    """What R reference models say of n users.

    Parameters
    ----------
    users
        int64 (n,): user rows, ascending.
    inside
        bool (R, n): whether the reference was trained on the user; half of them were.
    scores
        float64 (R, n): the user's statistic under it, a log-likelihood.
    """

    users: np.ndarray
    inside: np.ndarray
    scores: np.ndarray

    def mean_and_spread(self, inside: bool) -> tuple[np.ndarray, np.ndarray]:
        """Per-user Gaussian of the references that were (not) trained on the user: (n,) and (n,)."""
        chosen = self.inside if inside else ~self.inside
        count = np.maximum(chosen.sum(0), 1)
        mean = np.where(chosen, self.scores, 0).sum(0) / count
        variance = np.where(chosen, (self.scores - mean) ** 2, 0).sum(0) / np.maximum(count - 1, 1)
        if len(self.inside) < FEWEST_FOR_OWN_SPREAD:
            variance = np.full_like(variance, variance.mean())
        return mean, np.maximum(np.sqrt(variance), SMALLEST_SPREAD)


def train_references(
    recommender: Recommender,
    retained: Interactions,
    targets: Interactions,
    count: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> References:
    """Train ``count`` references the way ``recommender`` was; for small data only.

    Every reference is trained on all of ``retained``, and on a half of the users of ``targets`` (the
    forgotten, and as many strangers); each target is in exactly half of them.
    """
    users = np.flatnonzero(targets.user_counts >= 2)
    inside = memberships(users, count, seed)
    scores = np.empty(inside.shape)
    for number, present in enumerate(inside):
        reference = recommender.retrain(retained.union(targets.of_users(users[present])))
        scores[number] = cross_fit(reference, targets, seed).log_likelihood
        if progress:
            progress("training references", number + 1, count)
    return References(users, inside, scores)


def memberships(users: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Bool (count, n): who is in which reference; a user's draw depends on nobody else."""
    draws = keyed_uniform(
        stream_key(seed, "reference models"), users[None, :], np.arange(count, dtype=np.int64)[:, None]
    )
    return draws.argsort(axis=0).argsort(axis=0) < count // 2


def lira(observed: np.ndarray, references: References) -> np.ndarray:
    """Log p(observed | in) - log p(observed | out), per user (LiRA, eq. 4); higher is more a member."""
    inside, outside = references.mean_and_spread(True), references.mean_and_spread(False)
    return norm.logpdf(observed, *inside) - norm.logpdf(observed, *outside)


def lira_offline(observed: np.ndarray, references: References) -> np.ndarray:
    """Log Pr[Z <= observed], Z from the references without the user (LiRA, section VI-D).

    For an attacker who has no model that was trained on the user: how unusually well is the user predicted?
    """
    return norm.logcdf(observed, *references.mean_and_spread(False))


def rmia(
    observed: np.ndarray, references: References, population: np.ndarray, gamma: float = 1.0
) -> np.ndarray:
    """Share of the population that the user's likelihood ratio dominates (RMIA, eq. 2 and 10).

    A user's ratio is p(user | model) / mean over references of p(user | reference), in logs; it is
    compared with that of every user of ``population`` in turn.

    Parameters
    ----------
    observed
        float64 (n,): statistics of ``references.users`` under the model.
    population
        bool (n,): users known never to have been in any trained model, the strangers.
    gamma
        How many times larger the ratio must be.
    """
    average = logsumexp(references.scores, axis=0) - np.log(len(references.scores))
    ratio = observed - average
    against = np.sort(ratio[population])
    below = np.searchsorted(against, ratio - np.log(gamma), side="right")
    return (below - population) / np.maximum(population.sum() - population, 1)  # nobody against themselves
