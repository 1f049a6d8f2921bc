"""Receipts: what is in them, and when there is one."""

import json

import pytest

from recsys_unlearn.durable import TEMPORARY
from recsys_unlearn.erasure.chain import canonical
from recsys_unlearn.erasure.merkle import SortedTree
from recsys_unlearn.erasure.receipt import DIRECTORY, STATEMENT, Receipt, Verification, issue, verify
from recsys_unlearn.erasure.requests import State
from recsys_unlearn.errors import UsageError, VerificationFailed

# --- what is in it -------------------------------------------------------------------------------


def test_it_tells_what_was_asked_and_done(receipt, purged, ledger, remaining, key, parts):
    values = json.loads(receipt.to_json())
    assert values["request"] == {
        "request_id": purged.request_id,
        "kind": "account",
        "subject": sorted([key.user(0), key.user(1)]),
        "items": 0,
        "items_mac": None,
        "reason": "asked by mail",
    }
    assert values["clock"]["received_at"] == "2026-01-15T12:00:00+00:00"
    assert values["clock"]["due_at"] == "2026-02-15T12:00:00+00:00"
    assert values["clock"]["completed_at"] == "2026-01-17T12:00:00+00:00"
    assert values["clock"]["extended_to"] is values["clock"]["extension_reason"] is None
    assert list(json.loads(canonical(values["clock"]["times"]))) == sorted(purged.times)
    assert {name: values[name] for name in parts} == parts
    assert values["ledger"]["entry"] == ledger.entries()[-1].as_dict()
    assert (values["ledger"]["size"], values["ledger"]["root"]) == (7, ledger.root())
    assert (values["absence"]["root"], values["absence"]["users"]) == (remaining.root, 37)
    assert sorted(values["absence"]["proofs"]) == values["request"]["subject"]
    assert values["format_version"] == 1


def test_it_says_that_it_is_no_proof_of_absence(receipt):
    assert receipt.statement == STATEMENT
    assert "attests the procedure" in STATEMENT
    assert "not proof of absence" in STATEMENT


def test_it_comes_back_from_json(receipt):
    assert Receipt.from_json(receipt.to_json()) == receipt
    assert Receipt.from_json(receipt.to_json().encode()).digest == receipt.digest


def test_it_is_the_same_whenever_it_is_issued(ledger, requests, receipt, purged, remaining, key, parts):
    """After a crash between receipt and entry it is issued again, and by then the ledger has grown."""
    requests.receive("account", [key.user(9)], "another")
    assert issue(ledger, requests.get(purged.request_id), users=remaining, **parts) == receipt
    requests.advance(purged.request_id, "receipted", receipt=receipt.digest)
    assert issue(ledger, requests.get(purged.request_id), users=remaining, **parts) == receipt


def test_it_is_kept_by_the_name_of_its_request(issued, receipt, directory, purged):
    assert issued == directory / DIRECTORY / f"{purged.request_id}.json"
    assert issued.read_text() == receipt.to_json()
    assert not list(issued.parent.glob(f"{TEMPORARY}*"))


def test_parts_may_hold_what_json_turns_into_something_else(ledger, purged, remaining, key, parts):
    odd = {**parts, "audit": {"interval": (0.4, 0.6), "bins": {5: "five"}}}
    receipt = issue(ledger, purged, users=remaining, **odd)
    assert receipt.audit == {"interval": [0.4, 0.6], "bins": {"5": "five"}}
    assert key.signed(receipt.payload(), receipt.mac)


def test_figures_that_are_no_numbers_are_refused(ledger, purged, remaining, parts):
    with pytest.raises(ValueError, match="not JSON compliant"):
        issue(ledger, purged, users=remaining, **{**parts, "audit": {"auc": float("nan")}})


def test_a_request_that_is_not_purged_has_none(ledger, requests, key, remaining, carried, parts):
    request = carried(requests.receive("account", [key.user(2)], "asked"), State.VERIFIED)
    with pytest.raises(UsageError, match="is at verified: its receipt comes after the purge"):
        issue(ledger, request, users=remaining, **parts)


def test_somebody_who_is_still_there_gets_none(ledger, purged, key, parts):
    still = SortedTree(key.user(number) for number in range(1, 40))
    with pytest.raises(VerificationFailed, match="is purged, and a user it is about is still in the store"):
        issue(ledger, purged, users=still, **parts)


def test_an_account_needs_the_tree_of_those_who_remain(ledger, purged, parts):
    with pytest.raises(UsageError, match="needs the tree of the users who remain"):
        issue(ledger, purged, users=None, **parts)


def test_nobody_may_remain(ledger, purged, directory, key_file, parts):
    receipt = issue(ledger, purged, users=SortedTree([]), **parts)
    assert verify(receipt.to_json(), None).passed


@pytest.fixture
def of_items(ledger, requests, key, carried, parts):
    request = requests.receive("items", [key.user(5)], "asked", [key.item(3), key.item(4)])
    return issue(ledger, carried(request, State.PURGED), users=None, **parts)


def test_for_items_no_absence_is_claimed(of_items):
    assert of_items.absence is None
    assert of_items.request["items"] == 2
    assert verify(of_items.to_json(), None) == Verification(True, None, None)
