import pytest

from recsys_unlearn.errors import StoreError, UnknownUser, VersionError
from recsys_unlearn.workflows import steady as module
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.steady import PAUSES, steady
from recsys_unlearn.workflows.version_files import Opened


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """What was waited for, without waiting."""
    paused = []
    monkeypatch.setattr(module.time, "sleep", paused.append)
    return paused


@pytest.mark.parametrize("error", [StoreError, VersionError])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_what_was_replaced_meanwhile_is_read_again(pauses, error, times):
    failures = [error("replaced")] * times

    @steady
    def read(value, *, more):
        """Read."""
        if failures:
            raise failures.pop()
        return value, more

    assert read(1, more=2) == (1, 2)
    assert pauses == list(PAUSES[:times])
    assert read.__doc__ == "Read."


def test_what_is_damaged_is_so_in_the_end(pauses):
    @steady
    def read():
        raise StoreError("damaged")

    with pytest.raises(StoreError, match="damaged"):
        read()
    assert pauses == list(PAUSES)


def test_any_other_answer_is_an_answer(pauses):
    @steady
    def read():
        raise UnknownUser("nobody")

    with pytest.raises(UnknownUser):
        read()
    assert pauses == []


def test_a_deletion_between_opening_a_version_and_reading_it_is_not_noticed(
    workspace, member, stranger, monkeypatch
):
    load, done = Opened.recommender, []

    def meanwhile(opened):
        if not done:
            done.append(opened.version.number)
            forget(workspace, [member], verify=False)
        return load(opened)

    monkeypatch.setattr(Opened, "recommender", meanwhile)
    answer = recommend(workspace, stranger)
    assert (done, answer.version) == ([1], 2)
