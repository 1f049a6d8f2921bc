"""A workspace with three versions, of which the third serves, made once and copied for every test."""

import shutil
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from three_versions import DIGESTS, execute

from recsys_unlearn.tracking import Registry, Tracker


@pytest.fixture(scope="session")
def made(migrated, tmp_path_factory):
    """Three versions, each with a picture and data of its own; the third serves."""
    tracker = Tracker(shutil.copytree(migrated, tmp_path_factory.mktemp("made") / "workspace"))
    registry, files = Registry(tracker), tmp_path_factory.mktemp("files")
    for number in (1, 2, 3):
        (files / "weights.safetensors").write_text(f"weights {number}")
        kind, parent = ("train", None) if number == 1 else ("forget", number - 1)
        tags = {"deletion_fingerprint": f"fingerprint-{number}", "method": "ascent"}
        with tracker.run(f"run {number}", kind, tags, {"learning_rate": number}) as run:
            run.dataset(DIGESTS[number], 4, 5, 6)
            run.figure(Figure(), "scores.png")
            registry.publish(files, run, parent=parent, tags=tags, metrics={"recall@20": number / 10})
    registry.promote(3)
    return tracker, [registry.version(number) for number in (1, 2, 3)]


@pytest.fixture
def tracker(made, tmp_path) -> Tracker:
    return Tracker(shutil.copytree(made[0].workspace, tmp_path / "workspace"))


@pytest.fixture
def history(made, tracker):
    """The three versions in this test's own copy."""
    root = made[0].root
    return [
        replace(version, directory=tracker.root / version.directory.relative_to(root)) for version in made[1]
    ]


@pytest.fixture
def unfinished(registry, tracker, history, model_directory):
    """A publication killed before its version was registered."""
    with tracker.run("killed", "train") as run:
        run.figure(Figure(), "scores.png")
        logged, _ = registry._log_model(model_directory, run, {})
    execute(tracker, "UPDATE logged_models SET status = 1 WHERE model_id = ?", (logged.model_id,))
    return tracker.artifacts / "models" / logged.model_id, run.run_id
