"""From files of interactions to rows of two fixed id spaces, and back for one user at a time."""

from recsys_unlearn.interactions.contract import Interactions, ItemId, ItemRow, Splits, UserId, UserRow
from recsys_unlearn.interactions.ingest import ingest
from recsys_unlearn.interactions.options import IngestOptions
from recsys_unlearn.interactions.report import IngestReport
from recsys_unlearn.interactions.store import Erased, InteractionStore

__all__ = [
    "Erased",
    "IngestOptions",
    "IngestReport",
    "InteractionStore",
    "Interactions",
    "ItemId",
    "ItemRow",
    "Splits",
    "UserId",
    "UserRow",
    "ingest",
]
