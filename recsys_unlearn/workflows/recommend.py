"""The served version's best items for one user."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from recsys_unlearn.errors import UnknownUser, UsageError
from recsys_unlearn.interactions import Interactions, InteractionStore, ItemId, UserId
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.workflows.steady import steady
from recsys_unlearn.workflows.version_files import open_version
from recsys_unlearn.workspace import Workspace

Source = Literal["model", "fold-in", "popular"]


@dataclass(frozen=True)
class Recommended:
    """Items for a user, best first.

    Parameters
    ----------
    user
        The id as the caller gave it.
    scores
        The model's; for ``popular``, numbers of training interactions.
    version
        Which version answered; None for ``popular``, which needs none.
    source
        ``model``: the user's row of the table. ``fold-in``: a vector fitted to the history of a user
        whom training did not see. ``popular``: the fallback for who is not known here.
    """

    user: UserId
    items: Sequence[ItemId]
    scores: Sequence[float]
    version: int | None
    source: Source

    def as_dict(self) -> dict[str, Any]:
        """Return the answer with stable keys, for JSON."""
        return asdict(self)


@steady
def recommend(workspace: Workspace, user: UserId, k: int = 20, fallback: str | None = None) -> Recommended:
    """Top k items of the champion, without what is in the user's history.

    Parameters
    ----------
    fallback
        ``"popular"``: whom this workspace does not know gets the popular items.

    Raises
    ------
    UnknownUser
        The user was never ingested, was forgotten, or has no interaction left; and no ``fallback``.
    UsageError
        ``fallback`` is not one of those there are, or k is below 1.
    VersionError
        There is no champion, or its files were altered.
    StoreError
        There is no store, or the champion was trained on another.
    """
    if fallback not in (None, "popular"):
        raise UsageError(f"no fallback is called {fallback!r}; there is 'popular'")
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least 1 item")
    store = workspace.store()
    try:
        row = store.user_row(user)
        history = store.history(row)
        if not len(history):
            raise UnknownUser("this user has no interactions left to recommend from; use --fallback popular")
    except UnknownUser:
        if fallback is None:
            raise
        return _popular(store, user, k)
    return _from_champion(workspace, store, user, row, history, k)


def _from_champion(
    workspace: Workspace, store: InteractionStore, user: UserId, row: int, history: Interactions, k: int
) -> Recommended:
    champion = open_version(workspace.registry(), store)
    recommender = champion.recommender()
    source: Source = "model" if recommender.members[row] else "fold-in"
    # Not a stranger, and trained on: a deletion was killed after its version began to serve.
    if source == "fold-in" and len(store.splits().train.items_of(row)):
        raise UnknownUser(
            "the model has forgotten this user, and their data is still to be erased: "
            "run `recsys-unlearn forget` for them again"
        )
    items, scores = (
        part[0] for part in best_items(champion.index(), recommender, history, np.array([row]), k)
    )
    found = items >= 0
    return Recommended(
        user, store.item_ids(items[found].tolist()), scores[found].tolist(), champion.version.number, source
    )


def best_items(
    index: ItemIndex | None, recommender: Recommender, histories: Interactions, rows: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Top k of each user without their history: item rows and scores (n, k); -1 and -inf where none is left.

    By the version's index; by brute force over the histories where there are no vectors to index.
    """
    if index is None or not isinstance(recommender, EmbeddingRecommender):
        return recommender.recommend(rows, k, exclude=histories, histories=histories)
    vectors = recommender.user_table[rows]
    new = ~vectors.any(axis=1)
    if new.any():
        vectors[new] = fold_in(recommender.item_table, histories, rows[new], recommender.geometry)
    return index.search(vectors, k, [histories.items_of(row) for row in rows])


def _popular(store: InteractionStore, user: UserId, k: int) -> Recommended:
    counts = store.splits().train.item_counts
    rows = np.argsort(-counts, kind="stable")[:k]
    scores = counts[rows].tolist()
    return Recommended(user, store.item_ids(rows.tolist()), scores, None, "popular")
