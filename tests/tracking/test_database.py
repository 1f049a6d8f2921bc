import shutil
import sqlite3

import pytest

from recsys_unlearn.errors import StoreError
from recsys_unlearn.tracking import Registry, Tracker, database


def addresses(tracker):
    with sqlite3.connect(tracker.database) as connection:
        for table, column in database._ADDRESSES:
            yield from (row[0] for row in connection.execute(f"SELECT {column} FROM {table}"))


def test_a_moved_workspace_is_mended(tracker, publish, tmp_path):
    publish()
    Registry(tracker).promote(1)
    moved = tmp_path / "elsewhere" / "workspace"
    shutil.copytree(tracker.workspace, moved)
    old = tracker.artifacts.as_uri()
    shutil.rmtree(tracker.workspace)

    again = Tracker(moved)
    champion = Registry(again).champion()
    champion.verify()
    assert champion.directory.is_relative_to(moved)
    assert not [address for address in addresses(again) if address.startswith(old)]
    import mlflow

    assert mlflow.pyfunc.load_model("models:/recommender@champion").metadata.model_id
    with again.run("on", "audit") as run:
        run.dict({}, "a.json")
    assert (again.artifacts / run.run_id / "artifacts" / "a.json").is_file()


def test_mending_leaves_what_belongs_elsewhere(tracker, tmp_path):
    _ = tracker.experiment_id
    beside = tracker.artifacts.as_uri() + "-beside/x"
    with sqlite3.connect(tracker.database) as connection:
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (beside,))
    database.mend_addresses(tracker.database, tmp_path / "new")
    found = list(addresses(tracker))
    assert beside in found
    assert (tmp_path / "new").as_uri() in found


def test_in_place_nothing_is_written(tracker, publish):
    publish()
    before = tracker.database.read_bytes()
    database.mend_addresses(tracker.database, tracker.artifacts)
    assert tracker.database.read_bytes() == before


def test_a_crash_on_the_way_leaves_no_database(tmp_path, monkeypatch):
    store = database.load_mlflow().store.tracking.sqlalchemy_store

    class Crashing:
        def __init__(self, uri, _):
            (tmp_path / uri.removeprefix("sqlite:///")).write_bytes(b"half")
            raise RuntimeError("power cut")

    monkeypatch.setattr(store, "SqlAlchemyStore", Crashing)
    with pytest.raises(RuntimeError):
        database.create(tmp_path / "mlflow.db", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_damaged_database_is_named(tmp_path, content):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot be used .* restore it from a backup"):
        _ = Tracker(tmp_path).client


def test_where_nothing_can_be_written_the_error_comes_at_once(tmp_path):
    (tmp_path / "mlruns").write_text("a file in the way")
    with pytest.raises(OSError, match="mlruns"):
        _ = Tracker(tmp_path).client
