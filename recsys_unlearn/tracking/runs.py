"""Runs: what was done to a workspace, when, with which settings, and how it came out."""

import json
import numbers
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_unlearn.durable import TEMPORARY
from recsys_unlearn.errors import UsageError
from recsys_unlearn.tracking import database, names
from recsys_unlearn.tracking.library import load_mlflow

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

KINDS = ("train", "forget", "audit", "benchmark")
LONGEST_VALUE = 500  # characters of a parameter or tag; what is longer belongs in an artifact
LONGEST_DIGEST = 36  # MLflow's limit on a dataset's digest

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

Scalar = str | numbers.Real | None  # numpy's numbers too


class Tracker:
    """The runs of one workspace, in ``WORKSPACE/mlruns``.

    The constructor does nothing; the database is made, or opened, when first needed. Opening it points
    MLflow's ``models:/`` addresses, for this process, at this workspace.

    A moved or copied workspace is mended at the next opening (see :mod:`.database`); until then only
    MLflow's own UI, started by hand, would miss the files.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = Path(workspace)

    @property
    def root(self) -> Path:
        """``WORKSPACE/mlruns``, absolute."""
        return self.workspace.resolve() / "mlruns"

    @property
    def database(self) -> Path:
        """The SQLite file with runs, metrics, versions and aliases."""
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The directory of run artifacts and, below ``models/``, of versions."""
        return self.root / "artifacts"

    @property
    def uri(self) -> str:
        """Tracking and registry address for MLflow."""
        return f"sqlite:///{self.database}"

    @property
    def exists(self) -> bool:
        """Whether anything was ever tracked here."""
        return self.database.exists()

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client on this workspace; the first use makes or mends the database.

        Raises
        ------
        UsageError
            If the path holds ``?`` or ``%``, which mean something else in a database's address.
        StoreError
            If the database is damaged.
        """
        if {"?", "%"} & set(str(self.root)):
            raise UsageError("the workspace's path holds a '?' or '%', which MLflow cannot open; rename it")
        mlflow = load_mlflow()
        if self.exists:
            database.mend_addresses(self.database, self.artifacts)
        else:
            database.create(self.database, self.artifacts)
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(self.uri, self.uri)

    @cached_property
    def experiment_id(self) -> str:
        """The one experiment that holds this workspace's runs."""
        found = self.client.get_experiment_by_name(database.EXPERIMENT)
        if found is None:
            # The tag has the UI open on the table of runs rather than on traces of language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return self.client.create_experiment(database.EXPERIMENT, self.artifacts.as_uri(), kind)
        if found.lifecycle_stage != "active":
            raise UsageError(
                f"the experiment {database.EXPERIMENT!r} was deleted in MLflow; bring it back with "
                f"`mlflow experiments restore -x {found.experiment_id}`"
            )
        return found.experiment_id

    @contextmanager
    def run(
        self,
        name: str,
        kind: str,
        tags: Mapping[str, Scalar] | None = None,
        params: Mapping[str, Scalar] | None = None,
        parent: "Run | None" = None,
    ) -> Iterator["Run"]:
        """Record what happens inside as one run; an exception leaves it FAILED and goes on.

        Metrics, parameters and tags are written together when the run ends.

        Parameters
        ----------
        name
            For people; need not be unique.
        kind
            One of :data:`KINDS`.
        parent
            The run that this one is a part of; the UI then shows it nested.

        Raises
        ------
        UsageError
            If ``kind`` is unknown, or a tag or parameter is not a short scalar.
        """
        if kind not in KINDS:
            raise UsageError(f"no kind of run is called {kind!r}; there are {', '.join(KINDS)}")
        # Not MLflow's fluent start: it asks git and records the operator's login and script path.
        start = {
            "kind": kind,
            "mlflow.user": "recsys-unlearn",
            "mlflow.source.name": f"recsys-unlearn {kind}",
            "mlflow.source.type": "LOCAL",
        }
        if parent is not None:
            start["mlflow.parentRunId"] = parent.run_id
        given = scalar_texts(tags or {}), scalar_texts(params or {})
        created = self.client.create_run(self.experiment_id, tags=start | given[0], run_name=name)
        run = Run(self.client, created.info.run_id, kind, self.root)
        run.params(given[1])
        with run:
            yield run

    @contextmanager
    def reopened(self, run_id: str, kind: str, model_id: str) -> Iterator["Run"]:
        """Go on with a run whose process died after it had published ``model_id``."""
        run = Run(self.client, run_id, kind, self.root)
        run.model_id = model_id
        with run:
            yield run

    def end_unfinished(self, tag: str, value: str) -> None:
        """Mark runs as killed whose process died before they ended, by a tag of theirs."""
        query = f"tags.`{tag}` = '{value}' and attributes.status = 'RUNNING'"
        for found in self.client.search_runs([self.experiment_id], query):
            self.client.set_terminated(found.info.run_id, "KILLED")


class Run:
    """An open run: collects, and writes once at the end. Made by :meth:`Tracker.run`."""

    def __init__(self, client: "MlflowClient", run_id: str, kind: str, scratch: Path | None = None) -> None:
        self.run_id = run_id
        self._scratch = scratch  # where half-made pictures lie: a crash leaves none outside the workspace
        self.kind = kind
        self.model_id: str | None = None  # of the version that this run published
        self._client = client
        self._metrics: dict[tuple[str, int], tuple[float, int]] = {}
        self._params: dict[str, str] = {}
        self._tags: dict[str, str] = {}

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Collect measurements; a later value of the same name and step replaces an earlier one.

        Raises
        ------
        UsageError, InvalidValue
            See :func:`.names.check`.
        """
        now = _milliseconds()
        self._metrics |= {(name, step): (value, now) for name, value in names.check(values).items()}

    def params(self, values: Mapping[str, Scalar]) -> None:
        """Collect settings: short scalars only."""
        self._params |= scalar_texts(values)

    def tags(self, values: Mapping[str, Scalar]) -> None:
        """Collect labels to filter runs by: short scalars only."""
        self._tags |= scalar_texts(values)

    def dataset(
        self, digest: str, n_users: int, n_items: int, n_interactions: int, name: str = "interactions"
    ) -> None:
        """Record which data the run saw: a digest and counts, no ids, no paths, no rows."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        counts = {"n_users": int(n_users), "n_items": int(n_items), "num_rows": int(n_interactions)}
        kept = Dataset(name, digest[:LONGEST_DIGEST], "code", "{}", profile=json.dumps(counts))
        context = InputTag("mlflow.data.context", self.kind)
        self._client.log_inputs(self.run_id, [DatasetInput(kept, [context])])
        self.tags({"dataset_digest": digest})

    def figure(self, figure: "Figure", name: str) -> None:
        """Save a matplotlib figure as the artifact ``NAME``, which ends in ``.png``.

        It lies at the top, for the UI compares only what lies there.
        """
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=self._scratch) as directory:
            path = Path(directory) / _file_name(name, ".png")
            figure.savefig(path)
            self._client.log_artifact(self.run_id, str(path))

    def dict(self, value: Mapping[str, Any], name: str) -> None:
        """Save a mapping as the artifact ``NAME``, which ends in ``.json``."""
        self._client.log_dict(self.run_id, dict(value), _file_name(name, ".json"))

    def table(self, columns: Mapping[str, Sequence[Any]], name: str) -> None:
        """Save equally long columns as the artifact ``NAME``, ``.json``; the UI shows a table."""
        data = {column: list(values) for column, values in columns.items()}
        self._client.log_table(self.run_id, data, _file_name(name, ".json"))

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # Only the class: another library's message may quote the data.
            self.tags({"error": kind.__name__})
        self._write(whole=kind is None)
        failed = "FAILED" if kind is None or issubclass(kind, Exception) else "KILLED"
        self._client.set_terminated(self.run_id, "FINISHED" if kind is None else failed)

    def _write(self, whole: bool) -> None:
        """Write all that was collected in one batch; ``whole`` runs get the common names they lack."""
        from mlflow.entities import Metric, Param, RunTag

        now = _milliseconds()
        points = dict(self._metrics)
        if whole:
            last = {name: value for (name, _), (value, _) in sorted(points.items())}
            points |= {(n, 0): (v, now) for n, v in names.complete(last).items() if n not in last}
        self._client.log_batch(
            self.run_id,
            [
                Metric(names.to_mlflow(name), value, when, step, model_id=self.model_id)
                for (name, step), (value, when) in points.items()
            ],
            [Param(key, value) for key, value in self._params.items()],
            [RunTag(key, value) for key, value in self._tags.items()],
        )


def _milliseconds() -> int:
    return int(time.time() * 1000)


def scalar_texts(values: Mapping[str, Scalar]) -> dict[str, str]:
    """Check that values are short scalars: a path, a list or a frame may carry what must not be kept."""
    for key, value in values.items():
        if not isinstance(value, str | numbers.Real | None) or len(str(value)) > LONGEST_VALUE:
            raise UsageError(
                f"the value of {key!r} is not a scalar of at most {LONGEST_VALUE} characters; "
                "save it with `run.dict` or `run.table` if it holds no ids"
            )
    return {key: str(value) for key, value in values.items()}


def _file_name(name: str, suffix: str) -> str:
    if not (_FILE_NAME.fullmatch(name) and name.endswith(suffix)):
        raise UsageError(f"{name!r} cannot name an artifact; use letters, digits, '-', '_', and {suffix}")
    return name
