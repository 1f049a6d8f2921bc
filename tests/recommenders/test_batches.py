"""Batches and negatives: taking a user out moves nobody else."""

import numpy as np
import pytest
import torch
from scipy import stats

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.batches import Batches, Negatives

LEAVER = 17


@pytest.fixture(scope="module")
def many() -> Interactions:
    draw = np.random.default_rng(0)
    return Interactions.from_pairs(draw.integers(0, 60, 1500), draw.integers(0, 90, 1500), 60, 90)


def contents(interactions, per_epoch=8, seed=0, epoch=1):
    """Each batch as a list of pairs, in its own order."""
    batches = Batches(interactions, per_epoch, seed).epoch(epoch)
    return [list(zip(users.tolist(), items.tolist(), strict=True)) for users, items in batches]


def test_an_epoch_holds_every_interaction_once(many):
    drawn = [pair for batch in contents(many) for pair in batch]
    assert sorted(drawn) == list(zip(many.users.tolist(), many.items.tolist(), strict=True))


@pytest.mark.parametrize("per_epoch", [1, 3, 4000])
def test_an_epoch_has_as_many_batches_as_asked(many, per_epoch):
    assert len(contents(many, per_epoch)) == per_epoch  # 4000: most of them are empty


def test_without_a_user_every_other_interaction_stays_in_its_batch_and_place(many):
    everybody, rest = contents(many), contents(many.without_users([LEAVER]))
    assert any(user == LEAVER for batch in everybody for user, _ in batch)
    assert rest == [[(u, i) for u, i in batch if u != LEAVER] for batch in everybody]


def test_without_an_item_of_a_user_every_other_interaction_stays_in_its_batch(many):
    gone = many.of_users([LEAVER]).where(np.array([0, 2]))
    gone_pairs = set(zip(gone.users.tolist(), gone.items.tolist(), strict=True))
    expected = [[pair for pair in batch if pair not in gone_pairs] for batch in contents(many)]
    assert contents(many.without(gone)) == expected


@pytest.mark.parametrize("other", [{"epoch": 2}, {"seed": 1}])
def test_epochs_and_seeds_draw_other_batches(many, other):
    places = [
        {pair: number for number, batch in enumerate(drawn) for pair in batch}
        for drawn in (contents(many), contents(many, **other))
    ]
    stayed = np.mean([places[0][pair] == places[1][pair] for pair in places[0]])
    assert stayed == pytest.approx(1 / 8, abs=0.035)  # as independent draws do; four standard errors


def test_batches_are_of_even_size(many):
    sizes = np.sum([[len(b) for b in contents(many, epoch=e)] for e in range(20)], axis=0)
    assert stats.chisquare(sizes).pvalue > 0.01


def test_batches_are_int64(many):
    users, items = next(Batches(many, 2, 0).epoch(1))
    assert users.dtype == items.dtype == torch.int64


def counts(sampling, popularity, draws=400, count=64):
    negatives = Negatives(sampling, count, np.asarray(popularity), seed=0)
    rows = torch.cat([negatives.draw(1, step)[0] for step in range(draws)])
    return np.bincount(rows.numpy(), minlength=len(popularity))


def test_uniform_negatives_are_uniform_whatever_the_popularity():
    assert stats.chisquare(counts("uniform", [1000, 1, 0, 50, 3, 3, 3])).pvalue > 0.01


def test_popular_negatives_follow_the_power_of_their_counts():
    popularity = np.array([1000, 1, 0, 50, 3, 3, 7])
    mass = np.array([1000, 1, 1, 50, 3, 3, 7]) ** 0.75  # nobody's item counts as one
    drawn = counts("popularity", popularity)
    assert stats.chisquare(drawn, drawn.sum() * mass / mass.sum()).pvalue > 0.01


def test_popular_negatives_say_how_often_they_are_expected():
    popularity = np.array([16, 1, 81])
    rows, log_expected = Negatives("popularity", 50, popularity, seed=0).draw(1, 1)
    share = np.array([8, 1, 27]) / 36  # 16^.75, 1, 81^.75
    np.testing.assert_allclose(log_expected, np.log(50 * share[rows]), rtol=1e-6)


def test_everything_is_the_catalogue_in_order():
    rows, log_expected = Negatives("everything", 3, np.zeros(7), seed=0).draw(1, 1)
    assert rows.tolist() == list(range(7))
    assert log_expected is None


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_negatives_are_keyed_by_seed_epoch_and_step(sampling):
    popularity = np.arange(1, 200)

    def draw(seed=0, epoch=1, step=1):
        return Negatives(sampling, 40, popularity, seed).draw(epoch, step)[0].tolist()

    assert draw() == draw()
    assert len({tuple(draw()), tuple(draw(seed=1)), tuple(draw(epoch=2)), tuple(draw(step=2))}) == 4


def test_uniform_negatives_do_not_depend_on_the_interactions(many):
    before, after = (
        Negatives("uniform", 100, data.item_counts, seed=3).draw(4, 5)[0]
        for data in (many, many.without_users([LEAVER]))
    )
    assert torch.equal(before, after)


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_the_largest_and_the_smallest_draw_are_items(sampling, monkeypatch):
    class Extremes:
        def random(self, count):
            return np.array([0.0, np.nextafter(1.0, 0.0)])

    monkeypatch.setattr("recsys_unlearn.recommenders.batches.generator", lambda *_: Extremes())
    rows, _ = Negatives(sampling, 2, np.ones(7), seed=0).draw(1, 1)
    assert rows.tolist() == [0, 6]
