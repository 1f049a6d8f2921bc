from datetime import UTC, datetime, timedelta

import pytest

from recsys_unlearn.errors import UsageError
from recsys_unlearn.tracking.retention import AfterDays, AtOnce, KeepNewest, Superseded

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def superseded(hours=0.0, place=0):
    return Superseded(1, NOW - timedelta(hours=hours), place)


def test_at_once_keeps_none():
    assert AtOnce().reason_to_keep(superseded(), NOW) is None


def test_after_days_keeps_until_the_last_second():
    keep = AfterDays(2)
    assert keep.reason_to_keep(superseded(47.999), NOW) == "kept for 2 days, until 2026-11-21"
    assert keep.reason_to_keep(superseded(48), NOW) is None
    assert AfterDays(0).reason_to_keep(superseded(0), NOW) is None
    assert AfterDays(0.5).reason_to_keep(superseded(1), NOW) == "kept for 0.5 days, until 2026-11-21"


def test_a_clock_that_went_back_keeps():
    assert AfterDays(1).reason_to_keep(superseded(-48), NOW) == "kept for 1 days, until 2026-11-24"


def test_keep_newest_counts_from_the_newest():
    keep = KeepNewest(2)
    assert [keep.reason_to_keep(superseded(place=place), NOW) for place in range(4)] == [
        "among the newest 2 superseded",
        "among the newest 2 superseded",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AfterDays(-1), "cannot be kept for -1 days; give 0 or more"),
        (lambda: AfterDays(float("nan")), "cannot be kept for nan days; give 0 or more"),
        (lambda: KeepNewest(-2), "cannot be kept for -2 versions; give 0 or more"),
    ],
)
def test_less_than_nothing_cannot_be_kept(make, message):
    with pytest.raises(UsageError, match=message):
        make()
