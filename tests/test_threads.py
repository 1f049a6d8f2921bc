"""torch's threads: one inside, as many as before outside."""

import pytest
import torch

from recsys_unlearn.threads import one_thread


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("wanted", "inside"), [(True, 1), (False, 2)])
def test_one_thread_inside_if_wanted(wanted, inside):
    with one_thread(wanted):
        assert torch.get_num_threads() == inside
    assert torch.get_num_threads() == 2


def test_an_error_does_not_keep_the_threads():
    with pytest.raises(ValueError, match="on the way"), one_thread():
        raise ValueError("on the way")
    assert torch.get_num_threads() == 2
