import math

import pytest

from recsys_unlearn.errors import InvalidValue, UsageError
from recsys_unlearn.tracking import names


def test_there_are_a_dozen_common_names():
    assert len(set(names.COMMON)) == 12


@pytest.mark.parametrize("name", [*names.COMMON, "recall@5", "seconds/model", "audit/tpr@fpr0.01"])
def test_names_come_back_from_mlflow_unchanged(name):
    assert names.check({name: 0.5}) == {name: 0.5}
    assert "@" not in names.to_mlflow(name)
    assert names.from_mlflow(names.to_mlflow(name)) == name


@pytest.mark.parametrize("name", ["Recall@20", "recall", "recall@0", "speed", "audit/a_at_b", "other/x", ""])
def test_a_name_that_no_other_method_uses_is_refused(name):
    with pytest.raises(UsageError, match="no metric is called"):
        names.check({name: 0.5})


def test_the_refusal_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'recall@20'"):
        names.check({"recal_20": 0.5})


def test_none_is_not_measured_and_infinity_is_refused():
    assert math.isnan(names.check({"audit/auc": None})["audit/auc"])
    with pytest.raises(InvalidValue, match="'audit/auc' is infinite"):
        names.check({"audit/auc": math.inf})


def test_completing_fills_what_follows_and_leaves_the_rest_unmeasured():
    filled = names.complete({"recall@20": 0.25, "ndcg@20": 0.2, "before/ndcg@20": 0.3})
    assert set(filled) == set(names.COMMON)
    assert (filled["before/recall@20"], filled["before/ndcg@20"]) == (0.25, 0.3)
    assert filled["deleted/users"] == filled["deleted/interactions"] == 0
    assert math.isnan(filled["audit/auc"])
    assert math.isnan(filled["seconds/total"])


def test_measured_drops_what_was_not():
    assert names.measured({"recall_at_20": 0.25, "audit/auc": math.nan}) == {"recall@20": 0.25}
