import json
from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.audit.difficulty import Difficulty
from recsys_unlearn.audit.membership import two_sided
from recsys_unlearn.audit.report import audit
from recsys_unlearn.audit.version_difference import recover
from recsys_unlearn.interactions.contract import Interactions, Splits
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.tracking import names
from recsys_unlearn.workflows import evidence
from recsys_unlearn.workflows.deletion_plan import DeletionPlan
from recsys_unlearn.workflows.evidence import gather

OPTIONS = FactorizationOptions(dim=4, epochs=3, batch_size=64, negatives=16)
MEMBERS, STRANGERS = np.arange(50), np.arange(50, 80)
UTILITY = {"recall@20", "ndcg@20"}


@pytest.fixture(scope="module")
def splits():
    """Eighty users with nine items each out of fifty: six for training, one to validate, two to test."""
    draw = np.random.default_rng(4)
    items = np.stack([draw.permutation(50)[:9] for _ in range(80)])

    def part(users, columns):
        chosen = items[users][:, columns]
        return Interactions.from_pairs(np.repeat(users, chosen.shape[1]), chosen.ravel(), 80, 50)

    held_out = part(STRANGERS, slice(6, 9))
    six, one, two = slice(6), slice(6, 7), slice(7, 9)
    return Splits(part(MEMBERS, six), part(MEMBERS, one), part(MEMBERS, two), part(STRANGERS, six), held_out)


@pytest.fixture(scope="module")
def models(splits):
    """Two versions that differ."""
    return [Factorization(OPTIONS).fit(part) for part in (splits.train, splits.train.without_users([0, 1]))]


def _plan(splits, accounts, pairs=None):
    accounts = np.array(accounts, np.int64)
    pairs = splits.everything().of_users(accounts) if pairs is None else pairs
    train = pairs.where(np.isin(pairs.pair_codes, splits.train.pair_codes))
    return DeletionPlan(accounts, pairs, train, "0" * 32)


@pytest.fixture(scope="module")
def gathered(splits, models):
    """Of the deletion of two accounts."""
    return gather(*models, splits, _plan(splits, [0, 1]))


@pytest.fixture(scope="module")
def unmeasured(splits, models):
    """Of a deletion after which nobody is left to measure."""
    nothing = splits.test.without_users(MEMBERS)
    return gather(*models, Splits(splits.train, nothing, nothing, nothing, nothing), _plan(splits, [0]))


class Album:
    """Stands in for a run: keeps the names of the pictures."""

    def __init__(self):
        self.names = []

    def figure(self, figure, name):
        assert figure.get_axes()
        self.names.append(name)


def test_both_versions_are_measured_on_the_same_users_who_stay(gathered):
    before, after = gathered.evaluations
    assert before.users.tolist() == after.users.tolist() == list(range(2, 50))


def test_both_versions_are_audited_on_the_same_users(gathered):
    before, after = gathered.audits
    assert before.forgotten.users.tolist() == after.forgotten.users.tolist() == [0, 1]
    assert before.strangers.users.tolist() == after.strangers.users.tolist() == STRANGERS.tolist()
    assert before.seed == after.seed


def test_the_first_of_each_pair_is_the_old_version(gathered, models, splits):
    excluded = splits.train.union(splits.validation)
    for evaluation, model in zip(gathered.evaluations, models, strict=True):
        independent = evaluate(model, splits.test.without_users([0, 1]), exclude=excluded, k=20)
        assert evaluation.mean() == independent.mean()
    forgotten = splits.train.of_users([0, 1])
    for report, model in zip(gathered.audits, models, strict=True):
        both = forgotten.union(splits.strangers)
        difficulty = Difficulty.of(both, splits.train, cross_fitted=False)
        independent = audit(model, forgotten, splits.strangers, difficulty=difficulty)
        assert report.as_dict() == independent.as_dict()
    assert gathered.verdict is gathered.audits[1]


def test_utility_is_two_figures_before_and_after(gathered):
    utility = gathered.utility()
    assert list(utility) == ["before", "after"]
    for means, evaluation in zip(utility.values(), gathered.evaluations, strict=True):
        assert means == {name: evaluation.mean()[name] for name in UTILITY}
    assert utility["before"] != utility["after"]


@pytest.mark.parametrize("users", [[], [50], [50, 51]])
def test_strangers_of_whom_little_can_be_measured_stop_no_deletion(users, splits, models):
    """All of the others have a single item: nothing to hide, and no score."""
    first = splits.strangers.where(np.unique(splits.strangers.users, return_index=True)[1])
    strangers = splits.strangers.of_users(users).union(first.without_users(users))
    album = Album()
    found = gather(*models, replace(splits, strangers=strangers), _plan(splits, [0, 1]))
    found.draw(album)
    assert found.verdict.verdict == "too few users"
    assert ("scores.png" in album.names) == bool(users)
    json.dumps(found.as_dict())


def test_the_names_of_the_metrics_are_those_that_every_run_shares(gathered):
    metrics = gathered.metrics({})
    assert names.check(metrics) == metrics
    own = {"before/auc", "before/recall_gap", "before/adjusted_auc", "audit/adjusted_auc"}
    own |= {"audit/near_duplicates", "audit/recovered"}
    assert set(metrics) - own <= set(names.COMMON)
    assert set(names.COMMON) - set(metrics) == {*names.DELETED, "seconds/total"}


def test_metrics_say_before_and_after(gathered):
    metrics, utility = gathered.metrics({}), gathered.utility()
    before, after = gathered.audits
    assert {name: metrics[name] for name in UTILITY} == utility["after"]
    assert {name: metrics[f"before/{name}"] for name in UTILITY} == utility["before"]
    assert (metrics["before/auc"], metrics["audit/auc"]) == (before.auc.value, after.auc.value)
    assert metrics["audit/recall_gap"] == after.recall_gap.value


def test_as_dict_is_the_audit_of_the_new_version_and_json(gathered):
    before, after = gathered.audits
    found = gathered.as_dict()
    assert json.loads(json.dumps(found)) == found
    more = {"auc_before", "adjusted_auc_before", "percentiles", "two_sided"}
    assert set(found) == {*after.as_dict(), *more, "near_duplicates", "version_difference"}
    assert (found["auc"], found["auc_before"]) == (after.auc.value, before.auc.value)
    assert found["percentiles"] == after.percentiles.tolist()
    assert found["two_sided"] == two_sided(after.percentiles).tolist()


def test_each_one_s_place_is_told_only_where_there_are_too_few_to_judge(splits, models):
    found = gather(*models, splits, _plan(splits, range(20)))
    assert found.as_dict()["percentiles"] == found.as_dict()["two_sided"] == []
    assert found.as_dict()["users"] == 20


def test_a_cohort_that_can_be_judged_is_measured_on_every_item(splits, models):
    """Each item hidden once, not one split: five times the cost, which a single deletion need not pay."""
    cohort = np.arange(20)
    found = gather(*models, splits, _plan(splits, cohort))
    forgotten = splits.train.of_users(cohort)
    difficulty = Difficulty.of(forgotten.union(splits.strangers), splits.train)
    independent = audit(models[1], forgotten, splits.strangers, difficulty=difficulty)
    assert found.audits[1].as_dict() == independent.as_dict()


def test_near_duplicates_are_named_by_row(splits, models):
    """User 5 is given the nine items of user 0, of all splits together."""
    theirs, twin = splits.everything().items_of(0), np.full(9, 5)
    copied = Interactions.from_pairs(twin[:6], splits.train.items_of(0), 80, 50)
    rest = Interactions.from_pairs(twin[:3], np.setdiff1d(theirs, splits.train.items_of(0)), 80, 50)
    world = replace(
        splits,
        train=splits.train.without_users([5]).union(copied),
        validation=splits.validation.without_users([5]),
        test=splits.test.without_users([5]).union(rest),
    )
    found = gather(*models, world, _plan(world, [0]))
    assert found.as_dict()["near_duplicates"] == [5]
    assert found.metrics({})["audit/near_duplicates"] == 1
    assert gather(*models, splits, _plan(splits, [0])).as_dict()["near_duplicates"] == []


def test_what_two_versions_give_away_is_told(gathered, models, splits):
    expected = recover(*models, splits.train.of_users([0, 1]))
    assert gathered.as_dict()["version_difference"] == expected.as_dict()
    assert gathered.metrics({})["audit/recovered"] == expected.best[1]


def test_the_attack_on_two_versions_is_on_a_sample(splits, models, monkeypatch):
    monkeypatch.setattr(evidence, "MOST_ATTACKED", 3)
    assert len(gather(*models, splits, _plan(splits, range(10))).recovery.users) == 3


def test_the_pictures(gathered):
    album = Album()
    gathered.draw(album)
    assert album.names == ["recall.png", "scores.png", "roc.png"]


def test_single_items_are_not_audited(splits, models):
    pairs = splits.train.of_users([0]).where(np.arange(6) < 2)
    found = gather(*models, splits, _plan(splits, [], pairs))
    assert (found.audits, found.verdict, found.as_dict()) == (None, None, {})
    assert found.evaluations[0].users.tolist() == MEMBERS.tolist()
    album = Album()
    found.draw(album)
    assert album.names == ["recall.png"]
    assert not any("auc" in name for name in found.metrics({}))


def test_a_stranger_who_goes_is_no_stranger_of_the_audit(splits, models):
    found = gather(*models, splits, _plan(splits, [0, 60]))
    for report in found.audits:
        assert 60 not in report.strangers.users
        assert report.forgotten.users.tolist() == [0]


def test_nothing_to_measure_is_not_an_error(unmeasured):
    """Without strangers and test items; that the account has no double, and what moved, is still told."""
    assert (unmeasured.evaluations, unmeasured.audits, unmeasured.verdict) == (None, None, None)
    assert unmeasured.utility() == {"before": {}, "after": {}}
    assert set(unmeasured.as_dict()) == {"near_duplicates", "version_difference"}
    assert set(unmeasured.metrics({})) == {"audit/near_duplicates", "audit/recovered"}
    album = Album()
    unmeasured.draw(album)
    assert album.names == []


def test_large_workspaces_are_sampled_the_same_way_each_time(splits, models, monkeypatch):
    monkeypatch.setattr(evidence, "MOST_EVALUATED", 10)
    monkeypatch.setattr(evidence, "FEWEST_STRANGERS", 5)
    first, second = (gather(*models, splits, _plan(splits, [0])) for _ in range(2))
    assert len(first.evaluations[0].users) == 10
    assert len(first.audits[0].strangers.users) == 5
    assert first.as_dict() == second.as_dict()
    assert first.metrics({}) == second.metrics({})


def test_a_user_with_one_item_has_nothing_to_hide_and_is_still_forgotten(splits, models):
    train = splits.train.where(~((splits.train.users == 0) & (np.arange(len(splits.train)) > 0)))
    alone = Splits(train, splits.validation, splits.test, splits.strangers, splits.strangers_held_out)
    found = gather(*models, alone, _plan(alone, [0]))
    assert found.as_dict()["auc"] is None
    assert found.as_dict()["users"] == 0
    assert found.verdict.passed
    found.draw(Album())


def test_on_a_sample_a_figure_is_the_parents_plus_the_difference(gathered):
    """So that a version measured on a sample can be put beside one measured on everybody."""
    sampled = replace(gathered, sampled=True)
    before, after = (each.mean()["recall@20"] for each in gathered.evaluations)
    found = sampled.metrics({"recall@20": 0.5})
    assert found["recall@20"] == pytest.approx(0.5 + after - before)
    assert found["before/recall@20"] == 0.5
