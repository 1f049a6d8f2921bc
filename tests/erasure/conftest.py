"""A key, a clock that stands still until it is told, a ledger in an empty directory, and who asks."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from erasure.planting import workspace_of_others
from recsys_unlearn.erasure.key import FILE, VARIABLE, Key
from recsys_unlearn.erasure.ledger import Ledger
from recsys_unlearn.erasure.merkle import SortedTree
from recsys_unlearn.erasure.receipt import issue
from recsys_unlearn.erasure.requests import STEPS, Requests, State


class Clock:
    def __init__(self, text="2026-01-15T12:00:00+00:00"):
        self.now = datetime.fromisoformat(text)

    def __call__(self):
        return self.now

    def pass_by(self, **time):
        self.now += timedelta(**time)

    def set(self, text):
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "erasure"


@pytest.fixture(scope="session")
def secret():
    """Return the key as it stands in a file or in the environment."""
    return "5e" * 32


@pytest.fixture(scope="session")
def key(secret):
    return Key(bytes.fromhex(secret))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(directory, key, clock):
    return Ledger(directory, key, clock)


@pytest.fixture
def requests(directory, ledger):
    return Requests(directory, ledger)


@pytest.fixture
def carried(requests):
    """Take a request from where it stands to a later step."""

    def carry(request, until, **details):
        for state in STEPS[STEPS.index(request.reached) + 1 : STEPS.index(until) + 1]:
            request = requests.advance(request.request_id, state, **details)
        return request

    return carry


@pytest.fixture
def users(key):
    return [key.user(number) for number in range(6)]


@pytest.fixture
def items(key):
    return [key.item(number) for number in range(6)]


@pytest.fixture
def one(requests, users):
    """Open request for two accounts."""
    return requests.receive("account", users[:2], "asked by mail")


@pytest.fixture
def unchanged(directory):
    """Remember the state when first called, and hold it to that later."""
    before = []

    def check():
        before.append({path: path.read_bytes() for path in directory.rglob("*") if path.is_file()})
        assert before[-1] == before[0]

    return check


@pytest.fixture
def parts():
    """Return what a workflow tells a receipt."""
    return {
        "before": {"version": 1, "digest": "aa"},
        "after": {"version": 2, "digest": "bb"},
        "audit": {"auc": 0.51, "passed": True},
        "purge": {"removed": [1], "kept": []},
    }


@pytest.fixture
def key_file(directory, secret):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FILE).write_text(secret)
    (directory / FILE).chmod(0o600)


@pytest.fixture
def remaining(key):
    """Everybody who remains: 0, 1 and 2 have gone."""
    return SortedTree(key.user(number) for number in range(3, 40))


@pytest.fixture
def purged(requests, key, clock, carried):
    request = requests.receive("account", [key.user(0), key.user(1)], "asked by mail")
    clock.pass_by(days=2)
    return carried(request, State.PURGED)


@pytest.fixture
def receipt(ledger, purged, remaining, parts):
    return issue(ledger, purged, users=remaining, **parts)


@pytest.fixture
def issued(receipt, requests, directory, key_file):
    """Written and recorded, as a workflow does."""
    path = receipt.write(directory)
    requests.advance(receipt.request["request_id"], "receipted", receipt=receipt.digest)
    return path


@pytest.fixture(scope="session")
def others(tmp_path_factory):
    """A workspace in which nobody who is searched for ever was."""
    return workspace_of_others(tmp_path_factory.mktemp("others"))


@pytest.fixture
def workspace(others, tmp_path):
    """A copy of it, in which something may be planted."""
    return Path(shutil.copytree(others, tmp_path / "workspace"))
