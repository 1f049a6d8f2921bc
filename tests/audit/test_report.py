import json

import numpy as np
import pytest

from recsys_unlearn.audit.cross_fit import cross_fit
from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.membership import Estimate, membership_auc, percentiles
from recsys_unlearn.audit.report import FEWEST_USERS, TOLERANCE, AuditReport, audit
from recsys_unlearn.audit.statistic import FoldInStatistic, fold_in_statistic
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions

KEYS = {
    *("auc", "auc_interval", "recall_gap", "recall_gap_interval", "fold_in_recall"),
    *("adjusted_auc", "adjusted_auc_interval", "tpr_at_1_percent", "forget_quality"),
    *("fold_in_recall_strangers", "users", "strangers", "verdict"),
}


def _side(likelihood, recall=None):
    values = np.asarray(likelihood, np.float64)
    recall = np.zeros(len(values)) if recall is None else np.asarray(recall, np.float64)
    return FoldInStatistic(np.arange(len(values)), recall, values)


def _report(forgotten, strangers):
    return AuditReport(_side(forgotten), _side(strangers))


def _judged(low, high):
    """A report of enough users whose AUC has the given interval."""
    report = _report(np.zeros(FEWEST_USERS), np.zeros(FEWEST_USERS))
    report.__dict__["auc"] = Estimate((low + high) / 2, low, high)
    return report


@pytest.fixture(scope="module")
def draws():
    return np.random.default_rng(0).standard_normal((2, 200))


def test_users_who_are_like_strangers_pass(draws):
    report = _report(*draws)
    assert (report.verdict, report.passed) == ("pass", True)
    assert report.auc.low < 0.5 < report.auc.high


def test_users_who_are_found_more_easily_are_remembered(draws):
    report = _report(draws[0] + 1, draws[1])
    assert (report.verdict, report.passed) == ("remembered", False)


def test_users_who_are_found_less_easily_are_over_forgotten(draws):
    report = _report(draws[0] - 1, draws[1])
    assert (report.verdict, report.passed) == ("over-forgotten", False)


def test_the_figures_have_the_right_sign_and_size(draws):
    """For a shift by s standard deviations the AUC is Φ(s / √2): .760 for s = 1 (Bamber, 1975)."""
    report = _report(draws[0] + 1, draws[1])
    assert report.auc.value == pytest.approx(0.760, abs=0.04)
    assert report.auc.value == membership_auc(draws[0] + 1, draws[1])
    assert (report.percentiles > 0.5).mean() > 0.7


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.5 + TOLERANCE - 1e-9, 0.9, "pass"),
        (0.5 + TOLERANCE, 0.9, "pass"),
        (0.5 + TOLERANCE + 1e-9, 0.9, "remembered"),
        (0.1, 0.5 - TOLERANCE + 1e-9, "pass"),
        (0.1, 0.5 - TOLERANCE, "pass"),
        (0.1, 0.5 - TOLERANCE - 1e-9, "over-forgotten"),
        (0.1, 0.9, "pass"),
    ],
)
def test_the_whole_interval_must_be_outside_the_tolerance(low, high, verdict):
    assert _judged(low, high).verdict == verdict


@pytest.mark.parametrize(
    ("users", "strangers", "verdict"),
    [
        (FEWEST_USERS, FEWEST_USERS, "remembered"),
        (FEWEST_USERS - 1, 200, "too few users"),
        (200, FEWEST_USERS - 1, "too few users"),
        (0, 200, "too few users"),
        (200, 0, "too few users"),
    ],
)
def test_few_users_are_measured_and_not_judged(users, strangers, verdict):
    report = _report(np.ones(users), np.zeros(strangers))
    assert report.verdict == verdict
    assert report.passed == (verdict == "too few users")


def test_the_recall_gap_is_the_difference_of_the_means():
    report = AuditReport(_side(np.zeros(4), [0, 1, 1, 1]), _side(np.zeros(2), [0, 0.5]))
    assert report.recall_gap.value == pytest.approx(0.5)
    assert report.recall_gap.low <= 0.5 <= report.recall_gap.high
    assert report.as_dict()["fold_in_recall"] == 0.75
    assert report.as_dict()["fold_in_recall_strangers"] == 0.25


def test_as_dict_is_json_without_users(draws):
    found = _report(*draws).as_dict()
    assert set(found) == KEYS
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["users"], found["strangers"], found["verdict"]) == (200, 200, "pass")
    low, high = found["auc_interval"]
    assert low <= found["auc"] <= high


@pytest.mark.parametrize(("users", "strangers"), [(0, 5), (5, 0)])
def test_what_could_not_be_measured_is_none_and_not_nan(users, strangers):
    found = _report(np.ones(users), np.ones(strangers)).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["auc"], found["auc_interval"], found["recall_gap"]) == (None, [None, None], None)


@pytest.mark.parametrize(("users", "known"), [(FEWEST_USERS - 1, False), (FEWEST_USERS, True)])
def test_an_interval_is_told_only_where_there_are_enough_users_to_judge(draws, users, known):
    found = _report(draws[0][:users], draws[1]).as_dict()
    for name in ("auc", "adjusted_auc", "recall_gap"):
        assert found[name] is not None
        assert [end is not None for end in found[f"{name}_interval"]] == [known, known]


def test_the_interval_is_the_seed_s(draws):
    sides = _side(draws[0]), _side(draws[1])
    first, again, other = (AuditReport(*sides, seed).auc for seed in (0, 0, 1))
    assert first == again
    assert first.value == other.value and first.low != other.low


def test_audit_measures_both_sides_with_one_statistic(trained, train, strangers):
    report = audit(trained, train.of_users(range(10)), strangers, seed=3)
    for side, histories in ((report.forgotten, train.of_users(range(10))), (report.strangers, strangers)):
        expected = fold_in_statistic(trained, histories, 3)
        assert side.users.tolist() == histories.active_users.tolist()
        assert side.log_likelihood.tolist() == expected.log_likelihood.tolist()
        assert side.recall.tolist() == expected.recall.tolist()
    assert report.seed == 3


def test_a_model_that_learnt_its_users_by_heart_remembers_them(train, strangers):
    """Sixty users over forty items that mean nothing: what is predicted of a history was memorised."""
    draw = np.random.default_rng(2)
    users = np.repeat(np.arange(72), 10)
    items = np.concatenate([draw.choice(40, 10, replace=False) for _ in range(72)])
    everything = type(train).from_pairs(users, items, 72, 40)
    members, others = everything.of_users(range(36)), everything.of_users(range(36, 72))
    options = FactorizationOptions(dim=32, epochs=150, batch_size=64, negatives=40, learning_rate=0.05)
    model = Factorization(options).fit(members)
    report = audit(model, members, others)
    assert report.verdict == "remembered"
    assert audit(model, others, members).verdict == "over-forgotten"


# --- with difficulty taken out -------------------------------------------------------------------


def _adjusted(draws, shift):
    """Strangers and forgotten whose plain scores hide what the adjusted ones show."""
    plain = _side(10 * draws[0]), _side(10 * draws[1])
    return AuditReport(*plain, adjusted=(draws[1] + shift, draws[0]))


@pytest.mark.parametrize(("shift", "verdict"), [(1, "remembered"), (-1, "over-forgotten"), (0, "pass")])
def test_the_verdict_is_about_the_sharper_scores(draws, shift, verdict):
    report = _adjusted(draws, shift)
    assert report.verdict == verdict
    assert report.auc.low < 0.5 < report.auc.high
    assert report.adjusted_auc.value == membership_auc(draws[1] + shift, draws[0])
    assert report.percentiles.tolist() == percentiles(draws[1] + shift, draws[0]).tolist()
    assert report.as_dict()["adjusted_auc"] == report.adjusted_auc.value


def test_without_difficulty_both_figures_are_one(draws):
    report = _report(*draws)
    assert report.adjusted is None
    assert report.adjusted_auc == report.auc


def test_the_p_value_falls_with_what_is_remembered(draws):
    values = [_adjusted(draws, shift).as_dict()["forget_quality"] for shift in (0, 1)]
    assert values[1] < 1e-6 < values[0]


@pytest.mark.parametrize("cross_fitted", [True, False])
def test_audit_takes_difficulty_out_of_the_statistic_that_it_was_measured_for(
    trained, tastes, train, cross_fitted
):
    members, others = tastes.of_users(range(12)), tastes.of_users(range(12, 72))
    difficulty = Difficulty.of(tastes, train, 3, cross_fitted)
    report = audit(trained, members, others, 3, difficulty)
    measure = cross_fit if cross_fitted else fold_in_statistic
    sides = [
        (each.users, each.log_likelihood) for each in (measure(trained, m, 3) for m in (members, others))
    ]
    expected = difficulty.take_out(*sides)
    assert [side.tolist() for side in report.scores] == [side.tolist() for side in expected]
    assert report.auc == audit(trained, members, others, 3).auc


def test_a_trace_is_seen_that_the_plain_audit_misses(tastes):
    """Sixty users of four tastes: half were trained on. Difficulty is most of the spread."""
    members, others = tastes.of_users(range(0, 60, 2)), tastes.of_users(range(1, 61, 2))
    options = FactorizationOptions(dim=16, epochs=40, batch_size=64, negatives=40, learning_rate=0.03)
    model = Factorization(options).fit(members)
    plain = audit(model, members, others)
    sharp = audit(model, members, others, difficulty=Difficulty.of(tastes.of_users(range(60)), members))
    assert sharp.adjusted_auc.value > plain.auc.value
