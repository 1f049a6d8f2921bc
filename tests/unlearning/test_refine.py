"""RUM: how users are ranked, in which order the strata go, and who teaches meanwhile."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.unlearning.contract import ForgetRequest, Unlearner
from recsys_unlearn.unlearning.controls import RowDrop
from recsys_unlearn.unlearning.fine_tune import FineTune
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.refine import Refine
from recsys_unlearn.unlearning.strata import closeness, entanglement, memorisation, thirds

LEAVERS = np.array([2, 3, 8, 21, 33, 34])


class Spy(Unlearner):
    """Drops rows, and writes down what it was given."""

    name = "row_drop"
    guarantee = "control"
    leaves_behind = "the items"

    def __init__(self, log):
        object.__setattr__(self, "log", log)

    def _forget(self, recommender, interactions, request, readiness):
        self.log.append((recommender, interactions, request))
        return RowDrop().forget(recommender, interactions, request)


@dataclass(frozen=True)
class Elsewhere(Unlearner):
    """Moves every row, as training does, and zeroes whom it was given nothing of."""

    inner: Unlearner = field(default_factory=RowDrop)
    name = "row_drop"
    guarantee = "control"
    leaves_behind = "nothing in particular"

    def _forget(self, recommender, interactions, request, readiness):
        done = self.inner.forget(recommender, interactions, request)
        table = done.recommender.user_table * 2
        table[interactions.user_counts == 0] = 0
        model = done.recommender.with_tables(table, done.recommender.item_table)
        return type(done)(model, None, done.touched_items, np.arange(len(table)))


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


@pytest.fixture
def spied(trained, train):
    """Calls of the three methods, and the result."""

    def run(request, **options):
        log = []
        result = Refine(Spy(log), Spy(log), Spy(log), **options).forget(trained, train, request)
        return log, result

    return run


# --- the ranking ---------------------------------------------------------------------------------


def test_entanglement_is_spread_within_over_distance_between():
    """Two pairs of points one apart, their means ten apart: (¼ + ¼) / ½ (25 + 25)."""
    one, two = np.array([[0.0, 0.5], [0.0, -0.5]]), np.array([[10.0, 0.5], [10.0, -0.5]])
    assert entanglement(one, two) == pytest.approx(0.5 / 25)
    assert entanglement(one, two * [0.1, 1]) == pytest.approx(0.5 / 0.25)  # nearer: more entangled


def test_unequal_sets_have_their_common_mean():
    one, two = np.zeros((3, 1)), np.array([[4.0]])
    assert entanglement(one + np.array([[-1.0], [0], [1]]), two) == pytest.approx((2 / 3) / ((1 + 9) / 2))


def test_who_is_near_the_mean_of_the_others_is_close(trained):
    table = np.zeros_like(trained.user_table)
    table[:4, 0] = [1, 3, 2, 9]
    model = trained.with_tables(table, trained.item_table)
    np.testing.assert_allclose(closeness(model, np.array([2, 3])), [0, -49], atol=1e-6)


def test_thirds_are_in_order_and_the_harder_ones_have_the_odd_user():
    users = np.array([4, 5, 6, 7, 9])
    parts = thirds(users, np.array([0.1, 0.9, 0.5, 0.5, 0.2]))
    assert [part.tolist() for part in parts] == [[4], [6, 9], [5, 7]]
    assert [part.tolist() for part in thirds(np.array([4]), np.zeros(1))] == [[], [], [4]]


def test_members_are_memorised_and_strangers_are_not(trained, train, tastes):
    """A stranger given a row by fold-in does no better as a member than as a stranger, by much."""
    members = memorisation(trained, train, np.arange(60))
    new = tastes.of_users(range(60, 72))
    model = trained.with_tables(
        np.where(trained.user_table.any(1, keepdims=True), trained.user_table, 0)
        + trained.folded_in(new).recommender.user_table,
        trained.item_table,
    )
    strangers = memorisation(model, tastes, np.arange(60, 72))
    assert members.mean() > 0
    assert members.shape == (60,)
    assert members.mean() > strangers.mean() - 0.5
    one = memorisation(trained, train, np.array([7, 30]))
    assert one.shape == (2,)


def test_memorisation_as_a_member_is_the_likelihood_under_the_own_row(trained, train):
    """A vector that fits less lowers the score by as much as it lowers the likelihood."""
    users = np.array([7, 30])
    table = trained.user_table.copy()
    table[users] = table[users][:, ::-1]
    other = trained.with_tables(table, trained.item_table)
    levels = [mean_log_likelihood(each, train, users) for each in (trained, other)]
    scores = [memorisation(each, train, users) for each in (trained, other)]
    assert (levels[0] > levels[1]).all()
    assert (scores[0] > scores[1]).all()


# --- the order -----------------------------------------------------------------------------------


def test_strata_go_from_low_to_high(trained, train, spied, request_):
    log, _ = spied(request_)
    score = memorisation(trained, train, LEAVERS)
    expected = [np.sort(LEAVERS[part]).tolist() for part in np.split(np.argsort(score), 3)]
    assert [request.accounts.tolist() for _, _, request in log] == expected


def test_by_entanglement_the_least_entangled_go_first(trained, spied, request_):
    log, _ = spied(request_, by="entanglement")
    score = closeness(trained, LEAVERS)
    expected = [np.sort(LEAVERS[part]).tolist() for part in np.split(np.argsort(score), 3)]
    assert [request.accounts.tolist() for _, _, request in log] == expected


def test_the_control_has_strata_of_the_same_sizes_that_mean_nothing(spied, request_):
    log, result = spied(request_, by="chance")
    assert sorted(user for _, _, request in log for user in request.accounts) == LEAVERS.tolist()
    assert [len(request.accounts) for _, _, request in log] == [2, 2, 2]
    assert not result.recommender.user_table[LEAVERS].any()


def test_each_method_goes_on_from_the_last(spied, request_):
    log, result = spied(request_)
    for (before, _, request), (after, _, _) in pairwise(log):
        gone = np.flatnonzero(before.user_table.any(1) & ~after.user_table.any(1))
        assert gone.tolist() == request.accounts.tolist()
    assert not result.recommender.user_table[LEAVERS].any()


# --- who teaches ---------------------------------------------------------------------------------


def test_from_the_first_stratum_on_nobody_of_the_forget_set_teaches(train, spied, request_):
    log, _ = spied(request_)
    for _, data, request in log:
        assert np.array_equal(
            data.without(request.forget_set).pair_codes, train.without_users(LEAVERS).pair_codes
        )


def test_who_loses_items_and_stays_sits_out_until_their_turn(train, spied):
    """Their row still knows the items that go; afterwards they teach with those that stay."""
    mine = train.of_users(LEAVERS)
    lost = mine.where(np.arange(len(mine)) % 3 == 0)
    log, _ = spied(ForgetRequest.of_pairs(lost))
    turns = [request.partial_users for _, _, request in log]
    for turn, (_, data, request) in enumerate(log):
        teaching = data.without(request.forget_set)
        assert not np.isin(np.concatenate([[], *turns[turn + 1 :]]), teaching.users).any()
        assert np.isin(np.concatenate(turns[: turn + 1]), teaching.users).all()
        assert not teaching.holds(lost).any()


def test_rows_of_later_strata_wait_unchanged(trained, train, request_):
    log = []
    Refine(Elsewhere(), Elsewhere(), Spy(log)).forget(trained, train, request_)
    ((before, _, request),) = log
    assert before.user_table[request.accounts].tobytes() == trained.user_table[request.accounts].tobytes()
    stayers = np.setdiff1d(np.arange(60), LEAVERS)
    np.testing.assert_allclose(before.user_table[stayers], 4 * trained.user_table[stayers])


def test_the_same_method_for_all_strata_of_one_user_is_that_method(trained, train):
    """A single user is in the hardest stratum."""
    request = ForgetRequest.of_accounts(train, np.array([8]))
    one = Refine(RowDrop(), FineTune(), NaturalAscent()).forget(trained, train, request).recommender
    two = NaturalAscent().forget(trained, train, request).recommender
    assert one.item_table.tobytes() == two.item_table.tobytes()


def test_the_papers_recipe_is_the_default():
    method = Refine()
    assert [each.name for each in (method.low, method.medium, method.high)] == [
        "row_drop",
        "fine_tune",
        "saliency",
    ]
