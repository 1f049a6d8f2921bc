"""What is kept with a version: additive, without a trace of who has left, and readable again or refused."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recsys_unlearn.errors import VersionError
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import FILE, NaturalReadiness
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent

HELD = NaturalAscent(step_size=0)  # accounts for a deletion and leaves the item table where it is
LEAVERS = np.array([3, 8, 21])


def assert_same(one, two, fields=None, share=1e-4):
    for name in fields or [field.name for field in dataclasses.fields(two.sums)]:
        got, expected = getattr(one.sums, name), getattr(two.sums, name)
        torch.testing.assert_close(got, expected, rtol=0, atol=share * float(expected.abs().max()), msg=name)


def forgotten(trained, data, users, unlearner=HELD):
    readiness = NaturalReadiness.measure(trained, data)
    return unlearner.forget(trained, data, ForgetRequest.of_accounts(data, np.asarray(users)), readiness)


OTHERS = ("gradient", "positive", "pressure", "moment", "weight", "users", "pairs")


def test_covariance_is_the_weighted_second_moment(trained, train):
    readiness = NaturalReadiness.measure(trained, train)
    covariance = readiness.sums.moment / readiness.sums.weight
    torch.testing.assert_close(readiness.covariance, covariance)
    torch.testing.assert_close(covariance, covariance.T, rtol=1e-5, atol=1e-5)  # of float32 products
    assert torch.linalg.eigvalsh(covariance).min() > -1e-9


def test_covariance_of_nobody_is_zero(trained, train):
    nobody = NaturalReadiness.measure(trained, train.without_users(range(60)))
    assert not nobody.covariance.any()


@pytest.mark.parametrize("fields", [OTHERS, ("radial",)], ids=["others", "radial"])
def test_after_forgetting_it_is_that_of_the_retained_at_the_same_tables(trained, train, fields):
    after = forgotten(trained, train, LEAVERS).readiness
    assert_same(after, NaturalReadiness.measure(trained, train.without_users(LEAVERS)), fields)


@pytest.mark.parametrize("fields", [OTHERS, ("radial",)], ids=["others", "radial"])
def test_one_by_one_it_is_that_of_the_retained_at_the_same_tables(trained, train, fields):
    state, readiness, data = trained, NaturalReadiness.measure(trained, train), train
    for user in LEAVERS:
        outcome = HELD.forget(state, data, ForgetRequest.of_accounts(data, np.array([user])), readiness)
        state, readiness = outcome.recommender, outcome.readiness
        data = data.without_users([user])
    assert_same(readiness, NaturalReadiness.measure(trained, data), fields)


@pytest.mark.parametrize("fields", [OTHERS, ("radial",)], ids=["others", "radial"])
def test_what_the_forgotten_liked_leaves_no_trace(trained, train, fields):
    """Two worlds that differ in the leaver's items alone have the same readiness afterwards."""
    rest = train.without_users([8])
    worlds = [
        rest.union(Interactions.from_pairs([8] * len(items), items, train.n_users, train.n_items))
        for items in (range(10), [15, 22, 39])
    ]
    before = [NaturalReadiness.measure(trained, world) for world in worlds]
    assert not torch.allclose(before[0].sums.gradient, before[1].sums.gradient, atol=1e-2)
    one, two = (forgotten(trained, world, [8]).readiness for world in worlds)
    assert_same(one, two, fields)


def test_users_are_counted_out(trained, train):
    assert NaturalReadiness.measure(trained, train).sums.users.item() == 60
    assert forgotten(trained, train, LEAVERS).readiness.sums.users.item() == 57


def test_nothing_is_kept_for_a_user_alone(trained, train):
    """No axis of any tensor is as long as there are user rows."""
    readiness = NaturalReadiness.measure(trained, train)
    for value in (*vars(readiness.sums).values(), readiness.calibration):
        assert trained.user_table.shape[0] not in value.shape


def test_forgetting_everybody_leaves_nothing(free, train):
    after = forgotten(free, train, train.active_users).readiness
    scale = NaturalReadiness.measure(free, train).sums
    for name, value in vars(after.sums).items():
        assert float(value.abs().max()) <= 1e-5 * float(getattr(scale, name).abs().max()), name


def test_the_slope_follows_the_items_to_their_new_place(free, train):
    """G + H·step foretells the retained slope after a deletion; measured: .51 of the error of G alone."""
    before = NaturalReadiness.measure(free, train)
    outcome = forgotten(free, train, [8], NaturalAscent())
    fresh = NaturalReadiness.measure(outcome.recommender, train.without_users([8])).sums.gradient
    stayed = NaturalReadiness.measure(free, train.without_users([8])).sums.gradient
    error = (outcome.readiness.sums.gradient - fresh).norm()
    assert error < 0.7 * (stayed - fresh).norm()
    assert not torch.equal(before.sums.gradient, outcome.readiness.sums.gradient)


def test_a_user_who_loses_items_and_then_leaves_leaves_nothing(free, train):
    lost = train.of_users([8]).where(np.array([0, 1, 2]))
    first = HELD.forget(free, train, ForgetRequest.of_pairs(lost), NaturalReadiness.measure(free, train))
    rest = train.without(lost)
    account = ForgetRequest.of_accounts(rest, np.array([8]))
    second = HELD.forget(first.recommender, rest, account, first.readiness)
    assert_same(second.readiness, NaturalReadiness.measure(free, train.without_users([8])))


# --- on disk -------------------------------------------------------------------------------------


@pytest.fixture
def saved(trained, train, tmp_path):
    NaturalReadiness.measure(trained, train).save(tmp_path)
    return tmp_path


def test_round_trip(trained, train, saved):
    loaded, measured = NaturalReadiness.load(saved), NaturalReadiness.measure(trained, train)
    for name, expected in (vars(measured.sums) | {"calibration": measured.calibration}).items():
        value = loaded.calibration if name == "calibration" else getattr(loaded.sums, name)
        assert value.dtype == expected.dtype
        assert torch.equal(value, expected)


def test_a_deletion_from_a_loaded_readiness_is_the_same_deletion(trained, train, saved):
    request = ForgetRequest.of_accounts(train, LEAVERS)
    kept, loaded = NaturalReadiness.measure(trained, train), NaturalReadiness.load(saved)
    one, two = (NaturalAscent().forget(trained, train, request, ready) for ready in (kept, loaded))
    assert one.recommender.item_table.tobytes() == two.recommender.item_table.tobytes()


def test_it_is_one_safetensors_file(saved):
    assert [path.name for path in saved.iterdir()] == [FILE]
    assert (saved / FILE).read_bytes()[8:9] == b"{"  # the header after its length


def rewrite(directory, change):
    tensors = load_file(directory / FILE)
    change(tensors)
    save_file(tensors, directory / FILE)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: (d / FILE).unlink(),
        lambda d: (d / FILE).write_bytes(b""),
        lambda d: (d / FILE).write_text("not safetensors"),
        lambda d: (d / FILE).write_bytes((d / FILE).read_bytes()[:-40]),
        lambda d: rewrite(d, lambda tensors: tensors.pop("moment")),
        lambda d: rewrite(d, lambda tensors: tensors.pop("calibration")),
        lambda d: rewrite(d, lambda tensors: tensors.update(more=torch.ones(1))),
    ],
    ids=["missing", "empty", "text", "truncated", "no moment", "no calibration", "one too many"],
)
def test_a_damaged_file_is_a_version_error_that_says_what_to_do(saved, damage):
    damage(saved)
    with pytest.raises(VersionError, match=rf"no readable {FILE} in .*Train a new version\."):
        NaturalReadiness.load(saved)
