"""Products with a large sparse matrix, by blocks of rows on several threads.

The blocks depend on the matrix alone, so that the result is the same bytes on any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
from scipy import sparse

T = TypeVar("T")

BLOCKS = 64  # enough to keep threads busy to the end, and to hold little of a product at a time


def product(rows: sparse.csr_matrix, table: np.ndarray, threads: int, out: np.ndarray) -> np.ndarray:
    """``rows @ table``, (n, d), for a sparse and a dense matrix; written to ``out``, and that returned."""

    def write(first: int, block: sparse.csr_matrix) -> None:
        out[first : first + block.shape[0]] = block @ table

    _by_blocks(rows, write, threads)
    return out


def strongest_products(
    rows: sparse.csr_matrix, columns: sparse.csr_matrix, count: int, threads: int
) -> sparse.csr_matrix:
    """Keep of ``rows @ columns``, (n, n), the ``count`` largest entries of each row off the diagonal.

    Only entries above 0 count; equal ones are kept in the order of the columns. The whole product, which
    may be much larger, is never in memory.
    """
    kept = _by_blocks(rows, lambda first, block: strongest(block @ columns, first, count), threads)
    return sparse.csr_matrix(sparse.vstack(kept, format="csr"))


def _by_blocks(
    matrix: sparse.csr_matrix, work: Callable[[int, sparse.csr_matrix], T], threads: int
) -> list[T]:
    """``work(first row, rows)`` of each block in order; blocks have about as many entries."""
    inner = np.searchsorted(matrix.indptr, np.linspace(0, matrix.nnz, BLOCKS + 1)[1:-1])
    bounds = np.unique([0, *inner.clip(max=matrix.shape[0]), matrix.shape[0]]).tolist()
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda pair: work(pair[0], matrix[slice(*pair)]), pairwise(bounds)))


def strongest(block: sparse.csr_matrix, first: int, count: int) -> sparse.csr_matrix:
    """Keep the ``count`` largest of each row, above 0 and off the diagonal; writes to ``block``.

    Parameters
    ----------
    block
        Rows ``first``, ``first + 1``, ... of a square matrix. Of equal entries the first columns are kept.
    """
    lengths = np.diff(block.indptr)
    own = np.repeat(np.arange(first, first + len(lengths), dtype=block.indices.dtype), lengths)
    block.data[block.indices == own] = 0
    least = np.zeros(len(lengths), block.dtype)
    for row in np.flatnonzero(lengths > count):
        values = block.data[block.indptr[row] : block.indptr[row + 1]]
        least[row] = np.partition(values, -count)[-count]
    block.data[block.data < np.repeat(least, lengths)] = 0
    block.eliminate_zeros()
    block.sort_indices()
    for row in np.flatnonzero(np.diff(block.indptr) > count):
        values = block.data[block.indptr[row] : block.indptr[row + 1]]
        equal = np.flatnonzero(values == least[row])
        values[equal[count - len(values) :]] = 0  # more of them than there is room for
    block.eliminate_zeros()
    return block
