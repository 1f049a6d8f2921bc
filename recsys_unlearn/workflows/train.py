"""Train a version on the store, measure it, and let it serve if it is good enough."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recsys_unlearn.interactions.contract import Interactions, Splits
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.progress import Progress
from recsys_unlearn.readiness.natural import measure_readiness
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.registry import DEFAULT, recommender_kind
from recsys_unlearn.tracking.figures import recall_figure
from recsys_unlearn.tracking.runs import Run
from recsys_unlearn.tracking.versions import Version
from recsys_unlearn.workflows.deletion.erasing import settle
from recsys_unlearn.workflows.lineage import Origin, record, recorded_recall
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workflows.version_files import STORE_TAG, index_of, staged
from recsys_unlearn.workspace import Workspace

K = 20
UTILITY = (f"recall@{K}", f"ndcg@{K}")  # the two that stand beside each other before and after
GATE = 0.95  # share of the champion's Recall@20 that a new version must reach to take its place


@dataclass(frozen=True)
class TrainOutcome:
    """A trained version.

    Parameters
    ----------
    version
        Its number.
    champion
        Whether it serves now.
    metrics
        Of the test split, training and validation items excluded; empty if nobody has test items.
    erased_again
        Users who, or whose items, had been erased before and were in the store once more, as after a
        restored backup.
    """

    version: int
    model: str
    champion: bool
    epochs: int
    users: int
    items: int
    interactions: int
    seconds: dict[str, float]
    metrics: dict[str, float]
    erased_again: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def train(
    workspace: Workspace,
    options: Any = None,
    progress: Progress | None = None,
    wait: float = 0.0,
    model: str = DEFAULT,
) -> TrainOutcome:
    """Fit on the training split; validation decides when to stop; test is looked at once.

    Deletions that were planned before are erased from the data first, and so is whoever came back with
    restored data.

    Parameters
    ----------
    options
        Hyper-parameters of the model; its defaults, unless given.
    wait
        Seconds to wait for another process that is changing the workspace.
    model
        Name of a recommender in :data:`recsys_unlearn.recommenders.registry.OPTIONS`.

    Raises
    ------
    UsageError
        If there is no such model, or it cannot be trained on so many items.
    StoreError
        If nothing was ingested.
    Locked
        If another process is changing the workspace.
    """
    clock, kind = Stopwatch(), recommender_kind(model)
    with workspace.locked("train", wait):
        returned = settle(workspace)
        store, registry = workspace.store(), workspace.registry()
        with clock.part("data"):
            splits = store.settled_splits()
        with clock.part("model"):
            recommender = kind(options).fit(splits.train, splits.validation, progress)
        with clock.part("readiness"):
            readiness = measure_readiness(recommender, splits.train, progress)
        with clock.part("index"):
            index = index_of(recommender)
        with clock.part("evaluation"):
            metrics = utility(recommender, splits, progress)
        tags = {STORE_TAG: store.store_id, "method": "train"}
        champion = registry.champion()
        with registry.tracker.run("train", "train", tags, asdict(recommender.options)) as run:
            run.dataset(workspace.sealed(store), store.n_users, store.n_items, len(splits.train))
            _draw(run, champion.metrics if champion else metrics, metrics)
            with clock.part("publish"), staged(workspace, recommender, readiness, index) as directory:
                version = registry.publish(directory, run, tags=tags, metrics=_logged(metrics, clock))
        record(workspace, version, store, Origin(from_scratch=True))
        takes_over = _takes_over(workspace, store, champion, metrics)
        if takes_over:
            registry.promote(version.number)
    return TrainOutcome(
        version=version.number,
        model=recommender.name,
        champion=takes_over,
        epochs=recommender.epochs,
        users=len(splits.train.active_users),
        items=store.n_items,
        interactions=len(splits.train),
        seconds=clock.seconds(),
        metrics=metrics,
        erased_again=sum(len(request.subject) for request in returned),
    )


def utility(recommender: Recommender, splits: Splits, progress: Progress | None = None) -> dict[str, float]:
    """Mean metrics at 20 over the users of the test split."""
    if not len(splits.test):
        return {}
    scorer = recommender.given(splits.train)
    return evaluate(scorer, splits.test, exclude=seen(splits), k=K, progress=progress).mean()


def seen(splits: Splits) -> Interactions:
    """Training and validation pairs together: what a ranking of the test items must leave out."""
    return splits.train.union(splits.validation)


def _draw(run: Run, before: Mapping[str, float], after: Mapping[str, float]) -> None:
    """Log the picture that every kind of run has, so that the UI's comparison finds it in both."""
    shown = [name for name in UTILITY if name in before and name in after]
    if shown:
        then, now = ({name: side[name] for name in shown} for side in (before, after))
        run.figure(recall_figure(then, now, title="Against the version that served before"), "recall.png")


def _takes_over(
    workspace: Workspace, store: InteractionStore, champion: Version | None, metrics: dict[str, float]
) -> bool:
    """Whether a version is good enough to serve; a champion of another ingest can serve nobody."""
    if champion is None or champion.tags.get(STORE_TAG) != store.store_id:
        return True
    return metrics.get("recall@20", 0.0) >= GATE * recorded_recall(workspace, champion)


def _logged(metrics: dict[str, float], clock: Stopwatch) -> dict[str, float]:
    seconds = {f"seconds/{part}": value for part, value in clock.seconds().items()}
    return metrics | seconds
