"""Any history of ingests, deletions, crashes and restored backups, against a model of who may be there."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from recsys_unlearn.workspace import Workspace
from reliability.faults import SCRATCH, Fault
from reliability.soaking import SMALL_MODEL, people_file, seed
from reliability.state import holding, temporary

STEPS, MANY = 10, 50  # in one history
NIGHT = int(os.environ.get("RELIABILITY_STEPS", "10000"))
BACKED_UP = ("data/store", "mlruns")  # what a backup job copies; the ledger is kept elsewhere
PICK = st.integers(0, 10**6)


class History(RuleBasedStateMachine):
    """The command line on the one side; who is there, who left, and the pairs that did on the other."""

    forks, room, steps = None, None, 0

    def __init__(self):
        super().__init__()
        self.root = self.room / "history" / "workspace"
        shutil.rmtree(self.root.parent, ignore_errors=True)
        (self.root.parent / SCRATCH).mkdir(parents=True)
        self.root.mkdir()
        self.living, self.gone = set(), set()
        self.pairs_gone = set()  # of people who stay; no source and no backup brings them back
        self.backup = None
        self.newest, self.unsettled = 0, False
        self.ingest(newcomers=20)

    @rule(newcomers=st.integers(0, 4))
    def ingest(self, newcomers):
        self._count()
        self.newest += newcomers
        everybody = [f"canary-{number}-7f3a" for number in range(self.newest)]
        source = people_file(self.root.parent / "source.csv", everybody, self.newest)
        self._must("ingest", source, "--n-buckets", 2, "--strangers", 0.2, "--replace")
        pairs = {*pl.read_csv(source).select("user", pl.col("item").cast(str)).iter_rows()} - self.pairs_gone
        source.unlink()
        self._must("train", *SMALL_MODEL)
        self.living, self.unsettled = {user for user, _ in pairs} - self.gone, False

    @rule()
    def train(self):
        self._count()
        self._must("train", *SMALL_MODEL)
        self.unsettled = False

    @precondition(lambda self: len(self.living) > 6)
    @rule(pick=PICK, more=st.booleans(), queue=st.booleans())
    def forget(self, pick, more, queue):
        self._count()
        people = {self._one(pick), self._one(pick // 7)} if more else {self._one(pick)}
        self._must("forget", *_named(people), "--yes", "--no-audit", *(["--queue"] if queue else []))
        if queue:
            self._must("resume")
        self._leave(people)

    @precondition(lambda self: len(self.living) > 6 and not self.unsettled)
    @rule(pick=PICK)
    def forget_items(self, pick):
        self._count()
        user = self._one(pick)
        items = self._items(user)[:2]
        if items:
            self._must("forget", "--user", user, "--items", ",".join(items), "--yes", "--no-audit")
            self.pairs_gone |= {(user, item) for item in items}

    @precondition(lambda self: self.gone)
    @rule(pick=PICK)
    def forget_again(self, pick):
        self._count()
        user = sorted(self.gone)[pick % len(self.gone)]
        self._must("forget", "--user", user, "--yes", "--no-audit")

    @precondition(lambda self: len(self.living) > 6)
    @rule(pick=PICK, at=st.integers(1, 900), torn=st.booleans())
    def crash(self, pick, at, torn):
        self._count()
        user = self._one(pick)
        fault = (Fault.tear if torn else Fault.kill)(at)
        ended = self.forks.run(self.root, "forget", "--user", user, "--yes", "--no-audit", fault=fault)
        assert ended.code in (0, -9), ended
        workspace = Workspace(self.root)
        about = workspace.requests().find(workspace.key().user(user))  # the items of who stays, too
        if any(each.kind == "account" for each in about):
            self._must("resume")
            self._leave({user})
        elif ended.fired:
            self._must("resume")

    @rule()
    def resume(self):
        self._count()
        self._must("resume")
        self.unsettled = False

    @rule()
    def back_up(self):
        self._count()
        kept = self.root.parent / "backup"
        shutil.rmtree(kept, ignore_errors=True)
        for name in BACKED_UP:
            shutil.copytree(self.root / name, kept / name)
        self.backup = set(self.living)

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self):
        self._count()
        for name in BACKED_UP:
            shutil.rmtree(self.root / name)
            shutil.copytree(self.root.parent / "backup" / name, self.root / name)
        self.living, self.unsettled = self.backup - self.gone, True

    @invariant()
    def the_data_holds_whoever_may_be_there_and_nobody_else(self):
        if self.unsettled:  # until the next writer comes; `resume` is one
            return
        everybody = [f"canary-{number}-7f3a" for number in range(self.newest)]
        rows = Workspace(self.root).store().user_rows(everybody)
        assert {user for user, row in zip(everybody, rows, strict=True) if row >= 0} == self.living
        for user, item in self.pairs_gone:
            assert user not in self.living or item not in self._items(user)

    def teardown(self):
        self._must("resume")
        assert Workspace(self.root).requests().open() == []
        assert temporary(self.root) == []
        for user in self.gone:
            assert holding(self.root, user) == []
        self._must("status")

    def _one(self, pick):
        return sorted(self.living)[pick % len(self.living)]

    def _items(self, user):
        store = Workspace(self.root).store()
        return [str(item) for item in store.item_ids(store.history(store.user_row(user)).items.tolist())]

    def _leave(self, people):
        self.living -= people
        self.gone |= people
        self.unsettled = False

    def _must(self, *command):
        ended = self.forks.run(self.root, *command, seconds=240)
        assert ended.code == 0, (command, ended.out, ended.err)

    def _count(self):
        type(self).steps += 1


def _named(users):
    return [part for user in sorted(users) for part in ("--user", user)]


def _run(forks, room: Path, histories, steps):
    History.forks, History.room, History.steps = forks, room, 0
    options = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seeded(seed())(History), settings=options)
    print(f"{History.steps} steps")


@pytest.mark.slow
def test_no_short_history_loses_or_brings_back_anybody(forks, room):
    _run(forks, room, 1, STEPS)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_no_history_of_a_night_loses_or_brings_back_anybody(forks, room):
    _run(forks, room, -(-NIGHT // MANY), MANY)
    assert History.steps >= NIGHT // 2
