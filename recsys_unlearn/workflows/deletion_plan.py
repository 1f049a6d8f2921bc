"""What a request comes to in rows, before anything is changed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_unlearn.errors import UnknownUser, UsageError
from recsys_unlearn.interactions.contract import Interactions, ItemId, Splits, UserId
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.unlearning.contract import ForgetRequest


@dataclass(frozen=True)
class DeletionPlan:
    """One deletion.

    Parameters
    ----------
    accounts
        int64: user rows that go altogether.
    pairs
        Every interaction that goes, of all splits.
    train
        Of those, the ones that a model was trained on.
    fingerprint
        Of the pairs and the store's name; a version that carries it has forgotten them.
    """

    accounts: np.ndarray
    pairs: Interactions
    train: Interactions
    fingerprint: str

    @property
    def request(self) -> ForgetRequest:
        """What the unlearner is asked for."""
        return ForgetRequest(self.train, self.accounts)


def plan_deletion(
    store: InteractionStore, splits: Splits, users: Sequence[UserId], items: Sequence[ItemId] | None = None
) -> DeletionPlan:
    """Resolve ids to rows.

    Raises
    ------
    UnknownUser
        If any of the users is not in the store; none is then planned for.
    UnknownItem, UsageError
        If an item is not in the catalogue, or the user has nothing to do with it; if nobody is named;
        if items are named for more than one user.
    """
    if not users:
        raise UsageError("no user named: give --user ID, or --users-file FILE")
    if items is not None and len(set(users)) != 1:
        raise UsageError("--items goes with exactly one user; name whole accounts, or ask once per user")
    rows = _rows(store, users)
    everything = splits.everything()
    if items is None:
        accounts, pairs = rows, everything.of_users(rows)
    else:
        accounts, pairs = np.zeros(0, np.int64), _pairs_of(store, everything, rows[0], items)
    train = pairs.where(splits.train.holds(pairs))
    return DeletionPlan(accounts, pairs, train, _fingerprint(store, pairs))


def _rows(store: InteractionStore, users: Sequence[UserId]) -> np.ndarray:
    rows, unknown = [], 0
    for user in users:
        try:
            rows.append(store.user_row(user))
        except UnknownUser:
            unknown += 1
    if unknown:
        raise UnknownUser(
            f"{unknown} of the {len(users)} users are not in this workspace: never ingested, filtered out, "
            "or forgotten already. Nothing was changed"
        )
    return np.unique(np.array(rows, np.int64))


def _pairs_of(
    store: InteractionStore, everything: Interactions, row: int, items: Sequence[ItemId]
) -> Interactions:
    wanted = np.unique([store.item_row(item) for item in items])
    missing = np.setdiff1d(wanted, everything.items_of(row))
    if len(missing):
        raise UsageError(
            f"the user has no interaction with {len(missing)} of the {len(wanted)} items; nothing was changed"
        )
    return everything.where((everything.users == row) & np.isin(everything.items, wanted))


def _fingerprint(store: InteractionStore, pairs: Interactions) -> str:
    digest = hashlib.blake2b(store.store_id.encode(), digest_size=16)
    digest.update(pairs.pair_codes.tobytes())
    return digest.hexdigest()
