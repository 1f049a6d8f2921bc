from datetime import UTC, datetime

import pytest

from recsys_unlearn.errors import UsageError
from recsys_unlearn.tracking.retention import AfterDays, AtOnce, KeepNewest
from recsys_unlearn.unlearning.registry import METHODS
from recsys_unlearn.workflows.deletion.terms import Terms

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keep", "policy"), [("0", AtOnce()), ("3", KeepNewest(3)), ("30d", AfterDays(30)), ("0d", AfterDays(0))]
)
def test_keep_spells_a_policy(keep, policy):
    assert Terms(keep=keep).retention() == policy


@pytest.mark.parametrize("keep", ["", "-1", "3w", "1.5", "d", "٣", "1000000000"])
def test_a_policy_that_cannot_be_understood(keep):
    with pytest.raises(UsageError, match="--keep takes a number of versions, or of days as in 30d, not "):
        Terms(keep=keep)


@pytest.mark.parametrize("method", ["magic", "no_op", ""])
def test_a_method_that_may_not_serve(method):
    with pytest.raises(UsageError, match="there are natural_ascent"):
        Terms(method=method)


def test_every_method_that_may_serve_is_accepted():
    assert [Terms(method=method).method for method in METHODS] == list(METHODS)


def test_by_another_method_the_rest_stays():
    terms = Terms("retrain", verify=False, keep="2")
    assert terms.by("natural_ascent") == Terms("natural_ascent", verify=False, keep="2")
    assert terms.by(None) is terms


def test_terms_survive_json():
    assert Terms(**Terms("retrain", False, "7d").as_dict()) == Terms("retrain", False, "7d")
