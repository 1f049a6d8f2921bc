"""SIGKILL at every write of a deletion, then ``resume``: the same bytes as when nobody interfered."""

import pytest

from reliability.faults import Fault

POINTS = 9  # in the suite, of each kind; `make soak` takes all of them
EVERY = 10**9


def _killed_everywhere(trials, points, fault=Fault.kill):
    """Kill at each point; what is not as it should be, by point."""
    wrong = {}
    for at in trials.spread(points):
        ended = trials.disturbed(fault(at))
        found = ["survived"] * (ended.code != -9)
        found += trials.resume() + trials.again() + trials.resume()
        if found:
            wrong[f"{at} of {len(trials.operations)}, {trials.operations[at - 1]}"] = found
    return "\n".join(f"{at}: {found}" for at, found in wrong.items())


def test_all_of_the_writes_are_tried_where_more_are_asked_for(trials):
    whole = trials["stranger"]
    assert whole.spread(EVERY) == list(range(1, len(whole.operations) + 1))
    assert whole.spread(2) == [1, len(whole.operations)]


def test_killed_anywhere_it_is_finished_by_resume(trials):
    assert _killed_everywhere(trials["without audit"], POINTS) == ""


def test_killed_in_the_middle_of_a_write_it_is_finished_by_resume(trials):
    assert _killed_everywhere(trials["without audit"], POINTS // 3, Fault.tear) == ""


def test_resume_after_a_whole_deletion_changes_nothing(trials, forks, fresh):
    whole = trials["account"]
    assert whole.disturbed(Fault()).code == 0
    assert whole.resume() == []
    assert whole.after["temporary"] == []


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", ["account", "stranger", "retrain", "two"])
@pytest.mark.parametrize("fault", [Fault.kill, Fault.tear])
def test_killed_at_each_write_it_is_finished_by_resume(trials, name, fault):
    wrong = _killed_everywhere(trials[name], EVERY, fault)
    print(f"{name}, {fault.__name__}: {len(trials[name].operations)} writes, {len(wrong.splitlines())} wrong")
    assert wrong == ""
