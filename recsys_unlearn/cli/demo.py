"""``recsys-unlearn demo``: the whole story, on people who do not exist."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.compare import comparison_parts
from recsys_unlearn.cli.forget import outcome_parts
from recsys_unlearn.cli.output import note, seconds, show
from recsys_unlearn.cli.progress import progress_bars

SHOWN = ("recall@20", "ndcg@20", "coverage@20", "deleted/users", "deleted/interactions")
EXAMPLES = """
recsys-unlearn demo
recsys-unlearn demo --workspace my-demo --json
"""


@command(EXAMPLES, workspace="demo-workspace")
def demo_command(workspace: Path, as_json: bool) -> None:
    """Show it all on synthetic users: train, recommend, forget, audit, compare.

    Works in a directory of its own and starts anew there each time. A directory that it did not make
    is left alone.
    """
    note("A demo on synthetic users: ingest, train, recommend, forget, audit, compare...")
    from recsys_unlearn.workflows.demo import demo

    with progress_bars(as_json) as progress:
        outcome = demo(workspace, progress=progress).as_dict()
    show(outcome, as_json, lambda: _parts(outcome))


def _parts(outcome: Mapping[str, Any]) -> Iterator[Any]:
    data, trained, shown = outcome["ingest"], outcome["train"], outcome["recommended"]
    yield (
        f"1. Ingested {data['interactions']:,} interactions with {data['items']:,} items by "
        f"{data['users']:,} users; {data['stranger_users']} of them stay strangers."
    )
    yield (
        f"2. Trained version {trained['version']} in {seconds(trained['seconds']['total'])}: "
        f"Recall@20 {trained['metrics']['recall@20']:.3f}."
    )
    yield f"3. Recommended to {shown['user']}: {', '.join(map(str, shown['items']))}."
    yield "4. " + next(iter(parts := outcome_parts(outcome["forget"])))
    yield from parts
    refused = outcome["refused"]
    yield f"5. Recommended to them again, which ends in exit code {refused['exit_code']}:"
    yield f"  {refused['message']}"
    batch = outcome["batch"]
    found = batch["audit"]
    if found:
        yield (
            f"6. Forgot {batch['users']} more at once: membership AUC {found['auc_before']:.2f} before, "
            f"{found['auc']:.2f} after; verdict: {found['verdict']}."
        )
    left = outcome["audit"]["audit"]
    yield (
        f"7. Audited version {outcome['audit']['version']}: for the users who are still in it, "
        f"membership AUC {left['auc']:.2f} ({left['verdict']})."
    )
    yield "8. Compared the versions:"
    yield from comparison_parts(outcome["versions"], SHOWN)
    yield f"All of it took {seconds(outcome['seconds'])}. In the MLflow UI:"
    yield f"  {_as_typed()} ui --workspace {outcome['workspace']}"


def _as_typed() -> str:
    """Return the command as it can be typed here: with its path, where it is not on the search path."""
    started = Path(sys.argv[0])
    here = started.name == "recsys-unlearn" and not shutil.which("recsys-unlearn")
    return str(started) if here else "recsys-unlearn"
