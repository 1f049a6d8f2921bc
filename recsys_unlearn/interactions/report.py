"""What an ingest did, counted at every stage."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class IngestReport:
    """Counts of an ingest.

    Parameters
    ----------
    source
        Format of what was read.
    rows_read
        Rows in all sources together.
    below_threshold
        Rows rated below ``min_rating``.
    suppressed, suppressed_pairs, suppressed_rows
        Users who had been erased before and were left out; single pairs of a user and an item, of other
        users; the rows of both at or above ``min_rating``.
    duplicates
        Rows whose pair of user and item was kept from another row.
    removed_by_k_core
        Interactions of users or items outside the k-core.
    users, items, interactions
        What the store holds.
    train, validation, test, strangers, strangers_held_out
        Interactions in each split.
    stranger_users
        Users held out from all training.
    density
        interactions / (users * items).
    seconds
        Wall clock time.
    store_id, digest
        Of the new store.
    """

    source: str
    rows_read: int
    below_threshold: int
    suppressed: int
    suppressed_pairs: int
    suppressed_rows: int
    duplicates: int
    removed_by_k_core: int
    users: int
    items: int
    interactions: int
    train: int
    validation: int
    test: int
    strangers: int
    strangers_held_out: int
    stranger_users: int
    density: float
    seconds: float
    store_id: str
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """Return the counts with stable keys, for JSON."""
        return asdict(self)
