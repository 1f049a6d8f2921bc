"""NegGrad+ and random labels: the objective, and what of the forgotten it looks at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.neg_grad import NegGrad
from recsys_unlearn.unlearning.random_label import RandomLabel, relabelled
from recsys_unlearn.unlearning.training import Pairs, Student

LEAVERS = np.array([3, 8, 21])
SAMPLE = torch.arange(40)


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


@pytest.fixture
def slopes(trained):
    """Gradients of the item table: of a method's objective, of the retained loss, of the forgotten's."""

    def run(method):
        def slope(objective):
            student = Student(trained, 0.01)
            table = torch.from_numpy(trained.user_table)
            retain = student.pairs(torch.tensor([5, 6]), torch.tensor([1, 9]))
            forget = Pairs(table[[3, 8, 21]], torch.tensor([0, 1, 2]))
            objective(student, forget, retain).backward()
            return student.item.grad

        return (
            slope(lambda student, forget, retain: method._objective(student, forget, retain, SAMPLE)),
            slope(lambda student, forget, retain: student.loss(retain, SAMPLE)),
            slope(lambda student, forget, retain: student.loss(forget, SAMPLE)),
        )

    return run


def without_trace_of(recommender, rows):
    """The recommender with other vectors for some users."""
    table = recommender.user_table.copy()
    table[rows] = table[rows][:, ::-1]
    return recommender.with_tables(table, recommender.item_table)


@pytest.mark.parametrize("beta", [0.3, 0.8])
def test_neg_grad_descends_one_side_and_ascends_the_other(slopes, beta):
    got, retained, forgotten = slopes(NegGrad(beta=beta))
    torch.testing.assert_close(got, beta * retained - (1 - beta) * forgotten, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_random_labels_descend_both_sides(slopes, weight):
    got, retained, relabelled_ = slopes(RandomLabel(weight=weight))
    torch.testing.assert_close(got, retained + weight * relabelled_, atol=1e-6, rtol=1e-4)


def test_neg_grad_makes_the_forgotten_less_likely_and_more_passes_more_so(trained, train, request_):
    levels = []
    for passes in (0, 5, 10):
        method = NegGrad(passes=passes, learning_rate=5e-3)
        items = method.forget(trained, train, request_).recommender.item_table
        levels.append(
            mean_log_likelihood(trained.with_tables(trained.user_table, items), train, LEAVERS).mean()
        )
    assert levels[0] > levels[1] > levels[2]


def test_with_beta_one_the_forgotten_are_not_looked_at(trained, train, request_):
    tables = [
        NegGrad(beta=beta, passes=3).forget(start, train, request_).recommender.item_table
        for beta in (1.0, 0.5)
        for start in (trained, without_trace_of(trained, LEAVERS))
    ]
    assert tables[0].tobytes() == tables[1].tobytes()
    assert tables[2].tobytes() != tables[3].tobytes()


def test_a_pass_takes_as_many_steps_as_the_forget_set_has_batches(trained, train, request_):
    """Thirty pairs: one batch of 2048, two of 15 to 29."""
    taken = []

    class Counting(NegGrad):
        def _objective(self, *arguments):
            taken.append(1)
            return super()._objective(*arguments)

    for batch_size in (2048, 15):
        replace(Counting(passes=3), batch_size=batch_size).forget(trained, train, request_)
    assert len(taken) == 3 * 1 + 3 * 2


# --- relabelling ---------------------------------------------------------------------------------


def test_new_items_are_ones_the_user_never_had(train, request_):
    new = relabelled(train, request_.forget_set, seed=1)
    assert not train.holds(new).any()
    assert new.active_users.tolist() == LEAVERS.tolist()
    assert (new.user_counts[LEAVERS] <= train.user_counts[LEAVERS]).all()
    assert len(new) > 0.6 * len(request_.forget_set)  # where two pairs draw one item it counts once


def test_every_other_item_is_drawn_alike():
    """Ten thousand users with item 0 of four: each of the other three gets a third."""
    data = Interactions.from_pairs(np.arange(10_000), np.zeros(10_000), 10_000, 4)
    counts = relabelled(data, data, seed=0).item_counts
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 10_000 / 3, rtol=0.05)


def test_a_draw_depends_on_nobody_else(train, request_):
    alone = relabelled(train, train.of_users([8]), seed=1)
    among = relabelled(train, request_.forget_set, seed=1).of_users([8])
    assert np.array_equal(alone.items, among.items)
    assert not np.array_equal(alone.items, relabelled(train, train.of_users([8]), seed=2).items)


def test_who_has_the_whole_catalogue_is_left_out():
    data = Interactions.from_pairs([0, 0, 1], [0, 1, 0], 2, 2)
    assert relabelled(data, data, seed=0).users.tolist() == [1]


def test_with_nothing_to_relabel_with_the_rows_are_dropped_all_the_same(trained, train):
    everything = Interactions.from_pairs([3] * 40, range(40), train.n_users, 40)
    data = train.union(everything)
    outcome = RandomLabel(passes=2).forget(trained, data, ForgetRequest.of_accounts(data, np.array([3])))
    assert not outcome.recommender.user_table[3].any()
    assert outcome.recommender.item_table.tobytes() == trained.item_table.tobytes()


def test_it_makes_the_new_items_likelier_for_the_old_vectors(trained, train, request_):
    new = relabelled(train, request_.forget_set, trained.options.seed)
    method = RandomLabel(passes=20, learning_rate=5e-3)
    items = method.forget(trained, train, request_).recommender.item_table
    after = trained.with_tables(trained.user_table, items)
    before, now = (mean_log_likelihood(model, new, LEAVERS).mean() for model in (trained, after))
    assert now > before
