"""The expected loss and its derivatives in the scores, against autograd in float64."""

import math

import numpy as np
import pytest
import torch
from plain import F64, user_loss

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.recommenders.likelihood import mean_log_likelihood
from recsys_unlearn.recommenders.softmax import Geometry, Positives, geometry_of, terms

HISTORIES = Interactions.from_pairs([0, 0, 0, 2, 2, 3], [1, 4, 5, 0, 5, 2], n_users=5, n_items=6)
USERS = np.array([3, 0, 1, 2])  # in any order; user 1 has no items
NEGATIVES = 17.0


@pytest.fixture
def scores():
    return torch.from_numpy(3 * np.random.default_rng(1).normal(size=(4, 6))).requires_grad_()


def terms_of(scores, negatives=NEGATIVES):
    positives = Positives.of(HISTORIES, USERS)
    now = terms(scores, scores[positives.owner, positives.item], positives.owner, negatives)
    return positives, now


def explicit_loss(scores):
    """Summed over users; the scores of one user are the item table times the vector (1,)."""
    one = torch.ones(1, dtype=F64)
    lines = zip(scores, USERS, strict=True)
    return sum(user_loss(one, line[:, None], HISTORIES.items_of(user), NEGATIVES) for line, user in lines)


def test_positives_keep_the_order_of_the_batch():
    positives = Positives.of(HISTORIES, USERS)
    assert positives.owner.tolist() == [0, 1, 1, 1, 3, 3]
    assert positives.item.tolist() == [2, 1, 4, 5, 0, 5]


def test_positives_of_nobody():
    positives = Positives.of(HISTORIES, np.zeros(0, np.int64))
    assert positives.owner.tolist() == positives.item.tolist() == []


def test_the_loss_is_minus_the_log_likelihood(scores):
    _, now = terms_of(scores)
    assert -now.log_likelihood.sum().item() == pytest.approx(explicit_loss(scores).item(), rel=1e-12)


def test_probabilities_and_partition_are_their_equations(scores):
    positives, now = terms_of(scores.detach())
    for place, (owner, item) in enumerate(zip(positives.owner, positives.item, strict=True)):
        partition = NEGATIVES * scores[owner].exp().mean().item()
        assert now.log_partition[owner].exp().item() == pytest.approx(partition, rel=1e-12)
        score = math.exp(scores[owner, item].item())
        assert now.probability[place].item() == pytest.approx(score / (score + partition), rel=1e-12)
    assert now.excess[1].item() == pytest.approx((1 - now.probability[1:4]).sum().item(), rel=1e-12)
    assert now.excess[2].item() == 0  # no items, nothing to explain


def test_derivative_in_every_score_is_autograds(scores):
    """∂ℓ/∂s_uj = softmax(s_u)_j · excess_u, and p_uj - 1 more where j is a positive."""
    expected = torch.autograd.grad(explicit_loss(scores), scores)[0]
    positives, now = terms_of(scores.detach())
    slope = torch.softmax(scores.detach(), 1) * now.excess[:, None]
    slope[positives.owner, positives.item] += now.probability - 1
    torch.testing.assert_close(slope, expected, rtol=1e-10, atol=1e-12)


def test_sampled_catalogue_gives_the_same_partition_where_the_sample_is_fair(scores):
    """Every item twice is a uniform sample of the catalogue, so that Z_u = N · mean stays."""
    doubled = torch.cat([scores, scores], dim=1).detach()
    positives, once = terms_of(scores.detach())
    positive_scores = scores.detach()[positives.owner, positives.item]
    twice = terms(doubled, positive_scores, positives.owner, NEGATIVES)
    torch.testing.assert_close(twice.log_partition, once.log_partition, rtol=1e-12, atol=0)
    torch.testing.assert_close(twice.excess, once.excess, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [-1, 1])
def test_scores_of_500_neither_overflow_nor_vanish(dtype, sign):
    scores = torch.zeros(1, 4, dtype=dtype)
    scores[0, 1], scores[0, 2] = sign * 500, -sign * 500
    owner = torch.zeros(2, dtype=torch.int64)
    now = terms(scores, scores[0, 1:3], owner, negatives=4.0)
    assert now.log_partition.item() == pytest.approx(500, rel=1e-6)
    high, low = (0, 1) if sign > 0 else (1, 0)
    assert now.log_likelihood[high].item() == pytest.approx(-math.log(2), rel=1e-4)
    assert now.log_likelihood[low].item() == pytest.approx(-1000, rel=1e-6)
    assert now.probability.tolist()[high] == pytest.approx(0.5, rel=1e-4)
    assert all(torch.isfinite(value).all() for value in vars(now).values())


def recommender(**options):
    empty = Factorization(FactorizationOptions(**options))
    return empty.with_tables(np.zeros((2, 4), np.float32), np.zeros((6, 4), np.float32))


def test_geometry_of_a_cosine():
    assert geometry_of(recommender(temperature=0.2, negatives=30)) == Geometry(30.0, True, 5.0, 0.0)


def test_geometry_of_a_dot_product():
    geometry = geometry_of(recommender(similarity="dot", regularization=0.07, negatives=30))
    assert geometry == Geometry(30.0, regularization=0.07)


def test_corrected_samples_count_the_whole_catalogue():
    assert geometry_of(recommender(loss="popularity_softmax", negatives=30)).negatives == 6


def test_bayesian_ranking_is_a_softmax_over_two():
    assert geometry_of(recommender(loss="bpr", negatives=30)).negatives == 1


def test_full_softmax_counts_a_positive_among_its_negatives_too(scores):
    """As documented: p / (1 + p) stands for p, next to nothing in a catalogue of thousands."""
    geometry = geometry_of(recommender(loss="full_softmax"))
    positives, now = terms_of(scores.detach(), geometry.negatives)
    p = torch.softmax(scores.detach(), 1)[positives.owner, positives.item]
    torch.testing.assert_close(now.probability, p / (1 + p))


def test_mean_log_likelihood_is_the_mean_over_a_users_items(trained, train, monkeypatch):
    monkeypatch.setattr("recsys_unlearn.recommenders.likelihood.USERS_PER_BATCH", 2)
    users = np.array([9, 2, 40, 3, 30])
    geometry, items = geometry_of(trained), torch.from_numpy(trained.item_table).double()
    vectors = torch.from_numpy(trained.user_table).double()
    expected = [
        -user_loss(vectors[u], items, train.items_of(u), geometry.negatives).item() / train.user_counts[u]
        for u in users
    ]
    np.testing.assert_allclose(mean_log_likelihood(trained, train, users), expected, rtol=1e-5)
    assert mean_log_likelihood(trained, train, users[:0]).shape == (0,)
