"""Laws of every unlearner that the package defines; a new one cannot escape them."""

import importlib
import pkgutil
from dataclasses import fields, replace
from typing import get_args

import numpy as np
import pytest

from recsys_unlearn import unlearning
from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.unlearning.contract import ForgetRequest, ForgetResult, Guarantee, Unlearner
from recsys_unlearn.unlearning.controls import RowDrop
from recsys_unlearn.unlearning.registry import METHODS, UNLEARNERS, unlearner

for module in pkgutil.walk_packages(unlearning.__path__, unlearning.__name__ + "."):
    importlib.import_module(module.name)


def concrete(kind):
    """Every class of the package below ``kind`` that can be made."""
    below = {kind, *(deeper for child in kind.__subclasses__() for deeper in concrete(child))}
    ours = {each for each in below if each.__module__.startswith("recsys_unlearn.")}
    return {each for each in ours if not each.__abstractmethods__}


KINDS = sorted(concrete(Unlearner), key=lambda kind: kind.name)
LEAVERS = np.array([3, 8, 21])
STAYERS = np.setdiff1d(np.arange(60), LEAVERS)


def of(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


FOR_TABLES = [kind for kind in KINDS if issubclass(Factorization, kind.forgets_from)]
ALL = of(KINDS)
EVERY = of(FOR_TABLES)
EXACT = of([kind for kind in FOR_TABLES if kind.guarantee == "exact"])

FEW = {"steps": 5, "passes": 2, "min_steps": 3}


def shortened(method):
    """The method with few steps of training, also in the methods that it is made of."""
    values = {field.name: getattr(method, field.name) for field in fields(method)}
    parts = {name: shortened(value) for name, value in values.items() if isinstance(value, Unlearner)}
    return replace(method, **parts, **{name: FEW[name] for name in values if name in FEW})


def quick(kind):
    """Laws hold for any number of steps."""
    return shortened(kind())


def keeps_everything(kind):
    """Declared by the class: the no-op control."""
    return kind.guarantee == "control" and kind.leaves_behind == "everything"


def accounts(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


def some_items(train):
    """Every third item of three users who stay."""
    mine = train.of_users(LEAVERS)
    return ForgetRequest.of_pairs(mine.where(np.arange(len(mine)) % 3 == 0))


def all_items(train):
    """Every item of one user, whose account stays."""
    return ForgetRequest.of_pairs(train.of_users([8]))


def both(train):
    """One account, and one item of another user."""
    pair = train.of_users([21]).where(np.array([0]))
    return ForgetRequest(train.of_users([3]).union(pair), np.array([3]))


REQUESTS = pytest.mark.parametrize("make", [accounts, some_items, both], ids=lambda make: make.__name__)


@pytest.fixture(scope="module")
def results():
    """Deletions that several laws look at, each carried out once."""
    return {}


@pytest.fixture
def forgotten(trained, train, results):
    """Result of a kind's deletion from the trained recommender, its readiness measured before."""

    def run(kind, make):
        key = kind, make, trained.options.similarity
        if key not in results:
            readiness = NaturalReadiness.measure(trained, train)
            results[key] = quick(kind).forget(trained, train, make(train), readiness)
        return results[key]

    return run


def tables_of(recommender):
    return recommender.user_table.tobytes(), recommender.item_table.tobytes()


def state_of(recommender, readiness, interactions):
    """Every byte that a deletion is given."""
    tensors = [*vars(readiness.sums).values(), readiness.calibration]
    arrays = [interactions.users.tobytes(), interactions.items.tobytes()]
    return *tables_of(recommender), *arrays, *(tensor.numpy().tobytes() for tensor in tensors)


# --- the class -----------------------------------------------------------------------------------


@ALL
def test_it_says_what_it_is(kind):
    assert kind.name.isidentifier()
    assert kind.name == kind.name.lower()
    assert kind.guarantee in get_args(Guarantee)
    assert kind.leaves_behind
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")  # dataclass's own text


@ALL
def test_it_is_in_the_registry_under_its_name(kind):
    assert UNLEARNERS[kind.name] is kind
    assert len(UNLEARNERS) == len(KINDS)
    assert isinstance(unlearner(kind.name), kind)


@ALL
def test_controls_may_not_serve_a_deletion(kind):
    assert (kind.name in METHODS) == (kind.guarantee != "control")


@ALL
def test_parameters_cannot_be_changed_after_construction(kind):
    with pytest.raises(AttributeError):
        kind().name = "another"


@ALL
def test_an_unknown_method_is_refused_with_the_list(kind):
    with pytest.raises(UsageError, match=f"no method 'magic'; there are .*{kind.name}"):
        unlearner("magic")


# --- old state in, new state out -----------------------------------------------------------------


@EVERY
@REQUESTS
def test_it_is_deterministic_and_changes_nothing_that_it_is_given(kind, make, trained, train, forgotten):
    first = tables_of(forgotten(kind, make).recommender)
    readiness = NaturalReadiness.measure(trained, train)
    before = state_of(trained, readiness, train)
    again = quick(kind).forget(trained, train, make(train), readiness)
    assert state_of(trained, readiness, train) == before
    assert tables_of(again.recommender) == first


@EVERY
@REQUESTS
def test_the_result_is_a_recommender_of_the_same_kind_and_shape(kind, make, trained, train, forgotten):
    outcome = forgotten(kind, make)
    assert isinstance(outcome, ForgetResult)
    new = outcome.recommender
    assert type(new) is type(trained)
    assert new.retrain_options == trained.retrain_options
    for name in ("user_table", "item_table"):
        table = getattr(new, name)
        assert table.shape == getattr(trained, name).shape
        assert table.dtype == np.float32
        assert np.isfinite(table).all()


@EVERY
def test_rows_of_accounts_are_zeros(kind, train, forgotten):
    table = forgotten(kind, accounts).recommender.user_table
    assert table[LEAVERS].any() == keeps_everything(kind)
    assert np.all(np.any(table[STAYERS] != 0, axis=1))


@EVERY
@REQUESTS
def test_rows_outside_the_footprint_are_unchanged_bitwise(kind, make, trained, train, forgotten):
    outcome = forgotten(kind, make)
    for name, touched in (("user_table", outcome.touched_users), ("item_table", outcome.touched_items)):
        before, after = getattr(trained, name), getattr(outcome.recommender, name)
        rest = np.setdiff1d(np.arange(len(before)), touched)
        assert after[rest].tobytes() == before[rest].tobytes()


@EVERY
@REQUESTS
def test_the_footprint_is_of_rows_in_order(kind, make, trained, train, forgotten):
    outcome = forgotten(kind, make)
    sides = (outcome.touched_users, trained.user_table), (outcome.touched_items, trained.item_table)
    for touched, table in sides:
        assert np.array_equal(touched, np.unique(touched))
        assert np.isin(touched, np.arange(len(table))).all()
        assert touched.dtype == np.int64


@EVERY
def test_a_user_who_loses_items_stays(kind, trained, train, forgotten):
    request = some_items(train)
    assert request.partial_users.tolist() == LEAVERS.tolist()
    new = forgotten(kind, some_items).recommender
    assert np.all(np.any(new.user_table[LEAVERS] != 0, axis=1))
    changed = (new.user_table[LEAVERS] != trained.user_table[LEAVERS]).any()
    assert changed != keeps_everything(kind)


@EVERY
def test_a_user_who_loses_every_item_has_a_row_of_zeros(kind, train, forgotten):
    table = forgotten(kind, all_items).recommender.user_table
    assert table[8].any() == keeps_everything(kind)


@EVERY
def test_without_readiness_it_measures_or_needs_none(kind, trained, train, forgotten):
    """Readiness saves the measuring; it changes nothing else."""
    measured = quick(kind).forget(trained, train, accounts(train)).recommender
    assert tables_of(measured) == tables_of(forgotten(kind, accounts).recommender)


@EVERY
def test_readiness_that_is_returned_is_that_of_fewer_people(kind, train, forgotten):
    readiness = forgotten(kind, accounts).readiness
    if readiness is not None and kind.name not in ("no_op", "row_drop"):  # they leave the trace on purpose
        left = len(train) - train.user_counts[LEAVERS].sum()
        assert readiness.sums.pairs.item() == left
        assert readiness.sums.users.item() == len(train.active_users) - len(LEAVERS)


# --- twice, in turn, and for nobody --------------------------------------------------------------


@EVERY
def test_forgetting_an_account_twice_is_forgetting_it_once(kind, train, forgotten):
    once = forgotten(kind, accounts)
    twice = quick(kind).forget(once.recommender, train, accounts(train), once.readiness)
    assert tables_of(twice.recommender) == tables_of(once.recommender)
    assert twice.readiness is once.readiness
    if not keeps_everything(kind):
        assert len(twice.touched_users) == len(twice.touched_items) == 0


@EVERY
def test_forgetting_items_twice_is_forgetting_them_once(kind, train, forgotten):
    """The second request names pairs that the training data no longer hold."""
    wanted = some_items(train)
    once = forgotten(kind, some_items)
    twice = quick(kind).forget(once.recommender, train.without(wanted.forget_set), wanted, once.readiness)
    assert tables_of(twice.recommender) == tables_of(once.recommender)


@EVERY
def test_forgetting_strangers_changes_nothing(kind, trained, strangers, forgotten):
    outcome = quick(kind).forget(trained, strangers, ForgetRequest.of_accounts(strangers, np.arange(60, 72)))
    assert outcome.recommender is trained
    assert len(outcome.touched_users) == len(outcome.touched_items) == 0


@EVERY
def test_a_row_that_is_not_in_use_beside_one_that_is(kind, trained, tastes, train):
    """The stranger in the request is passed over, the member is forgotten."""
    mixed = ForgetRequest.of_accounts(tastes, np.array([3, 65]))
    alone = ForgetRequest.of_accounts(train, np.array([3]))
    one, two = (quick(kind).forget(trained, train, wanted).recommender for wanted in (mixed, alone))
    assert tables_of(one) == tables_of(two)


@EVERY
def test_the_forgotten_stay_forgotten_when_the_next_one_goes(kind, train, forgotten):
    """The training data of the second deletion still hold the first users: erasing them came late."""
    first = forgotten(kind, accounts)
    second = quick(kind).forget(
        first.recommender, train, ForgetRequest.of_accounts(train, np.array([40])), first.readiness
    )
    assert second.recommender.user_table[[*LEAVERS, 40]].any() == keeps_everything(kind)


@EXACT
def test_order_does_not_matter_where_the_guarantee_is_exact(kind, trained, train, forgotten):
    together = forgotten(kind, accounts).recommender
    for order in (LEAVERS, LEAVERS[::-1]):
        state, data = trained, train
        for user in order:
            state = (
                quick(kind).forget(state, data, ForgetRequest.of_accounts(data, np.array([user]))).recommender
            )
            data = data.without_users([user])
        assert tables_of(state) == tables_of(together)


@EXACT
def test_a_slot_knows_nothing_of_its_first_user_where_the_guarantee_is_exact(kind, trained, train, forgotten):
    """Two worlds in which row 8 belongs to different people are one world after row 8 is forgotten."""
    other = Interactions.from_pairs([8] * 3, [15, 22, 39], train.n_users, train.n_items)
    world = train.without_users([8]).union(other)
    elsewhere = trained.retrain(world)
    results = [
        quick(kind).forget(model, data, ForgetRequest.of_accounts(data, np.array([8]))).recommender
        for model, data in ((trained, train), (elsewhere, world))
    ]
    assert tables_of(results[0]) == tables_of(results[1])


@of([kind for kind in FOR_TABLES if not keeps_everything(kind)])
def test_a_newcomer_in_a_forgotten_slot_is_the_same_in_a_slot_that_nobody_had(kind, train, forgotten):
    """To the byte: the row they find is blank, and theirs depends on their own items alone."""
    after = forgotten(kind, accounts).recommender
    assert after.user_table[[8]].tobytes() == np.zeros_like(after.user_table[[8]]).tobytes()
    rows = []
    for slot in (8, 65):
        newcomer = Interactions.from_pairs([slot] * 3, [15, 22, 39], train.n_users, train.n_items)
        table = after.user_table.copy()
        table[slot] = fold_in(after.item_table, newcomer, np.array([slot]), after.geometry)[0]
        fewer = ForgetRequest.of_pairs(newcomer.where(np.array([1])))
        left = RowDrop().forget(after.with_tables(table, after.item_table), newcomer, fewer).recommender
        rows.append((table[slot].tobytes(), left.user_table[slot].tobytes()))
    assert rows[0] == rows[1]
