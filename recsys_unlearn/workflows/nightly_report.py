"""What a night's work came to, for programs and for people."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from recsys_unlearn.workflows.deletion.outcome import ForgetOutcome
from recsys_unlearn.workflows.resume import Failure


@dataclass(frozen=True)
class NightlyReport:
    """One night.

    Parameters
    ----------
    requests
        Each that was carried on, as ``forget`` tells it.
    resumed
        How many of them another process had left half-way.
    erased_again
        Users who had been erased before and were in the store once more.
    version
        The one that serves in the morning.
    budget
        ``limit``; ``spent``, the share by now; ``retrained``, whether it was spent tonight.
    purged_versions, kept_versions
        Removed because they held the forgotten; kept although they are superseded, each with the reason.
    failed
        What could not be carried to its end; it stays open.
    open, next_due_at
        Requests that are left, and when the first of them is due.
    """

    started_at: str
    requests: list[ForgetOutcome]
    resumed: int
    erased_again: int
    version: int | None
    budget: dict[str, Any]
    purged_versions: list[int]
    kept_versions: list[tuple[int, str]]
    failed: list[Failure]
    open: int
    next_due_at: str | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or the highest of what failed."""
        return max((each.exit_code for each in self.failed), default=0)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; names no user."""
        return asdict(self)

    def as_text(self) -> str:
        """Return the night in lines for people; names no user."""
        users, interactions = (sum(getattr(each, name) for each in self.requests) for name in _COUNTED)
        budget = self.budget
        lines = [
            f"Night of {self.started_at}: {len(self.requests):,} requests, {users:,} users, "
            f"{interactions:,} interactions, in {self.seconds['total']:.1f} s.",
            f"  carried on after a crash   {self.resumed:,}",
            f"  back with restored data    {self.erased_again:,}",
            f"  version that serves        {self.version or 'none'}",
            f"  deletion budget spent      {budget['spent']:.2%} of {budget['limit']:.2%}"
            + (": trained anew, as tonight's deletions went past it" if budget["retrained"] else ""),
            f"  versions purged            {_numbers(self.purged_versions)}",
            f"  superseded versions kept   {_numbers([number for number, _ in self.kept_versions])}",
            f"  still open                 {self.open:,}"
            + (f", the first due on {self.next_due_at[:10]}" if self.next_due_at else ""),
            *_audits(self.requests),
            *(f"FAILED, {len(each.requests):,} requests: {each.error}" for each in self.failed),
        ]
        return "\n".join(lines) + "\n"


_COUNTED = ("users", "interactions")


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _audits(requests: Sequence[ForgetOutcome]) -> Iterator[str]:
    """One line for each version that was audited."""
    for outcome in {each.version: each for each in requests if each.audit.get("verdict")}.values():
        auc = outcome.audit["adjusted_auc"]
        figure = "–" if auc is None else f"{auc:.3f}"
        found = f"{outcome.audit['verdict']} (adjusted membership AUC {figure})"
        yield f"  audit of version {outcome.version}         {found}"
        if outcome.guarantee == "exact" and outcome.audit["verdict"] in ("remembered", "over-forgotten"):
            yield "  it was trained without them: the audit sees how else they differ from the strangers"
