"""Blockwise products against whole ones."""

import numpy as np
import pytest
from scipy import sparse

from recsys_unlearn.recommenders.sparse_products import product, strongest_products


def drawn(rows, columns, density, seed=0):
    matrix = sparse.random(rows, columns, density, "csr", np.float32, np.random.default_rng(seed))
    matrix.data = np.ceil(matrix.data * 4) / 4  # few values, so that many products are equal
    return matrix


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [1, 7, 500])
def test_a_product_is_scipys(rows, threads):
    matrix = drawn(rows, 30, 0.2)
    table = np.random.default_rng(1).standard_normal((30, 5)).astype(np.float32)
    out = np.full((rows, 5), np.nan, np.float32)
    assert product(matrix, table, threads, out) is out
    np.testing.assert_array_equal(out, matrix @ table)


def expected(whole, count):
    """The whole product without its diagonal, in plain numpy: stable sorting keeps the order of columns."""
    whole = whole.copy()
    np.fill_diagonal(whole, 0)
    kept = np.zeros_like(whole)
    for row, best in enumerate(np.argsort(-whole, axis=1, kind="stable")[:, :count]):
        kept[row, best] = whole[row, best]
    return kept


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [1, 5, 60, 1000])
def test_the_strongest_of_each_row_are_kept_and_equal_ones_in_order(count, threads):
    left, right = drawn(300, 50, 0.1), drawn(50, 300, 0.1, seed=1)
    found = strongest_products(left, right, count, threads)
    np.testing.assert_array_equal(found.toarray(), expected((left @ right).toarray(), count))
    assert found.has_canonical_format
    assert np.all(found.data > 0)


def test_rows_without_entries_stay_empty():
    nothing = sparse.csr_matrix((4, 4), dtype=np.float32)
    found = strongest_products(nothing, nothing, 2, 1)
    assert found.shape == (4, 4)
    assert found.nnz == 0
