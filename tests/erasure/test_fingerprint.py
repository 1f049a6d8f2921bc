import numpy as np
import polars as pl
import pytest

from recsys_unlearn.erasure.fingerprint import fewest, groups_of, most, run_of, telling

TEN = (3, 18, 40, 77, 120, 121, 200, 251, 280, 299)


def test_nine_tenths_on_either_side():
    assert [(fewest(n), most(n)) for n in (5, 9, 10, 20)] == [(5, 5), (9, 10), (9, 11), (18, 22)]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (TEN, 0),
        ((7, 7, *TEN), 2),
        (TEN[::-1], 0),
        ((*TEN[:5], 7, *TEN[5:]), 0),
        (TEN[1:], 0),
        (np.repeat(TEN, 3), 0),
        (TEN[2:], None),
        ((*TEN[:5], 7, 8, 9, *TEN[5:]), None),
        ((), None),
        ((3, 18) * 10, None),
        (np.arange(300), None),
    ],
)
def test_a_run_is_nine_of_ten_within_eleven(values, place):
    for kind in (np.int64, np.int32, np.uint16):
        assert run_of(np.array(values, kind), TEN) == place


@pytest.mark.parametrize(
    ("rows", "tells"),
    [
        (TEN, True),
        ((1, 2, 3, 4), False),
        ((1, 3, 5, 7), False),
        (range(10), False),
        ((*range(9), 10), False),
        ((*range(9), 11), True),
        ((), False),
    ],
)
def test_side_by_side_tells_nothing(rows, tells):
    assert telling(list(rows)) == tells


def test_a_group_holds_them_and_little_else():
    groups = {
        "all": TEN,
        "nine": TEN[1:],
        "eight": TEN[2:],
        "more": (*TEN, 7),
        "many": (*TEN, 7, 8),
        "twice": TEN * 2,
    }
    frame = pl.DataFrame(
        [(by, of) for by, items in groups.items() for of in items], schema=["by", "of"], orient="row"
    )
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert sorted(groups_of(shuffled, "by", "of", TEN)) == ["all", "more", "nine", "twice"]
    texts = shuffled.with_columns(pl.col("of").cast(pl.String))
    assert sorted(groups_of(texts, "by", "of", [str(each) for each in TEN])) == [
        "all",
        "more",
        "nine",
        "twice",
    ]
    assert groups_of(shuffled, "by", "of", [each + 1000 for each in TEN]) == []
