import pytest

from recsys_unlearn.workflows import stopwatch
from recsys_unlearn.workflows.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on."""

    class Clock:
        now = 100.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


def test_parts_and_the_total_since_the_start(clock):
    watch = Stopwatch()
    clock.now += 1
    with watch.part("model"):
        clock.now += 2
    clock.now += 4
    assert watch.seconds() == {"model": 2.0, "total": 7.0}


def test_a_part_that_comes_twice_is_added_up(clock):
    watch = Stopwatch()
    for _ in range(3):
        with watch.part("data"):
            clock.now += 2
    assert watch.seconds() == {"data": 6.0, "total": 6.0}


def test_parts_come_in_the_order_of_their_first_use_and_the_total_last(clock):
    watch = Stopwatch()
    for name in ("data", "model", "data", "index"):
        with watch.part(name):
            clock.now += 1
    assert list(watch.seconds()) == ["data", "model", "index", "total"]


def test_time_until_an_error_counts_and_the_error_goes_on(clock):
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.part("model"):
        clock.now += 3
        _ = 1 / 0
    assert watch.seconds()["model"] == 3.0


def test_reading_changes_nothing(clock):
    watch = Stopwatch()
    watch.seconds()["model"] = 5.0
    clock.now += 1
    assert watch.seconds() == {"total": 1.0}


def test_it_measures_real_seconds():
    watch = Stopwatch()
    with watch.part("nothing"):
        pass
    seconds = watch.seconds()
    assert 0 <= seconds["nothing"] <= seconds["total"] < 60
