"""A workspace at work while somebody keeps pulling the plug, and what has to hold all the while."""

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from recsys_unlearn.interactions.synthetic import SyntheticOptions, generate
from recsys_unlearn.workspace import Workspace
from reliability.faults import Ended, Fault, Forks
from reliability.state import holding, temporary

NIGHTLY = Path(__file__).parents[2] / "pipelines" / "nightly.py"
SMALL_MODEL = ("--dim", 8, "--epochs", 2, "--batch-size", 256, "--negatives", 32)
PEOPLE = 60
SETTLE_EVERY = 10  # kills
ACTIONS = {
    "forget": 6,
    "items": 2,
    "queue": 2,
    "nightly": 2,
    "train": 1,
    "purge": 2,
    "resume": 4,
    "ingest": 1,
}


def seed() -> int:
    """Return the seed of this session, from ``RELIABILITY_SEED`` or drawn."""
    given = int(os.environ.get("RELIABILITY_SEED", "0")) or random.randrange(1, 2**32)
    print(f"RELIABILITY_SEED={given}")
    return given


class Soak:
    """One workspace, one seed; every step may be a process that dies at a random write or moment.

    Attributes
    ----------
    living, gone
        Ids of those who are in the data, and of those whose request for erasure was ever taken in.
    kills
        Number of processes killed, by what they did.
    """

    def __init__(self, forks: Forks, root: Path, seed: int) -> None:
        self.forks, self.root, self.draw = forks, root, random.Random(seed)
        self.living: set[str] = set()
        self.gone: set[str] = set()
        self.kills: Counter[str] = Counter()
        self.told: list[str] = []
        self._writes: dict[str, int] = {}
        self._newest = 0
        self._renew()

    def run(self, kills: int) -> None:
        """Go on until so many processes were killed; then let everything come to rest."""
        while self.kills.total() < kills:
            before = self.kills.total()
            self.step()
            if self.kills.total() > before and self.kills.total() % SETTLE_EVERY == 0:
                self.settle()
        self.settle()

    def step(self) -> None:
        """Do something, perhaps die of it, and look whether everything can still be read."""
        (action,) = self.draw.choices([*ACTIONS], [*ACTIONS.values()])
        if action == "ingest" or len(self.living) < PEOPLE // 2:
            self._renew(is_deadly=True)
        else:
            self._attempt(action, *self._command(action))
        self._take_note()
        self._read()

    def settle(self) -> None:
        """Finish what is open, and look for everything that must be there, or must not."""
        self._must("resume")
        self._must("purge")  # what a killed training left belongs to no request
        self._take_note()
        workspace = Workspace(self.root)
        requests = workspace.requests()
        assert requests.open() == [], self.history()
        for request in requests.all():
            assert (workspace.erasure_dir / "receipts" / f"{request.request_id}.json").exists(), (
                self.history()
            )
        rows = workspace.store().user_rows(sorted(self.living | self.gone))
        known = {user for user, row in zip(sorted(self.living | self.gone), rows, strict=True) if row >= 0}
        assert known == self.living, (known ^ self.living, self.history())
        assert temporary(self.root) == [], self.history()
        for user in self.draw.sample(sorted(self.gone), min(3, len(self.gone))):
            assert holding(self.root, user) == [], self.history()
            assert self._call("recommend", "--user", user).code == 3, self.history()

    def history(self) -> str:
        """Last steps, for whoever has to find out what went wrong."""
        return "\n" + "\n".join(self.told[-30:])

    def _command(self, action: str) -> tuple[Any, ...]:
        people = self.draw.sample(sorted(self.living), self.draw.choice((1, 1, 2)))
        named = [part for user in people for part in ("--user", user)]
        if action == "items":
            store = Workspace(self.root).store()
            row = store.user_row(people[0])
            items = store.item_ids(store.history(row).items[:2].tolist())
            return "forget", "--user", people[0], "--items", ",".join(map(str, items)), "--yes", "--no-audit"
        return {
            "forget": ("forget", *named, "--yes", "--no-audit"),
            "queue": ("forget", *named, "--yes", "--queue"),
            "train": ("train", *SMALL_MODEL),
            "purge": ("purge",),
            "resume": ("resume",),
            "nightly": (),
        }[action]

    def _attempt(self, action: str, *command: Any) -> Ended:
        script = NIGHTLY if action == "nightly" else None
        if self.draw.random() < 0.3:
            started = self.forks.start(self.root, *command, script=script)
            time.sleep(self.draw.uniform(0, 2))
            self.forks.kill(started)
            ended = self.forks.wait(started, 120)
        else:
            at = self.draw.randint(1, self._writes.get(action, 500))
            kind = self.draw.choice((Fault.kill, Fault.kill, Fault.tear))
            ended = self.forks.run(self.root, *command, script=script, fault=kind(at), seconds=120)
            self._writes[action] = (
                max(self._writes.get(action, 0), ended.count) if ended.code else ended.count + 1
            )
        self._tell(action, command, ended)
        # 2: items that an earlier request, killed, is about to take out; 3: a user likewise
        assert ended.code in (0, -9) or (ended.code, action) in ((2, "items"),), (ended, self.history())
        if ended.code == 0 and action in ("forget", "queue"):
            self._take_note()
            assert {user for user in self.living if user in command} == set(), self.history()
        return ended

    def _renew(self, is_deadly: bool = False) -> None:
        """Ingest everybody again, those who are gone among them, with as many newcomers as are missing."""
        newcomers = PEOPLE - len(self.living)
        people = [
            *sorted(self.living),
            *(f"canary-{self._newest + n}-7f3a" for n in range(newcomers)),
            *sorted(self.gone),
        ]
        self._newest += newcomers
        source = people_file(self.root.parent / "source.csv", people, self._newest)
        command = ("ingest", source, "--n-buckets", 4, "--strangers", 0.2, "--replace")
        if is_deadly:
            self._attempt("ingest", *command)
        self._must(*command)
        source.unlink()
        self._must("train", *SMALL_MODEL)
        self.living = {user for user in people if user not in self.gone}

    def _take_note(self) -> None:
        """Move everybody whose request is in the ledger to the gone; reading it verifies every line."""
        workspace = Workspace(self.root)
        if not workspace.has_ledger:
            return
        key, requests = workspace.key(), workspace.requests()
        accepted = {subject for each in requests.all() if each.kind == "account" for subject in each.subject}
        gone = {user for user in self.living if key.user(user) in accepted}
        self.living -= gone
        self.gone |= gone

    def _read(self) -> None:
        """Everybody who only reads is served, whatever has just died."""
        self._must(*self.draw.choice((("status",), ("recommend", "--user", min(self.living)), ("compare",))))

    def _must(self, *command: Any) -> None:
        ended = self._call(*command)
        assert ended.code == 0, (command, ended.err, self.history())

    def _call(self, *command: Any) -> Ended:
        ended = self.forks.run(self.root, *command, seconds=120)
        self._tell(command[0], command, ended)
        return ended

    def _tell(self, action: str, command: tuple[Any, ...], ended: Ended) -> None:
        if ended.code == -9:
            self.kills[action] += 1
        last = f", last write {ended.operations[-1]}" if ended.operations and ended.code == -9 else ""
        self.told.append(f"{action} {command}: {ended.code}{last} {ended.err.strip()[:200]}")


def people_file(path: Path, people: list[str], seed: int) -> Path:
    """Write synthetic interactions of people with these ids."""
    options = SyntheticOptions(
        n_users=max(len(people), 10),
        n_items=40,
        mean_history=8,
        n_clusters=3,
        households=1,
        outliers=1,
        seed=seed,
    )
    frame = generate(options).frame
    names = dict(zip(sorted(frame["user"].unique()), people, strict=False))
    frame.with_columns(pl.col("user").replace_strict(names)).write_csv(path)
    return path
