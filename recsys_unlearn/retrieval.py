"""Exact top-k over the item table from a faiss index that travels with a model version.

The index is ``IndexIDMap2(IndexFlatIP)`` whose ids are item rows. Vectors are replaced where they
lie: the alternative, ``remove_ids`` and ``add_with_ids``, moves rows, so that the file of an updated
index differs from that of a fresh one. Overwriting leaves a file that is byte for byte the fresh
one, without the old vectors.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np

from recsys_unlearn.durable import replacing
from recsys_unlearn.errors import InvalidValue, UnknownItem, UsageError, VersionError

QUERIES_PER_BATCH = 256
DIGEST_BYTES = hashlib.sha256().digest_size


class ItemIndex:
    """Inner-product index over all item rows; a search answers what brute force would.

    Use :meth:`build` or :meth:`load`. On disk it is faiss's own format followed by the SHA-256 of
    it; ``faiss.read_index`` reads it too, as it ignores what follows.
    """

    def __init__(self, index: faiss.Index) -> None:
        self._index: Any = index

    @classmethod
    def build(cls, item_table: np.ndarray) -> Self:
        """Index a float32 (n_items, d) table.

        Raises
        ------
        InvalidValue
            If the table is empty or not a matrix of finite numbers.
        """
        table = _finite_matrix(item_table, "the item table")
        if not table.size:
            raise InvalidValue("the item table is empty, so there is nothing to index; train a version first")
        index = faiss.IndexIDMap2(faiss.IndexFlatIP(table.shape[1]))
        index.add_with_ids(table, np.arange(len(table)))
        return cls(index)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of items and width of a vector."""
        return self._index.ntotal, self._index.d

    def search(
        self, vectors: np.ndarray, k: int = 20, exclude: Sequence[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best k items for each user vector, best first; equal scores by ascending item row.

        Parameters
        ----------
        vectors
            float32 (n, d), or (d,) for one user.
        exclude
            For each vector the item rows to leave out, as a rule ``[train.items_of(u) for u in users]``.
            For a vector of (d,), a list of one array.

        Returns
        -------
        items, scores
            int64 and float32 (n, k), or (k,). Where fewer than k items remain: -1 and -inf.

        Raises
        ------
        UsageError
            If k is below 1 or ``exclude`` is of another length than ``vectors``.
        InvalidValue
            If a vector is not finite or not of the index's width.
        UnknownItem
            If an item to exclude is not in the index.
        """
        queries = _finite_matrix(np.atleast_2d(vectors), "a user vector", self._index.d)
        seen = [np.empty(0, np.int64)] * len(queries) if exclude is None else exclude
        if k < 1:
            raise UsageError(f"k is {k}; a search needs k of at least 1")
        if len(seen) != len(queries):
            raise UsageError(f"{len(seen)} exclusion lists for {len(queries)} vectors; give one for each")
        _check_rows(np.concatenate([[], *seen]), self._index.ntotal)
        items = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for lines in _batches_by_size(seen):
            items[lines], scores[lines] = self._search(queries[lines], k, [seen[line] for line in lines])
        return (items[0], scores[0]) if np.ndim(vectors) == 1 else (items, scores)

    def update(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Replace the vectors of some item rows, in this object; :meth:`load` or :meth:`copy` one first.

        Raises
        ------
        UnknownItem
            If a row is not in the index.
        InvalidValue
            If the vectors are not finite, not of the index's width, or not one for each row.
        """
        rows = np.asarray(rows, np.int64)
        new = _finite_matrix(vectors, "an item vector", self._index.d)
        if len(new) != len(rows):
            raise InvalidValue(f"{len(new)} vectors for {len(rows)} item rows; give one for each row")
        _check_rows(rows, self._index.ntotal)
        self._vectors()[rows] = new

    def copy(self) -> Self:
        """Return an independent index with the same vectors."""
        return type(self)(faiss.clone_index(self._index))

    def save(self, path: Path) -> None:
        """Write to ``path``, atomically. Equal tables give equal bytes, however they came about."""
        # Not faiss.write_index: of a full disk that tells standard error, and raises a RuntimeError.
        data = faiss.serialize_index(self._index).data
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(data)
            file.write(hashlib.sha256(data).digest())

    @classmethod
    def load(cls, path: Path, shape: tuple[int, int] | None = None) -> Self:
        """Read what :meth:`save` wrote; ``shape`` is the item table's, where the caller knows it.

        Raises
        ------
        VersionError
            If the file is missing, damaged, not such an index, or of another shape.
        """
        try:
            _check_digest(path)  # first: faiss trusts the sizes in a file and may allocate by them
            index: Any = faiss.read_index(str(path))
        except Exception as error:  # whatever a damaged file makes the readers raise
            raise VersionError(f"no readable index in {path}: {error}. Build it from the model.") from error
        _check_kind(index, path)
        loaded = cls(index)
        if not np.isfinite(loaded._vectors()).all():
            raise VersionError(f"the index in {path} holds NaN or infinity. Build it from the model.")
        if shape is not None and loaded.shape != tuple(shape):
            raise VersionError(
                f"the index in {path} is {loaded.shape[0]} x {loaded.shape[1]} and the item table "
                f"{shape[0]} x {shape[1]}: not of one version. Build it again from the model."
            )
        return loaded

    def _search(self, queries: np.ndarray, k: int, seen: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        # The k best that are not seen are among the k + |seen| best; one more shows a tie at the end.
        longest = max(len(rows) for rows in seen)
        fetched = min(k + longest + 1, self._index.ntotal)
        items, scores, last = self._fetch(queries, k, seen, fetched)
        if fetched < self._index.ntotal:  # an item that was not fetched may share the last place
            for line in np.flatnonzero(scores[:, -1] == last):
                one = slice(line, line + 1)
                items[one], scores[one], _ = self._fetch(queries[one], k, seen[one], self._index.ntotal)
        return items, scores

    def _fetch(
        self, queries: np.ndarray, k: int, seen: list[np.ndarray], fetched: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the best k without ``seen`` out of the best ``fetched``, and the lowest score fetched."""
        scores, items = self._index.search(queries, fetched)
        last = scores[:, -1].copy()
        scores[_marked(items, seen, self._index.ntotal)] = -np.inf
        order = np.lexsort((items, -scores))[:, :k]
        scores = np.take_along_axis(scores, order, axis=1)
        items = np.where(np.isneginf(scores), -1, np.take_along_axis(items, order, axis=1))
        missing = ((0, 0), (0, k - order.shape[1]))
        scores = np.pad(scores, missing, constant_values=-np.inf)
        return np.pad(items, missing, constant_values=-1), scores, last

    def _vectors(self) -> np.ndarray:
        """Return the vectors where they lie in faiss's memory; valid while the index lives."""
        flat: Any = faiss.downcast_index(self._index.index)
        return faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)


def _marked(items: np.ndarray, seen: list[np.ndarray], n_items: int) -> np.ndarray:
    """Bool, the shape of ``items``: whether each is in its own line's ``seen``."""
    lines = np.repeat(np.arange(len(seen)), [len(rows) for rows in seen])
    codes = lines * n_items + np.concatenate(seen).astype(np.int64)
    return np.isin(np.arange(len(seen))[:, None] * n_items + items, codes)


def _batches_by_size(seen: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Positions in batches of users with about as many seen items: each batch fetches for its longest."""
    order = np.argsort([len(rows) for rows in seen], kind="stable")
    for start in range(0, len(order), QUERIES_PER_BATCH):
        yield order[start : start + QUERIES_PER_BATCH]


def _finite_matrix(vectors: np.ndarray, what: str, width: int | None = None) -> np.ndarray:
    matrix = np.ascontiguousarray(vectors, np.float32)
    if matrix.ndim != 2 or matrix.shape[1] != (width or matrix.shape[1]):
        raise InvalidValue(f"{what} is of shape {matrix.shape}, not (n, {width or 'd'}); use one version's")
    if not np.isfinite(matrix).all():
        raise InvalidValue(f"{what} holds NaN or infinity; the model is damaged: train a new version")
    return matrix


def _check_rows(rows: np.ndarray, n_items: int) -> None:
    if len(rows) and not (rows.min() >= 0 and rows.max() < n_items):
        raise UnknownItem(
            f"an item row is outside this index of {n_items} items; build it from the new model"
        )


def _check_digest(path: Path) -> None:
    data = np.memmap(path, np.uint8, "r")
    if hashlib.sha256(data[:-DIGEST_BYTES].data).digest() != data[-DIGEST_BYTES:].tobytes():
        raise ValueError("its bytes do not match their SHA-256")


def _check_kind(index: Any, path: Path) -> None:
    """Refuse an index that is whole but not ours: another type, or ids that are not the row numbers."""
    ours = isinstance(index, faiss.IndexIDMap2)
    ours = ours and isinstance(faiss.downcast_index(index.index), faiss.IndexFlatIP)
    if not (ours and np.array_equal(faiss.vector_to_array(index.id_map), np.arange(index.ntotal))):
        raise VersionError(f"{path} is not an index over item rows. Build it again from the model.")
