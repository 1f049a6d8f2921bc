"""A stream of deletions: who asks for what, and what is gone at each checkpoint."""

import numpy as np

from recsys_unlearn.experiments.preparations import prepared
from recsys_unlearn.experiments.streams import draw_requests, one_by_one, stream
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent


def test_one_request_each_in_an_order_of_its_own(original):
    asked = draw_requests(original, "random", 30, 0.0)
    users = [int(request.accounts[0]) for request in asked]
    assert len(set(users)) == 30 and users != sorted(users)


def test_a_share_of_the_requests_names_items(original):
    asked = draw_requests(original, "random", 60, 0.3)
    partial = [request for request in asked if not len(request.accounts)]
    assert 8 <= len(partial) <= 28
    for request in partial:
        assert len(request.forget_set) == 3  # 30 % of nine
        assert len(request.forget_set.active_users) == 1


def test_checkpoints_hold_all_that_was_asked_for_by_then(original):
    asked, train = draw_requests(original, "random", 12, 0.25), original.splits.train
    found = list(stream(prepared("natural", original), train, asked, 4))
    assert [each.deletions for each in found] == [3, 6, 9, 12]
    for each in found:
        expected = np.concatenate([r.forget_set.pair_codes for r in asked[: each.deletions]])
        assert each.forget_set.pair_codes.tolist() == np.sort(expected).tolist()
        assert not each.recommender.user_table[each.accounts].any()
        assert len(each.seconds) == each.deletions
    staying = np.setdiff1d(train.active_users, found[-1].accounts)
    assert np.any(found[-1].recommender.user_table[staying] != 0, axis=1).all()


def test_one_by_one_is_a_chain_of_deletions_and_leaves_the_start(original):
    start, train = prepared("natural", original), original.splits.train
    asked = draw_requests(original, "random", 4, 0.5)
    recommender, readiness = start.recommender, start.readiness
    table, slope = recommender.user_table.copy(), readiness.sums.gradient.clone()
    expected = []
    for request in asked:
        result = NaturalAscent().forget(recommender, train, request, readiness)
        recommender, readiness = result.recommender, result.readiness
        expected.append(recommender.item_table)
    for (got, seconds), items in zip(one_by_one(start, train, asked), expected, strict=True):
        assert seconds > 0
        np.testing.assert_array_equal(got.recommender.item_table, items)
    assert start.recommender.user_table.tobytes() == table.tobytes()
    assert start.readiness.sums.gradient.equal(slope)
