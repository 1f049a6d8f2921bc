"""Versions of the recommender: publish, find, and say which one serves."""

import json
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking import names
from recsys_unlearn.tracking.library import load_mlflow
from recsys_unlearn.tracking.packaging import FILES_DIRECTORY, package
from recsys_unlearn.tracking.runs import Run, Scalar, Tracker, scalar_texts
from recsys_unlearn.tracking.versions import DIGEST_TAG, PARENT_TAG, Version

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

MODEL = "recommender"
CHAMPION = "champion"
LARGEST = (1 << 63) - 1  # that a column of MLflow's database can hold

SOURCE = re.compile(r"models:/(m-[0-9a-f]{32})")


class Registry:
    """The versions of one workspace: one registered model, whose alias ``champion`` is served."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    def publish(
        self,
        directory: Path,
        run: Run,
        parent: int | None = None,
        tags: Mapping[str, Scalar] | None = None,
        metrics: Mapping[str, float | None] | None = None,
    ) -> Version:
        """Copy a model's files into a new version; it serves only after :meth:`promote`.

        Parameters
        ----------
        directory
            What ``Recommender.save`` wrote, the index, the readiness files: all of it is published.
        run
            The open run that made the model. ``metrics`` join its own, and are written when it ends.
        parent
            The version that this one replaces.

        Raises
        ------
        VersionError
            If there is no version ``parent``, or the directory cannot be published; nothing remains.
        """
        if parent is not None:
            self._find(parent)
        labels = scalar_texts(tags or {}) | ({} if parent is None else {PARENT_TAG: str(parent)})
        run.metrics(metrics or {})
        logged, digest = self._log_model(Path(directory), run, labels)
        made = self._register(logged, run, labels | {"kind": run.kind, DIGEST_TAG: digest})
        run.model_id = logged.model_id
        run.tags({"version": str(made.version)} | ({} if parent is None else {PARENT_TAG: str(parent)}))
        return self._version(made, (), names.check(metrics or {}))

    def promote(self, number: int) -> Version:
        """Move the alias ``champion`` to a version whose files are whole; one transaction.

        Raises
        ------
        VersionError
            If there is no such version, or its files are not those that were published.
        """
        self.version(number).verify()
        self.tracker.client.set_registered_model_alias(MODEL, CHAMPION, str(number))
        return self.version(number)

    @property
    def exists(self) -> bool:
        """Whether a version was ever published here, even if it was purged since."""
        return self.tracker.exists and self._registered() is not None

    def champion(self) -> Version | None:
        """Return the version that is served, or None if none was promoted."""
        number = self._aliases().get(CHAMPION)
        return None if number is None else self.version(number)

    def version(self, number: int) -> Version:
        """Return one version by its number.

        Raises
        ------
        VersionError
            If there is none of that number.
        """
        return self._full(self._find(number), self._aliases())

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        if not self.tracker.exists:
            return []
        aliases = self._aliases()
        found = self.tracker.client.search_model_versions(f"name = '{MODEL}'", max_results=10_000)
        return sorted((self._full(each, aliases) for each in found), key=lambda v: -v.number)

    def _log_model(self, directory: Path, run: Run, labels: dict[str, str]) -> tuple["LoggedModel", str]:
        client = self.tracker.client
        logged = client.create_logged_model(
            self.tracker.experiment_id, MODEL, run.run_id, tags=labels, model_type=MODEL
        )
        target = self._root(logged.model_id)
        try:
            digest = package(directory, target, logged)
        except BaseException:
            shutil.rmtree(target.parent, ignore_errors=True)
            client.finalize_logged_model(logged.model_id, "FAILED")
            raise
        client.finalize_logged_model(logged.model_id, "READY")
        return logged, digest

    def _register(self, logged: "LoggedModel", run: Run, tags: dict[str, str]) -> "ModelVersion":
        from mlflow.entities import LoggedModelOutput

        client = self.tracker.client
        if self._registered() is None:
            client.create_registered_model(MODEL)
        made = client.create_model_version(
            MODEL, logged.model_uri, run.run_id, tags=tags, model_id=logged.model_id
        )
        # These two are what the UI needs to lead from the run to the model and on to the version.
        client.log_outputs(run.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        link = json.dumps([{"name": MODEL, "version": made.version}])
        client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": link})
        return made

    def _find(self, number: int) -> "ModelVersion":
        if self.tracker.exists and abs(number) <= LARGEST:
            with _none_if_missing():
                return self.tracker.client.get_model_version(MODEL, str(int(number)))
        raise VersionError(f"there is no version {number}; `recsys-unlearn compare` lists those there are")

    def _registered(self) -> object | None:
        with _none_if_missing():
            return self.tracker.client.get_registered_model(MODEL)
        return None

    def _aliases(self) -> dict[str, int]:
        registered = self._registered() if self.tracker.exists else None
        return {alias: int(number) for alias, number in getattr(registered, "aliases", {}).items()}

    def _full(self, found: "ModelVersion", aliases: Mapping[str, int]) -> Version:
        own = tuple(sorted(alias for alias, number in aliases.items() if number == int(found.version)))
        with _none_if_missing():
            run = self.tracker.client.get_run(found.run_id or "")
            return self._version(found, own, names.measured(run.data.metrics))
        return self._version(found, own, {})  # the run was purged

    def _version(self, found: "ModelVersion", aliases: tuple[str, ...], metrics: dict[str, float]) -> Version:
        parent = found.tags.get(PARENT_TAG)
        return Version(
            number=int(found.version),
            directory=self._root(_model_id(found)) / FILES_DIRECTORY,
            run_id=found.run_id or "",
            parent=None if parent is None else int(parent),
            created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            aliases=aliases,
            tags=dict(found.tags),
            metrics=metrics,
        )

    def _root(self, model_id: str) -> Path:
        """Where MLflow keeps a model's files below the experiment's artifacts, whatever its rows say."""
        return self.tracker.artifacts / "models" / model_id / "artifacts"


def _model_id(found: "ModelVersion") -> str:
    match = SOURCE.fullmatch(found.source or "")
    if match is None:
        raise VersionError(
            f"version {found.version} lies outside this workspace's models, so it is not opened; "
            "train a new version"
        )
    return match[1]


class _none_if_missing:  # noqa: N801  reads as a statement
    """Swallow MLflow's error for what is not there, and no other."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        load_mlflow()
        from mlflow.exceptions import MlflowException

        return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"
