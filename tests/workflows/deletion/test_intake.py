import json

import numpy as np
import pytest
from workspace_contents import hashes

from recsys_unlearn.errors import UnknownItem, UnknownUser, UsageError
from recsys_unlearn.workflows.deletion import intake
from recsys_unlearn.workflows.deletion.intake import ASKED_FILE, check_reason, receive, recognise, terms_of
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.forget import forget


def _items(workspace, user, count):
    store = workspace.store()
    return store.item_ids(store.history(store.user_row(user)).items[:count].tolist())


def test_who_is_in_the_store_is_meant_once(pristine, member, stranger):
    asked = recognise(pristine, [stranger, member, stranger])
    store = pristine.store()
    assert asked.rows.tolist() == sorted(map(store.user_row, (member, stranger)))
    assert (asked.items, asked.erased, asked.is_done) == (None, (), False)
    assert asked.plannable()[0].tolist() == asked.rows.tolist()


def test_items_become_codes(pristine, member):
    store, items = pristine.store(), _items(pristine, member, 2)
    accounts, codes = recognise(pristine, [member], items).plannable()
    expected = [store.user_row(member) * store.n_items + store.item_row(each) for each in items]
    assert (accounts.tolist(), codes.tolist()) == ([], sorted(expected))


def test_recognising_changes_nothing(pristine, member):
    before = hashes(pristine.root)
    recognise(pristine, [member])
    with pytest.raises(UnknownUser):
        recognise(pristine, ["canary-nobody"])
    assert hashes(pristine.root) == before


@pytest.mark.parametrize("nobody", ["canary-nobody", "", "\udc80", "9" * 5000, 10**30, -1])
def test_who_was_never_here_is_unknown_whatever_they_are_called(pristine, member, nobody):
    with pytest.raises(UnknownUser, match="1 of the 2 users are not in this workspace") as caught:
        recognise(pristine, [member, nobody])
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("users", "items", "error"),
    [([], None, UsageError), (["a", "b"], ["item-01"], UsageError), ([None], None, UsageError)],
)
def test_requests_that_make_no_sense(pristine, users, items, error):
    with pytest.raises(error):
        recognise(pristine, users, items)


def test_an_item_that_there_is_not(pristine, member):
    with pytest.raises(UnknownItem):
        recognise(pristine, [member], ["no-such-item"])


@pytest.fixture
def erased(workspace, member):
    forget(workspace, [member], verify=False)
    return workspace


def test_who_was_erased_is_known_as_such(erased, member, stranger):
    alone, mixed = recognise(erased, [member]), recognise(erased, [member, stranger])
    (request,) = erased.requests().all()
    assert alone.is_done
    assert alone.erased == mixed.erased == (request,)
    assert mixed.rows.tolist() == [erased.store().user_row(stranger)]


def test_items_of_who_was_erased_are_erased_too(erased, member):
    assert recognise(erased, [member], ["item-01"]).is_done


def test_who_is_only_on_the_suppression_list_was_erased_too(workspace):
    workspace.suppression().add([workspace.key().user("somebody")])
    assert recognise(workspace, ["somebody"]).erased == (None,)
    assert forget(workspace, ["somebody"]).status == "already erased"


def test_a_request_that_was_only_received_or_denied_has_erased_nobody(workspace, member):
    request = receive(workspace, recognise(workspace, [member]), Terms())
    assert not recognise(workspace, [member]).is_done
    workspace.requests().deny(request.request_id, "no")
    assert len(recognise(workspace, [member]).rows) == 1


def test_to_ask_twice_is_to_ask_once(workspace, member):
    first, second = (receive(workspace, recognise(workspace, [member]), Terms()) for _ in range(2))
    assert first == second
    assert len(workspace.requests().all()) == 1


def test_what_is_kept_names_nobody_and_is_for_the_owner_s_eyes(workspace, member):
    items = _items(workspace, member, 2)
    request = receive(workspace, recognise(workspace, [member], items), Terms(keep="2"), "withdrew consent")
    directory = workspace.requests().working(request.request_id)
    kept = (directory / ASKED_FILE).read_text()
    assert directory.stat().st_mode & 0o077 == 0
    assert "canary" not in kept and items[0] not in kept
    assert json.loads(kept)["rows"] == [workspace.store().user_row(member)]
    assert terms_of(workspace.requests(), request) == Terms(keep="2")
    assert "canary" not in (workspace.erasure_dir / "ledger.jsonl").read_text()


def test_lost_terms_are_the_usual_ones(workspace, member):
    request = receive(workspace, recognise(workspace, [member]), Terms(keep="2"))
    (workspace.requests().working(request.request_id) / ASKED_FILE).unlink()
    assert terms_of(workspace.requests(), request) == Terms()


@pytest.mark.parametrize("reason", ["", "withdrew consent", "art. 17 (1) b", "user42 would be inside"])
def test_reasons_that_name_nobody(reason):
    check_reason(reason, ["42", "consen"])


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("letter of 42", "the reason names a user"),
        ("(42), by phone", "the reason names a user"),
        ("x" * 201, "one line of at most 200 characters"),
        ("two\nlines", "one line"),
    ],
)
def test_reasons_that_cannot_be_kept(reason, message):
    with pytest.raises(UsageError, match=message):
        check_reason(reason, [42])


def test_a_reason_may_be_demanded():
    with pytest.raises(UsageError, match="a reason is needed, which the person is told: pass --reason TEXT"):
        check_reason("  ", is_needed=True)


def test_nothing_heavy_is_needed_to_answer():
    import subprocess
    import sys

    script = (
        f"import sys, {intake.__name__}; print([n for n in ('torch', 'mlflow', 'faiss') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_million_unknown_ids_are_answered_at_once(pristine):
    many = [f"canary-{number}" for number in range(100_000)]
    with pytest.raises(UnknownUser, match="100000 of the 100000 users"):
        recognise(pristine, many)


def test_rows_are_looked_up_like_one_by_one(pristine):
    store = pristine.store()
    ids = [*store.user_ids().values()]
    assert store.user_rows(ids).tolist() == [store.user_row(each) for each in ids] == [*store.user_ids()]
    assert store.user_rows(["nobody", ids[3]]).tolist() == [-1, 3]
    assert store.user_rows([]).dtype == np.int64
