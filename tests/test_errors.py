"""What the system refuses is said in its own words, whichever library stood between."""

import contextlib
import sqlite3

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from recsys_unlearn.errors import refusal


@pytest.mark.parametrize(
    "write",
    [
        lambda path, numbers: path.write_bytes(numbers.tobytes()),
        lambda path, numbers: pl.DataFrame({"a": numbers}).write_parquet(path),
        lambda path, numbers: save_file({"a": numbers}, path),
    ],
    ids=["python", "polars", "safetensors"],
)
def test_a_write_that_the_system_refuses(write, tmp_path, small_files):
    numbers = np.random.default_rng(0).random(10_000)
    with pytest.raises(Exception, match="too large") as raised:
        write(tmp_path / "canary-5150", numbers)
    assert refusal(raised.value) == "File too large"


def test_sqlites_words_without_the_statement_around_them(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        try:
            try:
                connection.execute("SELECT * FROM absent WHERE id = 'canary-5150'")
            except sqlite3.OperationalError as error:
                raise RuntimeError("SELECT * FROM absent WHERE id = 'canary-5150'") from error
        except RuntimeError as wrapped:
            assert refusal(wrapped) == "MLflow's database cannot be used: no such table: absent"


@pytest.mark.parametrize("error", [ValueError("7 is not a number"), OSError("canary-5150")])
def test_of_any_other_error_nothing_is_said(error):
    assert refusal(error) is None
