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
        ((*TEN[:4], 7, 8, *TEN[4:9]), 0),
        ((*TEN[:4], 7, 8, 9, *TEN[4:9]), None),
        ((*TEN[:3], 18, *TEN[3:8], 7, 280), 0),
        ((*TEN[:3], 18, *TEN[3:8], 7, 8, 280), None),
        ((*TEN[:3], 18, *TEN[3:8], 7, 8, 9, 9, 9, 280), None),
        ((*TEN[:8], 7, 8, 9, *TEN[1:]), 11),
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
        ((1, 3, 5, 7, 9), True),
        (range(10), False),
        (range(100, 110), False),
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


def test_items_that_a_column_cannot_hold_are_not_there():
    wanted = (*TEN[:8], 255, 256)
    frame = pl.DataFrame({"by": [1] * 9, "of": pl.Series(wanted[:9], dtype=pl.UInt8)})
    assert groups_of(frame, "by", "of", wanted) == [1]
    assert groups_of(frame[1:], "by", "of", wanted) == []
