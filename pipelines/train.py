"""Ingest interactions, train a recommender, measure it, publish it: the parts of `ingest` and `train`.

python pipelines/train.py ratings.csv --workspace shop

The library has each part on its own; `workflows/` joins them for the command line.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from recsys_unlearn.metrics import evaluate
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.workflows.ingest import ingest
from recsys_unlearn.workflows.lineage import Origin, record
from recsys_unlearn.workflows.version_files import STORE_TAG, staged
from recsys_unlearn.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path, help="file of interactions, in any format that ingest reads")
    parser.add_argument("--workspace", type=Path, default=Path(), help="directory with data/ and mlruns/")
    parser.add_argument("--epochs", type=int, default=FactorizationOptions.epochs)
    arguments = parser.parse_args()

    workspace = Workspace(arguments.workspace)
    # Ingest: rows instead of ids, four disjoint splits, and strangers whom no training ever sees.
    ingest(workspace, arguments.source)
    with workspace.locked("pipelines/train.py"):
        store = workspace.store()
        splits = store.splits()

        # Train. Readiness is what the next deletion needs to know of the loss at its minimum.
        options = FactorizationOptions(epochs=arguments.epochs)
        recommender = Factorization(options).fit(splits.train, splits.validation)
        readiness = NaturalReadiness.measure(recommender, splits.train)
        index = ItemIndex.build(recommender.item_table)

        # Evaluate: the whole catalogue is ranked, without what training and validation hold.
        seen = splits.train.union(splits.validation)
        metrics = evaluate(recommender, splits.test, exclude=seen, k=20).mean()

        # Publish: a run, a version whose hashes the ledger keeps, and the alias that `recommend` follows.
        registry = workspace.registry()
        tags = {STORE_TAG: store.store_id, "method": "train"}
        with registry.tracker.run("pipelines/train.py", "train", tags, asdict(options)) as run:
            run.dataset(workspace.sealed(store), store.n_users, store.n_items, len(splits.train))
            with staged(workspace, recommender, readiness, index) as directory:
                version = registry.publish(directory, run, tags=tags, metrics=metrics)
        record(workspace, version, store, Origin(from_scratch=True))
        registry.promote(version.number)
    print(json.dumps({"version": version.number, "metrics": metrics}, indent=2))


if __name__ == "__main__":
    main()
