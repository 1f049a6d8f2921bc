"""``recsys-unlearn forget``: remove users, or some items of a user, from the data and the model."""

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys_unlearn.cli.audit import audit_figures
from recsys_unlearn.cli.command import command, wait_option
from recsys_unlearn.cli.decide import decided
from recsys_unlearn.cli.output import durations, facts, show
from recsys_unlearn.cli.progress import progress_bars
from recsys_unlearn.errors import RecsysUnlearnError, UnreadableSource, UsageError

if TYPE_CHECKING:
    from recsys_unlearn.workspace import Workspace

EXAMPLES = """
recsys-unlearn forget --user 42 --dry-run
recsys-unlearn forget --user 42 --yes --json
recsys-unlearn forget --user 42 --items 1193,661
recsys-unlearn forget --users-file - --yes < leaving.txt
recsys-unlearn forget --users-file leaving.txt --queue --yes
recsys-unlearn forget --extend request-42af7dd5cbe4 --reason complex
"""


@command(EXAMPLES)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="ID",
    help="A user's id; may be repeated. It shows in the process list and in the shell's history.",
)
@click.option(
    "--users-file",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="One id per line, UTF-8; `-` reads standard input, and the ids show nowhere.",
)
@click.option(
    "--items",
    metavar="ID,...",
    help="Forget only these items of one user, who stays. As in csv, an id with a comma is quoted.",
)
@click.option(
    "--method",
    metavar="NAME",
    help="By default the one that suits the model. Exact: exact, shards, retrain (slow). Heuristic: "
    "natural_ascent, healed_ascent, gradient_ascent, projected_ascent, scif, ifru, neg_grad, fine_tune, "
    "sparse_fine_tune, random_label, saliency, scrub, refine, untrain_als.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
@click.option("--no-audit", is_flag=True, help="Do not measure whether the users are gone.")
@click.option(
    "--keep",
    default="0",
    show_default=True,
    metavar="N|Nd",
    help="Keep the newest N superseded versions, which hold the users, or each for N days.",
)
@click.option("--queue", is_flag=True, help="Only take the request in; nightly.py or resume does the rest.")
@click.option("--reason", default="", metavar="TEXT", help="For the record. Must not name anybody.")
@click.option(
    "--deny", metavar="REQUEST", help="Close this request, whose data is still there; needs --reason."
)
@click.option("--extend", metavar="REQUEST", help="Give this request two more months; needs --reason.")
@wait_option
def forget_command(
    workspace: Path,
    as_json: bool,
    users: tuple[str, ...],
    users_file: str | None,
    items: str | None,
    **choices: Any,
) -> None:
    """Forget users, or some items of a user, for good.

    Their interactions, their id, their row of the model and their traces in the item vectors go. A
    new version is made, audited, and becomes the champion; versions that still hold them are
    removed, and a receipt is written. It cannot be undone. Who was erased before is told so.
    """
    if choices["deny"] or choices["extend"]:
        decided(workspace, as_json, bool(users or users_file), **choices)
        return
    wanted = _user_ids(users, users_file)
    unwanted = None if items is None else _item_ids(items, wanted)
    _check_askable(choices["dry_run"] or choices["yes"], users_file)
    from recsys_unlearn.workspace import Workspace

    place = Workspace(workspace)
    request = {"users": wanted, "items": unwanted, "method": choices["method"]}
    if not (choices["dry_run"] or choices["yes"]) and not _agreed(place, request):
        raise RecsysUnlearnError("not confirmed; nothing was changed")
    _carry_out(place, request, choices, as_json)


def _user_ids(users: tuple[str, ...], users_file: str | None) -> list[str]:
    """Ids from both options, each once, in the order given."""
    ids = [*users, *(_lines(users_file) if users_file else ())]
    if not ids:
        raise UsageError("nobody to forget: pass --user ID, or --users-file with at least one id")
    return list(dict.fromkeys(ids))


def _lines(file: str) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise UnreadableSource(f"cannot read --users-file: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise UnreadableSource("--users-file is not UTF-8 text: convert it first") from None
    return [line for line in (line.removesuffix("\r") for line in lines) if line]


def _item_ids(items: str, users: list[str]) -> list[str]:
    if len(users) != 1:
        raise UsageError(f"--items goes with one user, and {len(users)} were given: run once for each")
    try:
        ids = [item for item in next(csv.reader([items], strict=True), []) if item]
    except csv.Error:
        raise UsageError("--items is not one line of csv: check its quotes and line ends") from None
    if not ids:
        raise UsageError("--items is empty: list item ids, or leave it out to forget the whole account")
    return ids


def _check_askable(settled: bool, users_file: str | None) -> None:
    if not settled and (users_file == "-" or not _is_terminal()):
        raise UsageError("a deletion cannot be undone and there is nobody to ask: pass --yes, or --dry-run")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _agreed(workspace: "Workspace", request: Mapping[str, Any]) -> bool:
    """Ask, with the number of what would go."""
    from recsys_unlearn.workflows.forget import forget

    plan = forget(workspace, **request, dry_run=True).as_dict()
    if plan["status"] == "already erased":
        return True
    what = f"{plan['interactions']:,} interactions of {_people(plan['users'])}"
    return click.confirm(f"Forget {what} for good?", err=True)


def _carry_out(
    workspace: "Workspace", request: Mapping[str, Any], choices: Mapping[str, Any], as_json: bool
) -> None:
    from recsys_unlearn.workflows.forget import Handling, forget

    handling = Handling(**{name: choices[name] for name in ("keep", "reason", "queue", "wait")})
    how = {"dry_run": choices["dry_run"], "verify": not choices["no_audit"], "handling": handling}
    with progress_bars(as_json) as progress:
        outcome = forget(workspace, **request, **how, progress=progress).as_dict()
    show(outcome, as_json, lambda: outcome_parts(outcome))


def outcome_parts(outcome: Mapping[str, Any]) -> Iterator[Any]:
    """Say what was asked, what was done, how long it took, what it cost, and what still holds the data."""
    what = f"{outcome['interactions']:,} interactions of {_people(outcome['users'])}"
    again = outcome["already_erased"]
    if outcome["status"] == "already erased":
        yield f"Already erased: {_people(again)}. Nothing was changed."
    elif outcome["status"] == "planned":
        yield f"Would forget {what} by {outcome['method']}. Nothing was changed."
    elif outcome["status"] == "queued":
        yield f"Received {outcome['request_id']}: {_people(outcome['users'])}, due {outcome['due_at'][:10]}."
        yield "Next: recsys-unlearn resume, or pipelines/nightly.py"
    else:
        yield from _done(outcome, what)
    if again and outcome["status"] != "already erased":
        yield f"{_people(again)} of those named had been erased before."


def _done(outcome: Mapping[str, Any], what: str) -> Iterator[Any]:
    made = f"version {outcome['version']}, made from version {outcome['parent_version']}"
    if outcome["version"] == outcome["parent_version"]:
        made = "no model held any of it"
    yield f"Forgot {what} by {outcome['method']}: {made}."
    yield facts(_figures(outcome))
    if older := outcome["older_versions"]:
        versions = f"version {older[0]} is" if len(older) == 1 else f"{len(older)} older versions are"
        yield f"What was forgotten is still in older files: {versions} on disk, and not served."
    if outcome["receipt"]:  # on a line of its own, to be copied
        yield f"Receipt: {outcome['receipt']}"
    if outcome["residue"].get("hits"):
        yield f"A search still finds them in {'; '.join(outcome['residue']['places'])}."


def _figures(outcome: Mapping[str, Any]) -> dict[str, str]:
    before, after = (outcome["utility"].get(side, {}) for side in ("before", "after"))
    kept = {f"{name} of who stays": f"{before[name]:.4f} -> {after[name]:.4f}" for name in before}
    return {
        "request": outcome["request_id"],
        "time": durations(outcome["seconds"]),
        **kept,
        **audit_figures(outcome["audit"]),
        "guarantee": f"{outcome['guarantee']}; may leave {outcome['leaves_behind']}",
        "purged": ", ".join(f"version {number}" for number in outcome["purged_versions"]) or "nothing",
    }


def _people(count: int) -> str:
    return "1 user" if count == 1 else f"{count:,} users"
