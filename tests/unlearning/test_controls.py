"""Controls are wrong in the way they say."""

import numpy as np

from recsys_unlearn.audit.statistic import fold_in_statistic
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.softmax import geometry_of
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.controls import NoOp, OverForgetting, RowDrop
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

LEAVERS = np.array([3, 8, 21])


def test_the_no_op_changes_no_byte(trained, train):
    readiness = NaturalReadiness.measure(trained, train)
    outcome = NoOp().forget(trained, train, ForgetRequest.of_accounts(train, LEAVERS), readiness)
    assert outcome.recommender is trained
    assert outcome.readiness is readiness


def test_the_row_drop_changes_rows_and_no_item(trained, train):
    new = RowDrop().forget(trained, train, ForgetRequest.of_accounts(train, LEAVERS)).recommender
    assert new.item_table.tobytes() == trained.item_table.tobytes()
    expected = trained.user_table.copy()
    expected[LEAVERS] = 0
    assert new.user_table.tobytes() == expected.tobytes()


def test_the_row_drop_folds_in_a_user_who_stays(trained, train):
    lost = train.of_users([8]).where(np.array([0, 3]))
    outcome = RowDrop().forget(trained, train, ForgetRequest.of_pairs(lost))
    geometry, users = geometry_of(trained), np.array([8])
    expected = fold_in(trained.item_table, train.of_users([8]).without(lost), users, geometry)
    assert outcome.recommender.user_table[[8]].tobytes() == expected.tobytes()
    assert outcome.touched_users.tolist() == [8]
    assert outcome.touched_items.tolist() == []


def test_over_forgetting_is_natural_ascent_with_a_longer_step(trained, train):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    one = OverForgetting(times=3).forget(trained, train, request).recommender
    two = NaturalAscent(step_size=3).forget(trained, train, request).recommender
    assert one.item_table.tobytes() == two.item_table.tobytes()


def test_over_forgetting_makes_the_forgotten_worse_than_the_natural_step_does(trained, train):
    request, history = ForgetRequest.of_accounts(train, LEAVERS), train.of_users(LEAVERS)
    level = [
        fold_in_statistic(kind.forget(trained, train, request).recommender, history).log_likelihood.mean()
        for kind in (RowDrop(), NaturalAscent(), OverForgetting())
    ]
    assert level[0] > level[1] > level[2]
    assert level[1] - level[2] > 0.5 * (level[0] - level[1])
