"""What a request comes to in rows, before anything is changed."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys_unlearn.errors import UnknownUser, UsageError
from recsys_unlearn.interactions.contract import Interactions, ItemId, Splits, UserId
from recsys_unlearn.interactions.store import InteractionStore

if TYPE_CHECKING:
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
    def request(self) -> "ForgetRequest":
        """What the unlearner is asked for."""
        from recsys_unlearn.unlearning.contract import ForgetRequest  # costs the import of torch

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
    check_named(users, items)
    rows = _rows(store, users)
    if items is None:
        return plan_rows(store, splits, rows)
    wanted = np.unique([store.item_row(item) for item in items]).astype(np.int64)
    check_had(wanted, store.history(int(rows[0])).items)
    return plan_rows(store, splits, accounts=(), pair_codes=rows[0] * store.n_items + wanted)


def plan_rows(
    store: InteractionStore, splits: Splits, accounts: Iterable[int], pair_codes: Iterable[int] = ()
) -> DeletionPlan:
    """Plan for whole accounts and for single interactions of others at once, given as rows.

    Parameters
    ----------
    pair_codes
        ``user * n_items + item`` of each interaction; one that is not in the store is passed over.
    """
    everything = splits.everything()
    rows = np.unique(np.fromiter(accounts, np.int64))
    gone = np.isin(everything.pair_codes, np.fromiter(pair_codes, np.int64))
    gone |= np.isin(everything.users, rows)
    pairs = everything.where(gone)
    train = splits.train.where(pairs.holds(splits.train))
    return DeletionPlan(rows, pairs, train, _fingerprint(store, pairs))


def check_named(users: Sequence[UserId], items: Sequence[ItemId] | None) -> None:
    """Refuse a request that names nobody, or items of several users; UsageError."""
    if not users:
        raise UsageError("no user named: give --user ID, or --users-file FILE")
    if items is not None and len(set(users)) != 1:
        raise UsageError("--items goes with exactly one user; name whole accounts, or ask once per user")


def check_had(wanted: np.ndarray, had: np.ndarray) -> None:
    """Refuse item rows that the user has nothing to do with; UsageError."""
    missing = np.setdiff1d(wanted, had)
    if len(missing):
        raise UsageError(
            f"the user has no interaction with {len(missing)} of the {len(wanted)} items; nothing was changed"
        )


def unknown_users(count: int, of: int) -> UnknownUser:
    """Return the error that says how many are not known, and not who."""
    return UnknownUser(
        f"{count} of the {of} users are not in this workspace: never ingested, filtered out, "
        "or forgotten already. Nothing was changed"
    )


def _rows(store: InteractionStore, users: Sequence[UserId]) -> np.ndarray:
    rows = store.user_rows(users)
    unknown = int((rows < 0).sum())
    if unknown:
        raise unknown_users(unknown, len(users))
    return np.unique(rows)


def _fingerprint(store: InteractionStore, pairs: Interactions) -> str:
    digest = hashlib.blake2b(store.store_id.encode(), digest_size=16)
    digest.update(pairs.pair_codes.tobytes())
    return digest.hexdigest()
