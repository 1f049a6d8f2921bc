import json
import shutil

import pytest
from trained_workspace import TINY_DATA, TINY_MODEL

from recsys_unlearn.errors import UsageError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.workflows import demo as module
from recsys_unlearn.workflows.demo import COHORT, MARKER, demo
from recsys_unlearn.workspace import Workspace


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "demo-workspace"
    return root, demo(root, TINY_DATA, TINY_MODEL)


@pytest.fixture
def copied(told, tmp_path):
    return shutil.copytree(told[0], tmp_path / "copy")


def _contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _refused(root):
    before = _contents(root)
    with pytest.raises(UsageError, match="choose another --workspace"):
        demo(root, TINY_DATA, TINY_MODEL)
    assert _contents(root) == before


def test_every_step_of_the_story_happened(told):
    _, outcome = told
    assert outcome.ingest["users"] == TINY_DATA.n_users
    assert (outcome.train["version"], outcome.forget["version"]) == (1, 2)
    assert outcome.recommended["user"] == outcome.user
    assert len(outcome.recommended["items"]) == 5
    assert outcome.forget["status"] == "completed"
    assert (outcome.batch["users"], outcome.batch["version"]) == (COHORT, 3)
    assert outcome.audit["version"] == 3
    assert [each["version"] for each in outcome.versions] == [1, 2, 3]
    assert [each["aliases"] for each in outcome.versions] == [[], [], ["champion"]]


def test_the_forgotten_user_is_refused_and_in_no_file(told):
    root, outcome = told
    assert outcome.refused["exit_code"] == 3
    assert outcome.refused["message"].startswith("no such user")
    assert [path for path, content in _contents(root).items() if outcome.user.encode() in content] == []


def test_the_user_has_a_history_of_median_length(told):
    _, outcome = told
    assert 3 <= outcome.forget["interactions"] <= 2 * TINY_DATA.mean_history


def test_the_story_is_json(told):
    assert json.loads(json.dumps(told[1].as_dict()))["user"] == told[1].user


def test_its_own_directory_is_started_anew(copied, monkeypatch):
    own = copied / "notes.txt"
    own.write_text("mine")
    _shortened(monkeypatch)
    first = Workspace(copied).store().store_id
    with pytest.raises(_Enough):
        demo(copied, TINY_DATA, TINY_MODEL)
    assert Workspace(copied).store().store_id != first
    assert not (copied / "mlruns").exists()
    assert own.read_text() == "mine"


def test_a_foreign_directory_is_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious.csv").write_text("user,item")
    _refused(tmp_path)


def test_a_workspace_of_someone_s_own_is_left_alone(workspace):
    _refused(workspace.root)


def test_data_ingested_over_the_demo_s_is_left_alone(copied):
    frame = module.generate(TINY_DATA).frame
    ingest(frame, Workspace(copied).store_dir, IngestOptions(n_buckets=1, replace=True))
    _refused(copied)


def test_a_marker_that_says_nothing_is_no_permission(copied):
    (copied / MARKER).write_text("")
    _refused(copied)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_is_left_alone(copied, tmp_path, kind):
    place = tmp_path / "place"
    place.write_text("mine") if kind == "file" else place.symlink_to(copied)
    with pytest.raises(UsageError, match="is not a directory"):
        demo(place)
    assert place.exists()
    assert (copied / MARKER).exists()


def test_an_empty_directory_will_do(tmp_path, monkeypatch):
    _shortened(monkeypatch)
    with pytest.raises(_Enough):
        demo(tmp_path, TINY_DATA)
    assert (tmp_path / MARKER).is_file()
    assert Workspace(tmp_path).store().n_users == TINY_DATA.n_users


class _Enough(Exception):
    pass


def _shortened(monkeypatch):
    """Stop after the ingest."""

    def enough(*_):
        raise _Enough

    monkeypatch.setattr(module, "train", enough)
