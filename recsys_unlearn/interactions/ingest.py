"""From a source of interactions to a training store, whole or not at all."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import numpy as np
import polars as pl

from recsys_unlearn.errors import NothingLeft, UnreadableSource
from recsys_unlearn.interactions import buckets
from recsys_unlearn.interactions.assembly import Assembled, assemble
from recsys_unlearn.interactions.building import building
from recsys_unlearn.interactions.columns import ITEM, SPLIT, TIME, TRAIN, USER, VALIDATION
from recsys_unlearn.interactions.manifest import Bucket, Manifest
from recsys_unlearn.interactions.options import IngestOptions
from recsys_unlearn.interactions.report import IngestReport
from recsys_unlearn.interactions.sources import Source, readable
from recsys_unlearn.interactions.splits import held_out, is_stranger, random_order, with_strangers
from recsys_unlearn.interactions.staging import Progress, Staged, clean, k_core, stage
from recsys_unlearn.interactions.store import ITEM_ID, ITEM_ROW, ITEMS, VAULT
from recsys_unlearn.interactions.suppressed import LeftOut, Suppressed, without
from recsys_unlearn.interactions.vault import Vault

_STAGING = "staging"


@dataclass(frozen=True)
class _Survivors:
    """bool (n,) each: provisional user and item rows that the k-core keeps."""

    users: np.ndarray
    items: np.ndarray


def ingest(
    source: Source,
    store_directory: str | Path,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
    suppressed: Suppressed | None = None,
) -> IngestReport:
    """Read, check, filter and split a source, and write it as a training store.

    Parameters
    ----------
    source
        Path or paths of files, a pandas.DataFrame, a polars.DataFrame or a polars.LazyFrame (which
        is evaluated several times).
    store_directory
        Where the store will be. Until it is complete and on the disk, nothing is there.
    options
        How to read, filter and split.
    progress
        Called with (what is being done, how much is done, out of how much).
    suppressed
        Tells which users, and which pairs of a user and an item, were erased before, and are left out.

    Raises
    ------
    InputError
        The source cannot be used. Nothing was written.
    StoreError
        A store is there already, and ``options.replace`` is False.
    """
    started = time.perf_counter()
    options = options or IngestOptions()
    progress = progress or (lambda what, done, total: None)
    directory = Path(store_directory)
    assembled, left_out = without(assemble(source, options), suppressed)
    with building(directory, options.replace) as temporary:
        staged, duplicates = _stage(assembled, temporary / _STAGING, options, progress)
        survivors = _Survivors(*k_core(staged, options.k_core))
        manifest = _write(temporary, staged, survivors, assembled, options, progress)
        shutil.rmtree(staged.directory)
    return _report(assembled, left_out, manifest, duplicates, time.perf_counter() - started)


def _stage(
    assembled: Assembled, directory: Path, options: IngestOptions, progress: Progress
) -> tuple[Staged, int]:
    with readable(assembled.name):
        staged = stage(assembled.frame, directory, options.n_buckets, options.seed, progress)
    rows = clean(staged, progress)
    if rows != assembled.rows:
        raise UnreadableSource("the source changed while it was read: ingest again when it is at rest")
    kept = sum(len(users) for _, users, _ in staged.pairs())
    return staged, rows - kept


def _write(
    directory: Path,
    staged: Staged,
    survivors: _Survivors,
    assembled: Assembled,
    options: IngestOptions,
    progress: Progress,
) -> Manifest:
    if not survivors.users.any():
        raise NothingLeft(f"no user and item is in a {options.k_core}-core: lower --k-core")
    written = tuple(_buckets(directory / buckets.DIRECTORY, staged, survivors, options, progress))
    _write_ids(directory, staged, survivors)
    manifest = Manifest(
        store_id=token_hex(16),
        generation=0,
        user_id_kind=assembled.kinds[USER],
        item_id_kind=assembled.kinds[ITEM],
        n_users=int(survivors.users.sum()),
        n_items=int(survivors.items.sum()),
        buckets=written,
        source=assembled.format,
        options=options.as_dict(),
    )
    _refuse_untrainable(manifest)
    manifest.write(directory)
    return manifest


def _buckets(
    directory: Path, staged: Staged, survivors: _Survivors, options: IngestOptions, progress: Progress
) -> Iterator[Bucket]:
    user_rows, item_rows = (
        np.cumsum(kept, dtype=np.int32) - 1 for kept in (survivors.users, survivors.items)
    )
    starts = np.concatenate([[0], np.cumsum(survivors.users)])[staged.starts]
    directory.mkdir()
    for number in range(staged.n_buckets):
        frame = pl.read_parquet(staged.path(number), glob=False)
        users, items = frame[USER].to_numpy(), frame[ITEM].to_numpy()
        kept = survivors.users[users] & survivors.items[items]
        rows = [pl.Series(USER, user_rows[users]), pl.Series(ITEM, item_rows[items])]
        final = _with_splits(frame.with_columns(rows).filter(kept), int(starts[number]), options)
        yield buckets.write(directory / buckets.file_name(number), final, int(starts[number]))
        progress("writing interactions", number + 1, staged.n_buckets)


def _with_splits(frame: pl.DataFrame, first_row: int, options: IngestOptions) -> pl.DataFrame:
    users, items = frame[USER].to_numpy(), frame[ITEM].to_numpy()
    splits = _provided(frame, users, items, first_row, options) if SPLIT in frame.columns else None
    if splits is None:
        by_time = TIME in frame.columns and options.split != "random"
        order = frame[TIME].to_numpy() if by_time else random_order(users, items, options.seed)
        splits = held_out(users - first_row, order, items, options.test_fraction, options.validation_fraction)
    splits = with_strangers(splits, users, options.strangers, options.seed)
    return frame.with_columns(pl.Series(SPLIT, splits, pl.Int8))


def _provided(
    frame: pl.DataFrame, users: np.ndarray, items: np.ndarray, first_row: int, options: IngestOptions
) -> np.ndarray:
    splits = frame[SPLIT].to_numpy().copy()
    if options.validation is None:
        train = np.flatnonzero(splits == TRAIN)
        order = random_order(users[train], items[train], options.seed)
        drawn = held_out(users[train] - first_row, order, items[train], 0, options.validation_fraction)
        splits[train[drawn == VALIDATION]] = VALIDATION
    return splits


def _write_ids(directory: Path, staged: Staged, survivors: _Survivors) -> None:
    users = staged.ids[USER].filter(pl.Series(survivors.users)).cast(pl.String)
    items = staged.ids[ITEM].filter(pl.Series(survivors.items)).cast(pl.String)
    Vault.create(directory / VAULT, enumerate(users))
    rows = pl.arange(len(items), dtype=pl.Int32, eager=True)
    pl.DataFrame({ITEM_ROW: rows, ITEM_ID: items}).write_parquet(directory / ITEMS)


def _refuse_untrainable(manifest: Manifest) -> None:
    if manifest.sizes["train"] == 0:
        raise NothingLeft(
            "the split leaves no training rows: lower --strangers, --test-fraction or --validation-fraction"
        )


def _report(
    assembled: Assembled, left_out: LeftOut, manifest: Manifest, duplicates: int, seconds: float
) -> IngestReport:
    interactions = sum(manifest.sizes.values())
    options = manifest.options
    strangers = is_stranger(np.arange(manifest.n_users), options["strangers"], options["seed"])
    return IngestReport(
        source=assembled.format,
        rows_read=assembled.rows_read,
        below_threshold=assembled.rows_read - assembled.rows - left_out.rows,
        suppressed=left_out.users,
        suppressed_pairs=left_out.pairs,
        suppressed_rows=left_out.rows,
        duplicates=duplicates,
        removed_by_k_core=assembled.rows - duplicates - interactions,
        users=manifest.n_users,
        items=manifest.n_items,
        interactions=interactions,
        **manifest.sizes,
        stranger_users=int(strangers.sum()),
        density=interactions / (manifest.n_users * manifest.n_items),
        seconds=seconds,
        store_id=manifest.store_id,
        digest=manifest.digest,
    )
