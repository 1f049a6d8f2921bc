"""Membership from ranked lists alone: the attacker sees recommendations, never a score.

A person asks for recommendations on a part of their history; the attacker, who knows the rest of it
(their own history, say), counts how much of it is in the list. A list that finds more than one made by
a public recommender from other people's data gives the person away. User-level, black box; after Zhang
et al. 2021 (CCS, arXiv 2109.08045), who compare a user's history with the recommended items by their
embeddings in a shadow recommender; here the comparison is by overlap, and needs none.
"""

from dataclasses import dataclass

import numpy as np

from recsys_unlearn.audit.difficulty import neighbour_scores
from recsys_unlearn.audit.statistic import split_histories
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import find_hits, ndcg, top_k
from recsys_unlearn.recommenders.contract import Recommender

K = 50  # longer than a served list: an attacker can ask for more pages


@dataclass(frozen=True, eq=False)
class _Neighbourhood:
    """The public recommender: item-based neighbours among the retained users."""

    visible: Interactions
    retained: Interactions

    def scores(self, users: np.ndarray) -> np.ndarray:
        return neighbour_scores(self.visible, users, self.retained).astype(np.float32)


def list_overlap(
    recommender: Recommender, histories: Interactions, retained: Interactions, seed: int = 0, k: int = K
) -> tuple[np.ndarray, np.ndarray]:
    """User rows, int64 (n,), and their scores, float64 (n,); higher is more a member.

    The score is NDCG@k of the user's hidden items in the list that ``recommender`` serves to their
    visible ones, less that in the list of a public recommender that knows ``retained`` users other than
    those of ``histories``.
    """
    visible, hidden = split_histories(histories, seed)
    users = np.intersect1d(visible.active_users, hidden.active_users)
    if not len(users):
        return users, np.zeros(0)
    served = recommender.canonical().folded_in(visible)
    public = _Neighbourhood(visible, retained.without_users(users))
    gains = []
    for source in (served, public):
        hits = find_hits(top_k(source, users, k, exclude=visible), users, hidden)
        gains.append(ndcg(hits, hidden.user_counts[users]))
    return users, gains[0] - gains[1]
