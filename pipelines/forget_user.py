"""Load the champion, forget users, audit, publish, erase their data: the parts of `forget`.

python pipelines/forget_user.py --workspace shop < ids-of-the-leaving.txt

The library has each part on its own; `workflows/` joins them for the command line.
"""

import argparse
import json
import sys
from pathlib import Path

from recsys_unlearn.audit.report import audit
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.workflows.deletion_plan import plan_deletion
from recsys_unlearn.workflows.version_files import STORE_TAG, open_version, staged
from recsys_unlearn.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(), help="directory with data/ and mlruns/")
    arguments = parser.parse_args()

    workspace = Workspace(arguments.workspace)
    with workspace.locked():
        # Load. Ids come in on standard input, where the process list does not show them.
        store, registry = workspace.store(), workspace.registry()
        parent, splits = open_version(registry, store), store.splits()
        recommender, readiness = parent.recommender(), parent.readiness()
        plan = plan_deletion(store, splits, sys.stdin.read().splitlines())

        # Forget: a new recommender; the served one is not touched.
        method = NaturalAscent()
        result = method.forget(recommender, splits.train, plan.request, readiness)
        index = ItemIndex.build(result.recommender.item_table)

        # Audit: are the forgotten like people whom the model was never shown?
        report = audit(result.recommender, plan.train, splits.strangers)

        # Publish; the alias moves only if the audit passed, and only then the data goes.
        tags = {STORE_TAG: store.store_id, "method": method.name, "guarantee": method.guarantee}
        counts = {"deleted/users": len(plan.accounts), "deleted/interactions": len(plan.pairs)}
        with (
            registry.tracker.run("pipelines/forget_user.py", "forget", tags) as run,
            staged(result.recommender, result.readiness, index) as directory,
        ):
            version = registry.publish(directory, run, parent.version.number, tags, counts)
        if report.passed:
            registry.promote(version.number)
            store.erase(plan.accounts)
    served = {"version": version.number, "served": report.passed}
    print(json.dumps(served | {"audit": report.as_dict()}, indent=2))


if __name__ == "__main__":
    main()
