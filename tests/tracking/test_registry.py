import os
import pickletools
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsys_unlearn.errors import UsageError, VersionError
from recsys_unlearn.tracking import Registry, Tracker, compare
from recsys_unlearn.tracking.names import COMMON


def test_a_version_comes_back_as_it_was_published(registry, publish, model_directory):
    made = publish(tags={"method": "bpr"}, metrics={"recall@20": 0.25})
    found = registry.version(1)
    assert (found.number, found.parent, found.aliases) == (1, None, ())
    assert found.tags["method"] == "bpr"
    assert found.tags["kind"] == "train"
    assert found.metrics["recall@20"] == made.metrics["recall@20"] == 0.25
    assert (found.run_id, found.directory, found.created) == (made.run_id, made.directory, made.created)
    assert datetime.now(UTC) - found.created < timedelta(minutes=5)
    for path in model_directory.iterdir():
        assert (found.open() / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in found.open().iterdir()} == {path.name for path in model_directory.iterdir()}


def test_publishing_copies(publish, model_directory):
    made = publish()
    (model_directory / "model.json").write_text("changed")
    made.verify()


def test_numbers_grow_and_the_newest_comes_first(registry, publish):
    publish()
    publish("forget", parent=1)
    third = publish("forget", parent=2)
    assert [(v.number, v.parent) for v in registry.versions()] == [(3, 2), (2, 1), (1, None)]
    assert third.tags["parent_version"] == "2"


def test_the_run_names_its_version(tracker, publish):
    publish()
    made = publish("forget", parent=1, metrics={"recall@20": 0.2})
    run = tracker.client.get_run(made.run_id)
    assert (run.data.tags["version"], run.data.tags["parent_version"]) == ("2", "1")
    (output,) = run.outputs.model_outputs
    logged = tracker.client.get_logged_model(output.model_id)
    assert logged.status == "READY"
    assert {m.key: m.value for m in logged.metrics}["recall_at_20"] == 0.2
    assert logged.tags["mlflow.modelVersions"] == '[{"name": "recommender", "version": 2}]'


def test_promotion_moves_the_one_champion(registry, publish):
    publish()
    assert registry.champion() is None
    assert registry.promote(1).aliases == ("champion",)
    publish("forget", parent=1)
    assert registry.champion().number == 1
    assert registry.promote(2).number == 2
    assert registry.champion().number == 2
    assert [v.aliases for v in registry.versions()] == [("champion",), ()]


def test_what_is_not_there_is_said(registry, publish, tmp_path):
    for ask in (registry.version, registry.promote, Registry(Tracker(tmp_path / "empty")).version):
        with pytest.raises(VersionError, match="there is no version 7"):
            ask(7)
    with pytest.raises(VersionError, match="there is no version 7"):
        publish("forget", parent=7)
    assert registry.versions() == []
    assert not (tmp_path / "empty").exists()


def test_another_process_sees_the_same(registry, publish, tracker):
    publish(metrics={"ndcg@20": 0.5})
    registry.promote(1)
    again = Registry(Tracker(tracker.workspace))
    assert again.champion() == registry.champion()
    assert again.versions() == registry.versions()


def alter(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name",
    ["files/weights.safetensors", "files/index.faiss", "MLmodel", "served_model.py", "requirements.txt"],
)
def test_an_altered_file_is_refused(registry, publish, name):
    alter(publish().directory.parent / name)
    with pytest.raises(VersionError, match="was altered"):
        registry.version(1).open()
    with pytest.raises(VersionError, match="was altered"):
        registry.promote(1)
    assert registry.champion() is None


def test_a_missing_file_is_refused(publish):
    made = publish()
    (made.directory / "index.faiss").unlink()
    with pytest.raises(VersionError, match=r"index\.faiss is missing"):
        made.open()
    shutil.rmtree(made.directory.parent)
    with pytest.raises(VersionError, match=r"holds no files\.json: the files of this version are gone"):
        made.open()


@pytest.mark.parametrize("name", ["files/extra.bin", "extra.py", "files/sub/extra.bin"])
def test_an_additional_file_is_refused(publish, name):
    made = publish()
    path = made.directory.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    with pytest.raises(VersionError, match="was not published with this version"):
        made.open()


def test_altering_the_manifest_too_is_refused(publish):
    from recsys_unlearn.tracking.manifest import write_manifest

    made = publish()
    root = made.directory.parent
    alter(root / "files" / "weights.safetensors")
    (root / "files.json").unlink()
    write_manifest(root)
    with pytest.raises(VersionError, match="is not the one that was published"):
        made.open()


def test_a_link_is_refused_on_both_ways(publish, model_directory, tmp_path):
    made = publish()
    (tmp_path / "elsewhere").write_bytes((made.directory / "model.json").read_bytes())
    (made.directory / "model.json").unlink()
    (made.directory / "model.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VersionError, match="is a link"):
        made.open()
    (model_directory / "out").symlink_to("/etc")
    with pytest.raises(VersionError, match="is a link"):
        publish()


@pytest.mark.parametrize("name", ["../../../secret", "/etc/hostname"])
def test_a_manifest_cannot_name_a_file_outside(tmp_path, name):
    import json

    from recsys_unlearn.tracking import manifest

    (tmp_path / "files.json").write_text(json.dumps({name: "0" * 64}))
    with pytest.raises(VersionError, match="names a file outside"):
        manifest.verify(tmp_path, manifest._digest(tmp_path / "files.json"))


def test_a_failed_publication_leaves_no_version_and_no_files(registry, tracker, publish, model_directory):
    for path in model_directory.iterdir():
        path.unlink()
    with pytest.raises(VersionError, match="is empty or is itself a published version"):
        publish()
    assert registry.versions() == []
    assert list((tracker.artifacts / "models").glob("*")) == []
    (run,) = tracker.client.search_runs([tracker.experiment_id])
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "VersionError")


def test_a_version_that_was_registered_by_hand_is_not_opened(tracker, registry, publish, tmp_path):
    made = publish()
    logged = f"models:/{made.directory.parents[1].name}"
    tracker.client.create_model_version("recommender", logged, made.run_id)
    with pytest.raises(VersionError, match="has no tag 'files_sha256'"):
        registry.version(2).open()
    tracker.client.create_model_version("recommender", tmp_path.as_uri(), made.run_id)
    with pytest.raises(VersionError, match="lies outside this workspace's models"):
        registry.version(3)


def test_a_tag_must_be_a_short_scalar(registry, publish):
    with pytest.raises(UsageError, match="'users' is not a scalar"):
        publish(tags={"users": ["a", "b"]})
    assert registry.versions() == []


def test_nothing_in_the_tree_is_a_pickle_or_names_this_machine(publish, tmp_path):
    root = publish().directory.parent
    for path in filter(os.path.isfile, root.rglob("*")):
        data = path.read_bytes()
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".bin"}
        assert not is_pickle(data), path
        assert str(tmp_path).encode() not in data, path
        assert str(Path(__file__).parent).encode() not in data, path
    assert b"cloudpickle" not in (root / "MLmodel").read_bytes()


def is_pickle(data):
    """Whether some start of the data is a whole pickle that builds something."""
    try:
        return len(list(pickletools.genops(data))) > 2
    except Exception:
        return False


def test_the_search_for_pickles_finds_one():
    import pickle

    for protocol in range(6):
        assert is_pickle(pickle.dumps({"a": [1, 2]}, protocol))


def test_side_by_side(registry, publish):
    publish(metrics={"recall@20": 0.25, "audit/auc": 0.8, "seconds/total": 9.0})
    publish("forget", parent=1, tags={"method": "ascent"}, metrics={"recall@20": 0.24, "seconds/model": 0.1})
    second, first = compare(registry.versions())
    assert (second["version"], second["parent_version"], second["kind"]) == (2, 1, "forget")
    assert first["parent_version"] is None
    assert list(second["metrics"]) == list(first["metrics"]) == [*COMMON, "seconds/model"]
    assert second["metrics"]["audit/auc"] is None
    assert first["metrics"]["audit/auc"] == 0.8
    assert second["change"] == {"recall@20": pytest.approx(-0.01)}
    assert first["change"] == {}
    assert second["tags"]["method"] == "ascent"
    import json

    assert json.loads(json.dumps([second, first], allow_nan=False)) == [second, first]


def test_a_version_whose_run_was_purged_is_still_listed(registry, tracker, publish):
    import sqlite3

    made = publish(metrics={"recall@20": 0.2})
    with sqlite3.connect(tracker.database) as connection:
        for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (made.run_id,))
    (found,) = registry.versions()
    assert found.metrics == {}
    found.verify()


def test_a_file_of_another_size_is_refused_without_being_read(publish, monkeypatch):
    from recsys_unlearn.tracking import manifest

    made = publish()
    with (made.directory / "weights.safetensors").open("ab") as file:
        file.write(b"\0")
    read = []
    monkeypatch.setattr(
        manifest, "_digest", lambda path, digest=manifest._digest: read.append(path) or digest(path)
    )
    with pytest.raises(VersionError, match=r"weights\.safetensors was altered"):
        made.open()
    assert made.directory / "weights.safetensors" not in read


def test_a_manifest_of_the_first_release_without_sizes_is_read(publish):
    import json

    from recsys_unlearn.tracking import manifest

    root = publish().directory.parent
    listed = json.loads((root / "files.json").read_text())
    (root / "files.json").write_text(json.dumps({name: each.split()[0] for name, each in listed.items()}))
    digest = manifest._digest(root / "files.json")
    manifest.verify(root, digest)
    alter(root / "MLmodel")
    with pytest.raises(VersionError, match="was altered"):
        manifest.verify(root, digest)
