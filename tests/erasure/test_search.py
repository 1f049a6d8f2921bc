"""The search of a table by itself, where the bytes of a file cannot help it to find what its columns hide."""

import polars as pl
import pytest

from erasure.planting import DIM, ITEMS, NAME, VECTOR
from recsys_unlearn.erasure.search import Search

TEXT = f"of {NAME.text}!"
IDS = {
    "text": pl.Series([TEXT, None]),
    "categories": pl.Series([TEXT, None], dtype=pl.Categorical),
    "enumeration": pl.Series([TEXT, None], dtype=pl.Enum([TEXT])),
    "list": pl.Series([["a", TEXT], None]),
    "struct": pl.Series([{"a": {"b": TEXT}}, None]),
    "binary": pl.Series([TEXT.encode(), None]),
}
OTHERS = {
    "items": pl.Series([*ITEMS, None]),
    "list of items": pl.Series([[1, 2], list(ITEMS), None]),
    "vector": pl.Series([*VECTOR.tolist(), None]),
    "list that is a vector": pl.Series([[0.5] * DIM, VECTOR.tolist(), None], dtype=pl.List(pl.Float32)),
    "array that is a vector": pl.Series([VECTOR.tolist(), None], dtype=pl.Array(pl.Float64, DIM)),
}
KINDS = dict.fromkeys(IDS, "id") | {name: "items" if "items" in name else "vector" for name in OTHERS}


@pytest.mark.parametrize("name", KINDS)
def test_a_column_of_any_type_is_looked_through(name):
    frame = pl.DataFrame({"n": (IDS | OTHERS)[name]})
    assert {(target, kind) for target, kind, _ in Search([NAME]).in_table(frame)} == {(0, KINDS[name])}


def test_columns_that_hold_nobody_give_nothing():
    columns = {"flag": [True, None], "n": [None, None], "text": ["x", None], "day": [1.5, None]}
    assert list(Search([NAME]).in_table(pl.DataFrame(columns))) == []
