"""Forget users, step by step: the parts of `forget`, and where the ledger is told of each.

python pipelines/forget_user.py --workspace shop < ids-of-the-leaving.txt

`workflows/deletion/carrying.py` does the same for the command line, from wherever a request stands.
"""

import argparse
import json
import sys
from pathlib import Path

from recsys_unlearn.erasure.requests import State
from recsys_unlearn.workflows.deletion import candidate, clearing, receipts
from recsys_unlearn.workflows.deletion.erasing import erase
from recsys_unlearn.workflows.deletion.intake import receive, recognise
from recsys_unlearn.workflows.deletion.planning import plan
from recsys_unlearn.workflows.deletion.serving import Service
from recsys_unlearn.workflows.deletion.terms import Terms
from recsys_unlearn.workflows.lineage import Lineage
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workflows.version_files import open_version
from recsys_unlearn.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(), help="directory with data/ and mlruns/")
    workspace, terms = Workspace(parser.parse_args().workspace), Terms()
    with workspace.locked("pipelines/forget_user.py"):
        # Receive. Ids come in on standard input, where the process list does not show them.
        requests, registry = workspace.requests(), workspace.registry()
        request = receive(workspace, recognise(workspace, sys.stdin.read().splitlines()), terms)

        # Plan, and erase. The forget set, as rows, outlives the data in the working directory.
        batch = plan(workspace, requests, [request], terms)
        batch = batch.advanced(requests, State.DATA_ERASED, erase(workspace, batch))

        # Unlearn, and index: a version in the working directory, which nobody sees yet.
        store = workspace.store()
        parent, splits = open_version(registry, store), store.splits()
        made = candidate.make(batch, parent, splits, Lineage(requests.ledger.entries()))
        batch = batch.advanced(requests, State.MODEL_UPDATED, {"parent_version": made.parent})
        candidate.index(made)
        batch = batch.advanced(requests, State.INDEX_REBUILT, {})

        # Audit, publish, and move the alias, which happens only if the audit passes.
        served = Service(workspace, registry, batch, splits, Stopwatch()).begin(made, parent)
        batch = batch.advanced(requests, State.VERIFIED, served | {"made_by": made.made_by})

        # Purge the versions that still hold them, and write the receipt.
        purged, _ = clearing.clear(workspace, registry, requests, terms.retention())
        kept = {"versions": purged.versions, "kept": purged.kept, "residue": None}
        receipts.write(workspace, requests, batch.advanced(requests, State.PURGED, kept).requests)
    print(json.dumps({"version": served["version"], "served": True, "audit": served["audit"]}, indent=2))


if __name__ == "__main__":
    main()
