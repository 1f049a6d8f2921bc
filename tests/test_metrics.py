"""Metrics against hand-computed cases and against a slow, obvious reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn import metrics
from recsys_unlearn.errors import InvalidValue, NothingLeft, StoreError, UsageError
from recsys_unlearn.interactions.contract import Interactions


class FixedScores:
    """Scores written down; hands out its own array, as a careless recommender may."""

    def __init__(self, scores):
        self.table = np.asarray(scores, np.float32)

    def scores(self, users):
        return self.table if np.array_equal(users, np.arange(len(self.table))) else self.table[users]


def pairs(lists, n_items):
    users = [user for user, items in enumerate(lists) for _ in items]
    return Interactions.from_pairs(users, [i for items in lists for i in items], len(lists), n_items)


# --- the slow, obvious reference -----------------------------------------------------------------


def reference_ranking(scores, excluded, k):
    allowed = [i for i in range(len(scores)) if i not in excluded and scores[i] > -math.inf]
    return sorted(allowed, key=lambda i: (-scores[i], i))[:k]


def reference_metrics(ranking, wanted, k):
    ranks = [place + 1 for place, item in enumerate(ranking) if item in wanted]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
    return {
        f"recall@{k}": len(ranks) / len(wanted),
        f"ndcg@{k}": sum(1 / math.log2(rank + 1) for rank in ranks) / ideal,
        f"mrr@{k}": 1 / ranks[0] if ranks else 0.0,
        f"hit_rate@{k}": 1.0 if ranks else 0.0,
    }


@st.composite
def worlds(draw):
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    items = st.sets(st.integers(0, n_items - 1))
    # Few distinct values, so that ties inside the list and across its end are the rule.
    score = st.sampled_from([-2.0, 0.0, -0.0, 0.5, 1.0, -math.inf])
    lists = [draw(st.lists(items, min_size=n_users, max_size=n_users)) for _ in range(2)]
    scores = draw(
        st.lists(st.lists(score, min_size=n_items, max_size=n_items), min_size=n_users, max_size=n_users)
    )
    return scores, *lists, draw(st.integers(1, 11))


@settings(max_examples=300, deadline=None)
@given(worlds(), st.integers(1, 40))
def test_evaluate_equals_the_reference(world, scores_per_batch):
    scores, wanted, seen, k = world
    n_items = len(scores[0])
    test, exclude = pairs(wanted, n_items), pairs(seen, n_items)
    rankings = {u: reference_ranking(scores[u], seen[u], k) for u in range(len(wanted)) if wanted[u]}
    if not rankings:
        with pytest.raises(NothingLeft):
            metrics.evaluate(FixedScores(scores), test, exclude, k)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "SCORES_PER_BATCH", scores_per_batch)
        result = metrics.evaluate(FixedScores(scores), test, exclude, k)
    assert result.users.tolist() == list(rankings)
    for place, (user, ranking) in enumerate(rankings.items()):
        got = {name: values[place] for name, values in result.per_user.items()}
        assert got == pytest.approx(reference_metrics(ranking, wanted[user], k), abs=1e-12)
    assert result.coverage == len(set().union(*rankings.values())) / n_items


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_top_k_equals_the_reference_and_leaves_the_scores_alone(world):
    scores, _, seen, k = world
    recommender = FixedScores(scores)
    before = recommender.table.copy()
    ranked = metrics.top_k(recommender, np.arange(len(scores)), k, pairs(seen, len(scores[0])))
    for line, row, excluded in zip(ranked, scores, seen, strict=True):
        expected = reference_ranking(row, excluded, k)
        assert line.tolist() == expected + [-1] * (k - len(expected))
    assert recommender.table.tobytes() == before.tobytes()


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1), st.integers(0, 4))
def test_every_metric_is_between_0_and_1(rows, more):
    hits = np.array(rows)
    sizes = np.maximum(hits.sum(1) + more, 1)
    for values in metrics._per_user(hits, sizes).values():
        assert values.dtype == np.float64
        assert (values >= 0).all() and (values <= 1).all()


# --- by hand -------------------------------------------------------------------------------------


def test_recall_divides_by_all_test_items():
    hits = np.array([[True, False], [True, True], [False, False]])
    assert metrics.recall(hits, np.array([1, 8, 3])).tolist() == [1.0, 0.25, 0.0]


def test_ndcg_by_hand():
    hits = np.array([[False, True, True], [True, True, True], [False, False, True]])
    # User 0 has 2 test items, at ranks 2 and 3: (.6309 + .5) / (1 + .6309). User 1 has 7, of which 3 fit.
    expected = [(1 / math.log2(3) + 0.5) / (1 + 1 / math.log2(3)), 1.0, 0.5]
    assert metrics.ndcg(hits, np.array([2, 7, 1])) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("size", [1, 2, 3, 19, 20, 21, 500])
def test_ndcg_of_a_perfect_list_is_exactly_one(size):
    hits = (np.arange(20) < size)[None]
    assert metrics.ndcg(hits, np.array([size]))[0] == 1.0


def test_reciprocal_rank_and_hit_rate_look_at_the_first_hit():
    hits = np.array(
        [[False, True, True, False], [True, False, False, True], [False] * 4, [False] * 3 + [True]]
    )
    assert metrics.reciprocal_rank(hits).tolist() == [0.5, 1.0, 0.0, 0.25]
    assert metrics.hit_rate(hits).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_coverage_counts_an_item_once_and_ignores_empty_slots():
    assert metrics.coverage(np.array([[0, 3], [3, -1]]), 8) == 0.25


def test_an_empty_slot_is_not_the_item_before():
    # User 1's code for "-1" is user 0's code for the last item, which is a test item.
    test = pairs([[4], [0]], 5)
    assert metrics.find_hits(np.array([[-1], [-1]]), np.array([1, 1]), test).tolist() == [[False], [False]]


def test_no_test_items_means_no_hits():
    empty = Interactions.from_pairs([], [], 2, 5)
    assert not metrics.find_hits(np.array([[0, 1]]), np.array([1]), empty).any()


def test_a_small_world_from_end_to_end():
    scores = [[9, 8, 7, 6, 5], [1, 2, 3, 4, 5], [0, 0, 0, 0, 0]]
    train = pairs([[0], [4, 3], []], 5)
    test = pairs([[1, 4], [0], []], 5)
    result = metrics.evaluate(FixedScores(scores), test, train, k=2)
    # User 0 sees 1, 2: one of two test items, first. User 1 sees 2, 1: nothing. User 2 has no test item.
    assert result.users.tolist() == [0, 1]
    assert result.per_user["recall@2"].tolist() == [0.5, 0.0]
    assert result.per_user["mrr@2"].tolist() == [1.0, 0.0]
    assert result.mean() == pytest.approx(
        {
            "recall@2": 0.25,
            "ndcg@2": 0.5 / (1 + 1 / math.log2(3)),
            "mrr@2": 0.5,
            "hit_rate@2": 0.5,
            "coverage@2": 0.4,
        }
    )


def test_without_exclusion_training_items_are_ranked_too():
    result = metrics.evaluate(FixedScores([[3, 2, 1]]), pairs([[0]], 3), k=1)
    assert result.mean()["recall@1"] == 1.0


def test_the_default_cut_off_is_20():
    result = metrics.evaluate(FixedScores(np.arange(30.0)[None]), pairs([[29, 9]], 30))
    assert set(result.mean()) == {"recall@20", "ndcg@20", "mrr@20", "hit_rate@20", "coverage@20"}
    assert result.mean()["recall@20"] == 0.5


def test_named_users_only():
    scores, test = np.tile([3.0, 2, 1], (4, 1)), pairs([[0], [1], [], [2]], 3)
    result = metrics.evaluate(FixedScores(scores), test, k=1, users=np.array([3, 2, 0]))
    assert result.users.tolist() == [0, 3]
    assert result.per_user["recall@1"].tolist() == [1.0, 0.0]


def test_users_whose_scores_all_tie_get_the_lowest_rows():
    ranked = metrics.top_k(FixedScores(np.zeros((2, 6))), np.array([1, 0]), 3, pairs([[], [0, 2]], 6))
    assert ranked.tolist() == [[1, 3, 4], [0, 1, 2]]


def test_no_users_give_an_empty_ranking():
    assert metrics.top_k(FixedScores(np.zeros((2, 6))), np.array([], np.int64), 3).shape == (0, 3)


def test_progress_reaches_the_end(monkeypatch):
    monkeypatch.setattr(metrics, "SCORES_PER_BATCH", 6)
    seen = []
    metrics.top_k(FixedScores(np.zeros((5, 3))), np.arange(5), 1, progress=lambda *step: seen.append(step))
    assert seen == [("ranking", 2, 5), ("ranking", 4, 5), ("ranking", 5, 5)]


def test_memory_is_bounded_by_the_batch(monkeypatch):
    monkeypatch.setattr(metrics, "SCORES_PER_BATCH", 12)
    asked = []

    class Watched(FixedScores):
        def scores(self, users):
            asked.append(len(users))
            return super().scores(users)

    metrics.top_k(Watched(np.zeros((10, 4))), np.arange(10), 2)
    assert max(asked) == 3


# --- intervals -----------------------------------------------------------------------------------


@pytest.fixture
def evaluation():
    values = np.random.default_rng(5).normal(0.3, 0.1, 400)
    return metrics.Evaluation(20, np.arange(400), {"recall@20": values}, 0.5)


def test_interval_is_that_of_a_mean(evaluation):
    values = evaluation.per_user["recall@20"]
    low, high = evaluation.interval("recall@20", np.random.default_rng(1))
    half = 1.96 * values.std() / math.sqrt(len(values))  # the normal approximation, good at n = 400
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_interval_is_the_generators(evaluation):
    draws = [evaluation.interval("recall@20", np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_a_lower_level_is_a_narrower_interval(evaluation):
    wide = evaluation.interval("recall@20", np.random.default_rng(1))
    narrow = evaluation.interval("recall@20", np.random.default_rng(1), level=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_interval_of_an_unknown_metric_names_the_known(evaluation):
    with pytest.raises(UsageError, match=r"no per-user metric 'coverage@20'; there are recall@20"):
        evaluation.interval("coverage@20", np.random.default_rng(1))


# --- errors --------------------------------------------------------------------------------------


def test_no_test_items_is_an_error():
    with pytest.raises(NothingLeft, match="use a test split, or other users"):
        metrics.evaluate(FixedScores(np.zeros((2, 3))), pairs([[], [1]], 3), users=np.array([0]))


def test_another_catalogue_is_an_error():
    with pytest.raises(StoreError, match=r"scores 3 items and the test data has 4.*train a version"):
        metrics.evaluate(FixedScores(np.zeros((1, 3))), pairs([[1]], 4))
    with pytest.raises(StoreError, match="scores 3 items and the training data has 4"):
        metrics.evaluate(FixedScores(np.zeros((1, 3))), pairs([[1]], 3), pairs([[1]], 4))


def test_nan_is_an_error_even_in_a_full_ranking():
    for k in (1, 3):
        with pytest.raises(InvalidValue, match=r"score is NaN.*train again"):
            metrics.top_k(FixedScores([[0.0, math.nan, 1.0]]), np.array([0]), k)


def test_k_below_1_is_an_error():
    with pytest.raises(UsageError, match="k is 0; a ranking needs k of at least 1"):
        metrics.top_k(FixedScores([[0.0]]), np.array([0]), 0)
