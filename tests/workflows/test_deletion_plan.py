import re

import numpy as np
import pytest

from recsys_unlearn.errors import UnknownItem, UnknownUser, UsageError
from recsys_unlearn.workflows.deletion_plan import plan_deletion


@pytest.fixture
def store(pristine):
    return pristine.store()


@pytest.fixture
def splits(store):
    return store.splits()


@pytest.fixture
def plan(store, splits):
    def plan(users, items=None):
        return plan_deletion(store, splits, users, items)

    return plan


@pytest.fixture
def member(store, splits):
    """Id of a user with something in each of the three splits."""
    parts = splits.train, splits.validation, splits.test
    return store.user_id(int(np.flatnonzero(np.min([part.user_counts for part in parts], axis=0))[0]))


@pytest.fixture
def row(store, member):
    return store.user_row(member)


def _codes(*parts):
    return sorted(np.concatenate([part.pair_codes for part in parts]).tolist())


def test_an_account_goes_with_all_of_its_splits(plan, splits, member, row):
    planned = plan([member])
    parts = [part.of_users([row]) for part in (splits.train, splits.validation, splits.test)]
    assert all(len(part) for part in parts)
    assert planned.accounts.tolist() == [row]
    assert planned.pairs.pair_codes.tolist() == _codes(*parts)
    assert planned.train.pair_codes.tolist() == _codes(parts[0])


def test_a_stranger_s_history_goes_and_none_of_it_was_trained_on(plan, splits, store, stranger):
    planned, row = plan([stranger]), store.user_row(stranger)
    held = splits.strangers.of_users([row]), splits.strangers_held_out.of_users([row])
    assert planned.pairs.pair_codes.tolist() == _codes(*held)
    assert len(planned.train) == 0


def test_several_users_are_planned_for_together_and_once(plan, store, member, stranger):
    one, other = plan([member]), plan([stranger])
    both = plan([stranger, member, stranger])
    assert both.accounts.tolist() == sorted([*one.accounts.tolist(), *other.accounts.tolist()])
    assert both.pairs.pair_codes.tolist() == _codes(one.pairs, other.pairs)


def test_some_items_of_a_user_who_stays(plan, store, splits, member, row):
    trained, tested = int(splits.train.items_of(row)[0]), int(splits.test.items_of(row)[0])
    planned = plan([member], store.item_ids([trained, tested, trained]))
    assert planned.accounts.tolist() == []
    assert planned.pairs.users.tolist() == [row, row]
    assert sorted(planned.pairs.items.tolist()) == sorted([trained, tested])
    assert planned.train.items.tolist() == [trained]


def test_items_of_a_stranger_were_not_trained_on(plan, store, splits, stranger):
    item = int(splits.strangers.items_of(store.user_row(stranger))[0])
    planned = plan([stranger], store.item_ids([item]))
    assert (len(planned.pairs), len(planned.train)) == (1, 0)


def test_the_same_user_named_twice_may_name_items(plan, store, splits, member, row):
    assert len(plan([member, member], store.item_ids([int(splits.train.items_of(row)[0])])).pairs) == 1


def test_the_request_is_what_the_model_was_trained_on(plan, member, row):
    planned = plan([member])
    request = planned.request
    assert request.forget_set.pair_codes.tolist() == planned.train.pair_codes.tolist()
    assert request.accounts.tolist() == [row]
    assert request.partial_users.tolist() == []


def test_a_fingerprint_is_the_request_s_and_the_store_s(
    plan, workspace, store, splits, member, stranger, row
):
    items = store.item_ids(splits.train.items_of(row)[:2].tolist())
    first = plan([member], items).fingerprint
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert plan([member], items[::-1]).fingerprint == first
    others = {plan([member]).fingerprint, plan([member], items[:1]).fingerprint, plan([stranger]).fingerprint}
    assert len(others - {first}) == 3
    changed = workspace.store()
    changed.erase([changed.user_row(stranger)])
    assert plan_deletion(changed, changed.splits(), [member], items).fingerprint == first


@pytest.mark.parametrize("items", [None, ["item-01"]])
def test_nobody_named(plan, items):
    with pytest.raises(UsageError, match="no user named: give --user ID, or --users-file FILE"):
        plan([], items)


def test_items_of_two_users(plan, member, stranger):
    with pytest.raises(UsageError, match="--items goes with exactly one user; name whole accounts, or ask"):
        plan([member, stranger], ["item-01"])


def test_one_unknown_user_among_known_ones_is_counted_and_not_named(plan, member, stranger):
    with pytest.raises(
        UnknownUser, match=r"1 of the 3 users are not in this workspace: .* Nothing"
    ) as caught:
        plan([member, "canary-nobody", stranger])
    assert "canary" not in str(caught.value)


def test_an_item_that_is_not_in_the_catalogue(plan, member):
    with pytest.raises(UnknownItem, match="no such item in this workspace's catalogue"):
        plan([member], ["item-01", "no-such-item"])


def test_items_that_the_user_has_nothing_to_do_with(plan, store, splits, member, row):
    others = np.setdiff1d(np.arange(store.n_items), store.history(row).items)[:2].tolist()
    mixed = store.item_ids([int(splits.train.items_of(row)[0]), *others])
    with pytest.raises(UsageError, match="no interaction with 2 of the 3 items; nothing was changed"):
        plan([member], mixed)


def test_no_items_at_all_is_not_a_whole_account(plan, member):
    planned = plan([member], [])
    assert (len(planned.accounts), len(planned.pairs)) == (0, 0)
