"""Laws of every pair of a method and a recommender that it works on; a new one of either cannot escape."""

from dataclasses import fields, replace

import numpy as np
import pytest

from recsys_unlearn.audit.report import audit
from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness, measure_readiness
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.item_item import ItemItemRecommender
from recsys_unlearn.recommenders.registry import OPTIONS, recommender_kind
from recsys_unlearn.unlearning.contract import ForgetRequest, Unlearner
from recsys_unlearn.unlearning.registry import METHODS, UNLEARNERS

RECOMMENDERS = [recommender_kind(name) for name in OPTIONS]
PAIRS = [
    pytest.param(method, recommender, id=f"{method.name}-{recommender.name}")
    for method in UNLEARNERS.values()
    for recommender in RECOMMENDERS
    if issubclass(recommender, method.forgets_from)
]
EVERY = pytest.mark.parametrize(("method", "kind"), PAIRS)
EVERY_RECOMMENDER = pytest.mark.parametrize("kind", RECOMMENDERS, ids=lambda kind: kind.name)
EXACT = pytest.mark.parametrize(
    "kind",
    [kind for kind in RECOMMENDERS if issubclass(kind, ItemItemRecommender)],
    ids=lambda kind: kind.name,
)
QUICK = {"dim": 6, "epochs": 2, "batch_size": 256, "negatives": 16, "attention_steps": 3}
FEW = {"steps": 2, "passes": 1, "min_steps": 1, "sweeps": 2}
LEAVERS = np.array([3, 8, 21])


def shortened(options, few):
    """The same with the smaller numbers of ``few``, also in the methods that a method is made of."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    parts = {name: shortened(value, few) for name, value in values.items() if isinstance(value, Unlearner)}
    return replace(options, **parts, **{name: few[name] for name in values if name in few})


@pytest.fixture(scope="module")
def made():
    return {}


@pytest.fixture
def fitted(train, made):
    """One recommender of each kind, trained on the members."""

    def fit(kind):
        if kind not in made:
            made[kind] = kind(shortened(kind.options_type(), QUICK)).fit(train)
        return made[kind]

    return fit


@pytest.fixture
def forgotten(fitted, train, made):
    """Result of a deletion that several laws look at, carried out once."""

    def forget(method, kind, make):
        key = method, kind, make
        if key not in made:
            made[key] = shortened(method(), FEW).forget(fitted(kind), train, make(train))
        return made[key]

    return forget


def accounts(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


def mixed(train):
    """One account, every third item of two users who stay, and every item of one who stays without any."""
    pairs = train.of_users([8, 21]).where(np.arange(20) % 3 == 0)
    return ForgetRequest(train.of_users([3, 40]).union(pairs), np.array([3]))


def state_of(recommender):
    return {name: array.tobytes() for name, array in recommender.state().items()}


def dtypes_of(recommender):
    return {name: array.dtype for name, array in recommender.state().items()}


def keeps_everything(method):
    return method.guarantee == "control" and method.leaves_behind == "everything"


# --- old state in, new state out -----------------------------------------------------------------


@EVERY
def test_the_result_is_of_the_same_kind_and_the_old_state_stays(method, kind, fitted, train, forgotten):
    before = state_of(fitted(kind))
    outcome = forgotten(method, kind, mixed)
    new = outcome.recommender
    assert state_of(fitted(kind)) == before
    assert type(new) is kind
    assert new.retrain_options == fitted(kind).retrain_options
    assert {k: v.dtype for k, v in new.state().items()} == {
        k: v.dtype for k, v in fitted(kind).state().items()
    }
    assert np.isfinite(new.scores(np.arange(60), train)).all()
    assert outcome.touched_items.max(initial=-1) < new.n_items


@EVERY
def test_who_went_is_no_member_and_who_stays_is_one(method, kind, forgotten):
    members = forgotten(method, kind, mixed).recommender.members
    gone = [3, 40, *range(60, 72)]
    expected = np.setdiff1d(np.arange(72), [] if keeps_everything(method) else gone)
    assert np.flatnonzero(members).tolist() == np.setdiff1d(expected, range(60, 72)).tolist()


@EVERY
def test_forgetting_twice_is_forgetting_once(method, kind, train, forgotten):
    once = forgotten(method, kind, accounts)
    twice = shortened(method(), FEW).forget(once.recommender, train, accounts(train), once.readiness)
    assert state_of(twice.recommender) == state_of(once.recommender)


@EVERY
def test_forgetting_strangers_changes_nothing(method, kind, fitted, strangers):
    request = ForgetRequest.of_accounts(strangers, np.arange(60, 72))
    assert method().forget(fitted(kind), strangers, request).recommender is fitted(kind)


@EVERY
def test_it_forgets_in_the_same_way_after_a_round_trip(method, kind, fitted, train, forgotten, tmp_path):
    fitted(kind).save(tmp_path)
    again = shortened(method(), FEW).forget(kind.load(tmp_path), train, accounts(train)).recommender
    for name, array in forgotten(method, kind, accounts).recommender.state().items():
        np.testing.assert_allclose(again.state()[name], array, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", UNLEARNERS.values(), ids=lambda method: method.name)
def test_a_method_for_others_is_refused_and_two_that_work_are_named(method, fitted, train):
    others = [kind for kind in RECOMMENDERS if not issubclass(kind, method.forgets_from)]
    for kind in others:
        with pytest.raises(UsageError, match=f"{kind.forgets_by} and retrain do"):
            method().forget(fitted(kind), train, accounts(train))


@EVERY_RECOMMENDER
def test_the_method_of_a_recommender_exists_and_works_on_it(kind):
    assert kind.forgets_by in METHODS
    assert issubclass(kind, UNLEARNERS[kind.forgets_by].forgets_from)


# --- readiness and audit for every kind ----------------------------------------------------------


@EVERY_RECOMMENDER
def test_readiness_is_measured_where_there_are_tables(kind, fitted, train):
    readiness = measure_readiness(fitted(kind), train)
    assert (readiness is not None) == issubclass(kind, EmbeddingRecommender)
    if readiness is not None:
        assert isinstance(readiness, NaturalReadiness)
        assert readiness.sums.pairs.item() == len(train)


@EVERY_RECOMMENDER
def test_every_kind_is_audited(kind, fitted, train, strangers):
    report = audit(fitted(kind), train.of_users(range(24)), strangers)
    assert 0 <= report.auc.value <= 1
    assert np.isfinite(report.forgotten.log_likelihood).all()
    assert len(report.forgotten.users) == 24


# --- exact ---------------------------------------------------------------------------------------


def assert_equal_to_retrain(left, right):
    for name, array in right.state().items():
        if left.rounding:
            np.testing.assert_allclose(left.state()[name], array, rtol=0, atol=left.rounding)
        else:
            assert left.state()[name].tobytes() == array.tobytes()
            assert left.state()[name].dtype == array.dtype


@EXACT
@pytest.mark.parametrize("make", [accounts, mixed], ids=lambda make: make.__name__)
def test_exact_is_a_retrain(kind, make, fitted, train, forgotten):
    oracle = fitted(kind).retrain(train.without(make(train).forget_set))
    assert_equal_to_retrain(forgotten(UNLEARNERS["exact"], kind, make).recommender, oracle)
    assert_equal_to_retrain(oracle, oracle)


@EXACT
def test_exact_one_by_one_in_any_order_is_a_retrain(kind, fitted, train):
    method, state, data = UNLEARNERS["exact"](), fitted(kind), train
    for user in [*range(50, 20, -1), 3, 55, 0]:
        request = ForgetRequest.of_accounts(data, np.array([user]))
        state, data = method.forget(state, data, request).recommender, data.without_users([user])
    assert_equal_to_retrain(state, fitted(kind).retrain(data))


@EXACT
def test_a_slot_knows_nothing_of_its_first_user(kind, fitted, train):
    """Two worlds in which row 8 belongs to different people are one world after row 8 is forgotten."""
    other = Interactions.from_pairs([8] * 3, [15, 22, 39], train.n_users, train.n_items)
    world = train.without_users([8]).union(other)
    left, right = (
        UNLEARNERS["exact"]().forget(model, data, ForgetRequest.of_accounts(data, np.array([8]))).recommender
        for model, data in ((fitted(kind), train), (fitted(kind).retrain(world), world))
    )
    assert_equal_to_retrain(left, right)
