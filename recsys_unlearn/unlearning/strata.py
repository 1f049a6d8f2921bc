"""How hard each user is to forget, and the forget set in thirds by it.

Zhao et al., "What Makes Unlearning Hard and What to Do About It" (2406.01257): what was memorised is hard
to forget, and so is what is entangled with what must stay.
"""

import numpy as np

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

STRATA = 3  # low, medium, high


def memorisation(
    recommender: EmbeddingRecommender, interactions: Interactions, users: np.ndarray
) -> np.ndarray:
    """float64 (len(users),): mean log p of each user's items as a member, less the same as a stranger.

    A proxy of Feldman's memorisation score (1906.05271), which takes a retrain for each user. As a member
    they have their own row. As a stranger they are folded in from one half of their items to predict the
    other, each half in turn, under an item table from which one natural step has taken all of ``users``.
    """
    mine = interactions.of_users(users)
    request = ForgetRequest.of_accounts(interactions, users)
    without = NaturalAscent().forget(recommender, interactions, request).recommender
    total = np.zeros(interactions.n_users)
    for half in (0, 1):
        hidden = mine.where(_half(mine) == half)
        seen = without.folded_in(mine.without(hidden))
        active = hidden.active_users
        total[active] += mean_log_likelihood(seen, hidden, active) * hidden.user_counts[active]
    return mean_log_likelihood(recommender, mine, users) - total[users] / interactions.user_counts[users]


def closeness(recommender: EmbeddingRecommender, users: np.ndarray) -> np.ndarray:
    """float64 (len(users),): how near each user's vector is to the mean of all others', -‖φ_u - μ_R‖².

    The nearer, the more entangled with those who stay.
    """
    others = np.setdiff1d(np.flatnonzero(recommender.members), users)
    mean = recommender.user_table[others].astype(np.float64).mean(axis=0)
    return -np.square(recommender.user_table[users] - mean).sum(axis=1)


def entanglement(retained: np.ndarray, forgotten: np.ndarray) -> float:
    """Entanglement score of two sets of embeddings, (n, d) and (k, d).

    ES = [mean‖φ_R - μ_R‖² + mean‖φ_S - μ_S‖²] / ½ [‖μ_R - μ‖² + ‖μ_S - μ‖²] (2406.01257, section 3): spread
    within the sets against the distance between them, μ the mean of both together.
    """
    sets = [each.astype(np.float64) for each in (retained, forgotten)]
    centre = np.concatenate(sets).mean(axis=0)
    within = sum(np.square(each - each.mean(axis=0)).sum(axis=1).mean() for each in sets)
    between = sum(np.square(each.mean(axis=0) - centre).sum() for each in sets) / 2
    return float(within / between)


def thirds(users: np.ndarray, score: np.ndarray) -> list[np.ndarray]:
    """Users in three parts by ascending score, ties by row; each part ascending.

    Of one or two users too many for equal parts, the harder strata have one more.
    """
    hardest_first = users[np.lexsort((users, score))][::-1]
    return [np.sort(part) for part in np.array_split(hardest_first, STRATA)][::-1]


def _half(interactions: Interactions) -> np.ndarray:
    """0 or 1 for each pair: every second of a user's items in random order."""
    draw = keyed_uniform(stream_key(0, "halves"), interactions.users, interactions.items)
    order = np.lexsort((draw, interactions.users))
    half = np.empty(len(interactions), np.int64)
    half[order] = np.arange(len(interactions)) - interactions.offsets[interactions.users[order]]
    return half % 2
