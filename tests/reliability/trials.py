"""One command, tried again and again on copies of one workspace, each time with another fault."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from reliability.faults import Ended, Fault, Forks
from reliability.state import state


@dataclass
class Trials:
    """A command that is disturbed, and what has to come of it in the end.

    Parameters
    ----------
    fresh
        Returns a new copy of the workspace.
    command
        What is disturbed.
    """

    forks: Forks
    fresh: Any
    command: tuple[Any, ...]
    root: Path = field(init=False)

    @cached_property
    def before(self) -> dict[str, Any]:
        """State that the command finds."""
        return state(self.fresh())

    @cached_property
    def _undisturbed(self) -> tuple[Ended, dict[str, Any]]:
        root = self.fresh()
        ended = self.forks.run(root, *self.command, fault=Fault())
        assert (ended.code, ended.around) == (0, 0), ended.err
        return ended, state(root)

    @property
    def after(self) -> dict[str, Any]:
        """State that the command leaves when nobody disturbs it."""
        return self._undisturbed[1]

    @property
    def operations(self) -> list[str]:
        """Every write that the undisturbed command makes, in order."""
        return self._undisturbed[0].operations

    def spread(self, count: int) -> list[int]:
        """``count`` of the writes, counted from 1, evenly over all of them, with the first and the last."""
        n = len(self.operations)
        few = min(count, n)
        return sorted({1 + round(each * (n - 1) / max(few - 1, 1)) for each in range(few)})

    def disturbed(self, fault: Fault) -> Ended:
        """Try the command on a new copy with a fault."""
        self.root = self.fresh()
        return self.forks.run(self.root, *self.command, fault=fault)

    def resume(self) -> list[str]:
        """``resume``, and what is then wrong: the request was lost, or is neither done nor untouched."""
        resumed = self.forks.run(self.root, "resume", "--json")
        if resumed.code:
            return [f"resume: exit code {resumed.code}: {resumed.err}"]
        return list(differences(self._expected(), state(self.root)))

    def again(self) -> list[str]:
        """Repeat the command, and say what is then not as in the undisturbed run."""
        again = self.forks.run(self.root, *self.command)
        if again.code:
            return [f"again: exit code {again.code}: {again.err}"]
        return list(differences(self.after, state(self.root)))

    def _expected(self) -> dict[str, Any]:
        """After ``resume``: a request that was written down is done, and of any other there is no trace."""
        ledger = self.root / "data" / "erasure" / "ledger.jsonl"
        received = ledger.exists() and b'"received"' in ledger.read_bytes()
        return self.after if received else self.before


def differences(expected: Any, found: Any, at: str = "") -> Iterator[str]:
    """Where two states differ, one line for each place."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}, key=str):
            yield from differences(expected.get(key), found.get(key), f"{at}/{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{at}[{number}]")
    elif expected != found:
        yield f"{at}: {expected!r:.200} expected, {found!r:.200} found"
