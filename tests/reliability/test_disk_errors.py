"""A disk that is full, broken or closed, at each write of a deletion: a clear error, and nothing lost."""

import pytest

from reliability.faults import Fault
from reliability.test_kill import EVERY

ERRORS = ("ENOSPC", "EIO", "EACCES")
POINTS = 2
FINE = {0, 1, 4}  # done all the same, as the write was one that may fail; failed; partly done


def _hindered_everywhere(trials, points, error, for_good):
    wrong = {}
    for at in trials.spread(points):
        ended = trials.disturbed(Fault.fail(at, error, for_good))
        found = [] if ended.code in FINE else [f"exit code {ended.code}"]
        if ended.code:
            found += _unclear(ended)
        found += trials.resume() + trials.again() + trials.resume()
        if found:
            wrong[f"{error} at {at} of {len(trials.operations)}, {trials.operations[at - 1]}"] = found
    return "\n".join(f"{at}: {found}" for at, found in wrong.items())


def _unclear(ended):
    if "Traceback" in ended.err or "unexpected " in ended.err or not ended.err.startswith("error: "):
        return [f"unclear: {ended.err}"]
    return []


@pytest.mark.parametrize("error", ERRORS)
def test_one_failing_write_is_survived(trials, error):
    assert _hindered_everywhere(trials["without audit"], POINTS, error, for_good=False) == ""


@pytest.mark.parametrize("error", ERRORS)
def test_a_disk_that_stays_broken_is_survived(trials, error):
    assert _hindered_everywhere(trials["without audit"], POINTS, error, for_good=True) == ""


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("error", ERRORS)
def test_each_failing_write_is_survived(trials, error, for_good):
    wrong = _hindered_everywhere(trials["without audit"], EVERY, error, for_good)
    count = len(trials["without audit"].operations)
    print(f"{error}, for good {for_good}: {count} writes, {len(wrong.splitlines())} wrong")
    assert wrong == ""
