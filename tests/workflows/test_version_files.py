import numpy as np
import pytest
from trained_workspace import interactions
from workspace_contents import tree

from recsys_unlearn.errors import StoreError, VersionError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.workflows.version_files import INDEX_FILE, open_version, staged

FILES = {"weights.safetensors", "model.json", "readiness.safetensors", INDEX_FILE}


@pytest.fixture
def champion(pristine):
    return open_version(pristine.registry(), pristine.store())


def test_without_a_number_the_champion_is_opened(champion):
    assert (champion.version.number, champion.version.aliases) == (1, ("champion",))


def test_a_version_can_be_named(pristine, champion):
    named = open_version(pristine.registry(), pristine.store(), 1)
    assert named.directory == champion.directory


def test_the_parts_of_a_version_are_of_one_model(pristine, champion):
    model, readiness = champion.recommender(), champion.readiness()
    assert model.item_table.shape == (80, 8) == champion.index().shape
    known = np.any(model.user_table != 0, axis=1)
    assert readiness.sums.users.item() == known.sum()
    best = champion.index().search(model.user_table[known], 5)[0]
    assert (best == model.recommend(np.flatnonzero(known), 5)[0]).all()


def test_opening_changes_nothing(pristine):
    before = tree(pristine.root)
    opened = open_version(pristine.registry(), pristine.store())
    opened.recommender(), opened.readiness(), opened.index()
    assert tree(pristine.root) == before


def test_staged_files_are_what_opened_reads_and_are_gone_afterwards(workspace, champion):
    parts = champion.recommender(), champion.readiness(), champion.index()
    with staged(workspace, *parts) as directory:
        assert {path.name for path in directory.iterdir()} == FILES
        for name in FILES:
            assert (directory / name).read_bytes() == (champion.directory / name).read_bytes()
    assert not directory.exists()


def test_staged_files_are_gone_after_an_error_too(workspace, champion):
    model = champion.recommender()
    with (
        pytest.raises(ZeroDivisionError),
        staged(workspace, model, champion.readiness(), ItemIndex.build(model.item_table)) as directory,
    ):
        _ = 1 / 0
    assert not directory.exists()


def test_no_champion_says_to_train(tmp_path, pristine):
    from recsys_unlearn.workspace import Workspace

    with pytest.raises(VersionError, match="no version serves yet: run `recsys-unlearn train` first"):
        open_version(Workspace(tmp_path).registry(), pristine.store())


def test_a_number_that_there_is_not(pristine):
    with pytest.raises(VersionError, match="there is no version 7"):
        open_version(pristine.registry(), pristine.store(), 7)


def test_a_version_of_another_ingest_is_refused(pristine, tmp_path):
    from recsys_unlearn.interactions import InteractionStore

    ingest(interactions(), tmp_path / "store", IngestOptions(n_buckets=1))
    with pytest.raises(
        StoreError, match=r"version 1 was trained on another ingest.*run `recsys-unlearn train`"
    ):
        open_version(pristine.registry(), InteractionStore.open(tmp_path / "store"))


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_altered_file_is_refused(workspace, name):
    path = open_version(workspace.registry(), workspace.store()).directory / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(VersionError, match="was altered after it was published"):
        open_version(workspace.registry(), workspace.store())
