"""How predictable a user is to somebody who never saw them.

Most of the spread of the fold-in statistic is not memory: some people follow the crowd, some have many
items, some belong to a large group of like-minded. That part can be known without any model that was
trained on them, and what is left after it is taken out tells members from strangers far better: difficulty
calibration (Watson et al. 2022, arXiv 2111.08440). They subtract the loss of reference models; we regress
on a reference that costs a sparse product instead of a training: items that retained users have
together with the user's visible ones. The users under audit are not among those it counts, so it is
as blind to the forgotten as to the strangers, and exactly so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_unlearn.audit.cross_fit import folds
from recsys_unlearn.audit.statistic import split_histories
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.incidence import incidence

CROWD = 0.1  # share of popularity in the reference, so that no item is impossible
USERS_PER_BATCH = 256
FEWEST_STRANGERS = 40  # ten for each covariate


@dataclass(frozen=True, eq=False)
class Difficulty:
    """Covariates of users, each known without a model that saw them.

    Parameters
    ----------
    users
        int64 (n,): user rows with at least two items, ascending.
    covariates
        float64 (n, 4): mean log-likelihood of the user's hidden items under neighbourhood and under
        popularity; log of the number of their items, and its square.
    cross_fitted
        Whether every item was hidden once, as in :mod:`recsys_unlearn.audit.cross_fit`, or one split's
        only, as in :mod:`recsys_unlearn.audit.statistic`.
    """

    users: np.ndarray
    covariates: np.ndarray
    cross_fitted: bool

    @classmethod
    def of(
        cls, histories: Interactions, retained: Interactions, seed: int = 0, cross_fitted: bool = True
    ) -> "Difficulty":
        """Measure every user of ``histories`` against what ``retained`` holds of all others."""
        retained = retained.without_users(histories.active_users)
        parts = folds(histories, seed) if cross_fitted else [split_histories(histories, seed)]
        users = np.flatnonzero(histories.user_counts >= 2)
        length = np.log(histories.user_counts[users])
        found = _hidden_likelihood(parts, retained, histories.n_users)[users]
        return cls(users, np.column_stack([found, length, length**2]), cross_fitted)

    def take_out(
        self, forgotten: tuple[np.ndarray, np.ndarray], strangers: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of both sides less what difficulty explains of them.

        Analysis of covariance: one slope for both sides and an intercept for each, so that what the
        forgotten have in common is not mistaken for difficulty. With fewer than ``FEWEST_STRANGERS``
        strangers nothing is taken out.

        Parameters
        ----------
        forgotten, strangers
            User rows, int64 (n,), and the statistic of each, float64 (n,).
        """
        values = np.concatenate([forgotten[1], strangers[1]])
        side = np.arange(len(values)) < len(forgotten[0])
        if len(strangers[0]) >= FEWEST_STRANGERS:
            rows = np.concatenate([forgotten[0], strangers[0]])
            covariates = self.covariates[np.searchsorted(self.users, rows)]
            centred = covariates - covariates[~side].mean(axis=0)
            design = np.column_stack([side, ~side, centred])
            values = values - centred @ np.linalg.lstsq(design, values, rcond=None)[0][2:]
        return values[side], values[~side]


def neighbour_scores(visible: Interactions, users: np.ndarray, retained: Interactions) -> np.ndarray:
    """float64 (len(users), n_items): how well each item goes with a user's visible items, which score 0.

    The sum over the visible items of their cosine with the item, as columns of the retained user-item
    matrix (item-based nearest neighbours; Sarwar et al. 2001).
    """
    columns = incidence(retained) @ sparse.diags_array(1 / np.sqrt(np.maximum(retained.item_counts, 1)))
    own = incidence(visible)[users]
    scores = (columns.T @ (columns @ own.T).toarray()).T  # nobody forms the items' square matrix
    scores[own.nonzero()] = 0
    return scores


def neighbourhood(visible: Interactions, hidden: Interactions, retained: Interactions) -> np.ndarray:
    """float64 (len(hidden),): chance of each hidden pair given its user's visible items.

    Neighbours' scores as shares, with a tenth of popularity mixed in.
    """
    crowd = _crowd(retained)
    chance = np.empty(len(hidden))
    users = hidden.active_users
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        scores = neighbour_scores(visible, batch, retained)
        share = scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        place = slice(hidden.offsets[batch[0]], hidden.offsets[batch[-1] + 1])
        line, items = np.searchsorted(batch, hidden.users[place]), hidden.items[place]
        chance[place] = (1 - CROWD) * share[line, items] + CROWD * crowd[items]
    return chance


def _hidden_likelihood(
    parts: Iterable[tuple[Interactions, Interactions]], retained: Interactions, n_users: int
) -> np.ndarray:
    """float64 (n_users, 2): mean log-likelihood of hidden items under neighbourhood and popularity."""
    total, count = np.zeros((n_users, 2)), np.zeros((n_users, 1))
    crowd = np.log(_crowd(retained))
    for visible, hidden in parts:
        near = np.log(neighbourhood(visible, hidden, retained))
        np.add.at(total, hidden.users, np.stack([near, crowd[hidden.items]], axis=1))
        count += hidden.user_counts[:, None]
    return total / np.maximum(count, 1)


def _crowd(retained: Interactions) -> np.ndarray:
    """Share of each item among the retained interactions; one is added, so that none has 0."""
    counts = retained.item_counts + 1.0
    return counts / counts.sum()
