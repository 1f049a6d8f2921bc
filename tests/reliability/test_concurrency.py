"""Sixteen processes at once, for overlapping people, while others read: as if one came after the other."""

import json
import os
import random

import pytest
from workspace_contents import recommender

from recsys_unlearn.workflows.steady import steady
from recsys_unlearn.workspace import Workspace
from reliability.state import state
from reliability.trials import differences

PROCESSES = 16
READERS = (("status",), ("compare",))
SEED = int(os.environ.get("RELIABILITY_SEED", "0")) or random.randrange(1, 2**32)


@pytest.fixture
def everybody(pristine):
    """Ids of all people, in no order."""
    people = [str(each) for each in Workspace(pristine).store().user_ids().values()]
    random.Random(0).shuffle(people)
    return people


class Round:
    """Sixteen deletions started together; overlapping, as each user is named by two or three of them."""

    def __init__(self, forks, root, people, draw, wait=True):
        self.forks, self.root, self.people = forks, root, people
        leaving = draw.sample(people, 6)
        self.asked = [sorted(draw.sample(leaving, draw.choice((1, 1, 2)))) for _ in range(PROCESSES)]
        self.stays = next(user for user in people if user not in leaving)
        self.wait = ("--wait",) if wait else ()

    def run(self):
        """Start, read meanwhile, wait; return who was forgotten."""
        commands = [
            ("forget", *_named(users), "--yes", "--no-audit", *self.wait, "--json") for users in self.asked
        ]
        started = [self.forks.start(self.root, *command) for command in commands]
        reading = [
            self.forks.start(self.root, *each) for each in (*READERS, ("recommend", "--user", self.stays))
        ]
        self.read = [self.forks.wait(each, 240) for each in reading]
        self.ended = [self.forks.wait(each, 240) for each in started]
        done = [users for users, ended in zip(self.asked, self.ended, strict=True) if ended.code == 0]
        return {user for users in done for user in users}

    @property
    def codes(self):
        return {ended.code for ended in self.ended}


def _named(users):
    return [part for user in users for part in ("--user", user)]


def _known(root, people):
    store = Workspace(root).store()
    return {user for user, row in zip(people, store.user_rows(people), strict=True) if row >= 0}


def _order(root):
    """Keyed hashes of the people of each request, in the order in which their data was erased."""
    ledger = [
        json.loads(line) for line in (root / "data" / "erasure" / "ledger.jsonl").read_text().splitlines()
    ]
    subjects = {
        each["body"]["request"]: each["body"]["subject"] for each in ledger if each["kind"] == "received"
    }
    return [subjects[each["body"]["request"]] for each in ledger if each["kind"] == "data_erased"]


def _check(forks, fresh, round):
    forgotten, root = round.run(), round.root
    for reader in round.read:
        assert reader.code == 0, reader.err
    assert forgotten and _known(root, round.people) == {*round.people} - forgotten
    assert forks.run(root, "resume").code == 0
    found, order = state(root), _order(root)
    key = Workspace(root).key()
    people = {key.user(user): user for user in round.people}
    assert sorted(hash for batch in order for hash in batch) == sorted(map(key.user, forgotten))
    root = fresh()
    for batch in order:
        one = forks.run(root, "forget", *_named([people[each] for each in batch]), "--yes", "--no-audit")
        assert one.code == 0, one.err
    return list(differences(_without_order(state(root)), _without_order(found)))


def _without_order(found):
    """Requests are received in one order and carried out in another, so that the ledger's lines are mixed."""
    lines = sorted(map(json.dumps, found["erasure"]["ledger"]))
    return found | {"erasure": found["erasure"] | {"ledger": lines}}


def test_all_wait_for_each_other_and_nobody_is_lost(forks, fresh, everybody):
    print(f"RELIABILITY_SEED={SEED}")
    round = Round(forks, fresh(), everybody, random.Random(SEED))
    assert _check(forks, fresh, round) == []
    assert round.codes == {0}


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_without_waiting_the_others_are_told_who_is_at_work(forks, fresh, everybody):
    print(f"RELIABILITY_SEED={SEED}")
    round = Round(forks, fresh(), everybody, random.Random(SEED), wait=False)
    assert _check(forks, fresh, round) == []
    assert round.codes <= {0, 6}
    for ended in round.ended:
        if ended.code == 6:
            assert "another process is changing the workspace" in ended.err


@pytest.mark.soak
def test_the_champion_is_always_a_whole_version(forks, fresh, everybody):
    root = fresh()
    store = Workspace(root).store()
    members = [user for user in everybody if not store.is_stranger(store.user_row(user))]

    @steady  # as every reader is: a version may be purged while it is read
    def served():
        workspace = Workspace(root)
        number = workspace.registry().champion().number
        recommender(workspace, number)
        return number

    deletions = [
        forks.start(root, "forget", "--user", user, "--yes", "--no-audit", "--wait") for user in members[:3]
    ]
    seen = [served()]
    while seen[-1] < 4:  # a slow reader may miss the second and the third
        seen.append(served())
    assert seen == sorted(seen)
    assert [forks.wait(each, 120).code for each in deletions] == [0, 0, 0]


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_two_hundred_rounds(forks, fresh, everybody):
    rounds = int(os.environ.get("RELIABILITY_ROUNDS", "200"))
    print(f"RELIABILITY_SEED={SEED} RELIABILITY_ROUNDS={rounds}")
    draw, wrong = random.Random(SEED), {}
    for number in range(rounds):
        found = _check(forks, fresh, Round(forks, fresh(), everybody, draw, wait=number % 2 == 0))
        if found:
            wrong[number] = found
    assert wrong == {}
