"""The whole way: a target gathered before, a deletion, a purge, and nothing left in any file."""

import shutil

import pytest

from recsys_unlearn.erasure.residue import Target
from recsys_unlearn.errors import InvalidValue
from recsys_unlearn.tracking.purge import purge
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.residue import residue, target_of
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace


def where(found):
    return {(hit.path.split("/")[-1], hit.kind) for hit in found.found.hits}


def test_a_member_is_known_by_all_four_traces(pristine, member):
    target = target_of(pristine, member)
    assert target.searched == ["id", "row", "vector", "items"]
    store = pristine.store()
    assert target.row == store.user_row(member)
    assert sorted(target.items) == sorted(store.history(target.row).items.tolist())
    assert list(target.item_ids) == [str(each) for each in store.item_ids(target.items)]
    (vector,) = target.vectors
    assert vector.tolist() == pristine_row(pristine, target.row)


def pristine_row(workspace, row):
    from workspace_contents import recommender

    return recommender(workspace).user_table[row].tolist()


def test_a_living_user_is_found_in_the_data_and_in_the_model(pristine, member):
    found = residue(pristine, member)
    assert {("vault.db", "id"), ("vault.db", "row"), ("weights.safetensors", "vector")} < where(found)
    assert ("weights.safetensors", "row") in where(found)
    assert "readiness.safetensors" not in {name for name, _ in where(found)}  # sums over everybody
    assert any(name.startswith("bucket=") and kind == "row" for name, kind in where(found))
    assert found.found.unread == []


def test_a_stranger_has_no_vector(pristine, stranger):
    assert target_of(pristine, stranger).vectors == ()
    assert ("weights.safetensors", "row") not in where(residue(pristine, stranger))


def test_after_forgetting_and_purging_nothing_is_left(workspace, member):
    target = target_of(workspace, member)
    forget(workspace, [member])
    purge(workspace.registry())
    found = residue(workspace, member, target)
    assert (found.searched, found.found.hits, found.found.unread) == (target.searched, [], [])


def test_of_a_forgotten_user_only_the_id_is_known(workspace, member):
    forget(workspace, [member])
    found = residue(workspace, member)
    assert found.searched == ["id"]
    assert where(found) == set()


def test_nobody_is_found_in_a_workspace_that_is_not_there(tmp_path):
    found = residue(Workspace(tmp_path / "none"), "somebody")
    assert (found.searched, found.found.hits, found.found.files) == (["id"], [], 0)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_models_of_another_ingest_are_other_people(workspace, pristine, member):
    from trained_workspace import TINY_MODEL, interactions

    from recsys_unlearn.interactions import IngestOptions, ingest

    old = workspace.registry().champion().directory.parents[1].name
    ingest(
        interactions(), workspace.store_dir, IngestOptions(n_buckets=4, strangers=0.2, seed=9, replace=True)
    )
    train(workspace, TINY_MODEL)
    target = target_of(workspace, member)
    assert target.foreign_models == {old}
    assert not [hit for hit in residue(workspace, member, target).found.hits if old in hit.path]


def test_a_target_is_saved_for_its_owner_alone_and_comes_back(pristine, member, tmp_path):
    target = target_of(pristine, member)
    target.save(tmp_path / "target.json")
    assert (tmp_path / "target.json").stat().st_mode & 0o777 == 0o600
    loaded = Target.load(tmp_path / "target.json")
    assert loaded == target
    assert [each.tolist() for each in loaded.vectors] == [each.tolist() for each in target.vectors]
    shutil.copy(tmp_path / "target.json", pristine.root.parent / "never-read")
    assert residue(pristine, member, loaded).found.hits == residue(pristine, member).found.hits


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{}", "7", '{"malice": 1, "items": [], "item_ids": [], "vectors": []}']
)
def test_a_file_that_is_no_target_is_refused(tmp_path, text):
    (tmp_path / "target.json").write_text(text)
    with pytest.raises(
        InvalidValue, match=r"target.json is not a saved target .*; save one before the deletion"
    ):
        Target.load(tmp_path / "target.json")
    with pytest.raises(InvalidValue, match="FileNotFoundError"):
        Target.load(tmp_path / "none.json")
