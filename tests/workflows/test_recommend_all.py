"""Everybody's lists are those that `recommend` gives one by one, in a file that is whole or not there."""

import stat

import numpy as np
import polars as pl
import pytest

from recsys_unlearn.errors import NothingLeft, UsageError, VersionError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.recommenders.item_item_options import ItemKnnOptions
from recsys_unlearn.workflows import recommend_all as module
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.recommend_all import recommend_all
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workspace import Workspace


@pytest.fixture
def written(pristine, tmp_path):
    result = recommend_all(pristine, tmp_path / "lists.parquet", k=7)
    return result, pl.read_parquet(tmp_path / "lists.parquet")


def test_each_list_is_the_one_that_recommend_gives(pristine, written, member, stranger):
    _, frame = written
    for user in (member, stranger):
        alone = recommend(pristine, user, 7)
        mine = frame.filter(pl.col("user") == user)
        assert mine["item"].to_list() == [str(item) for item in alone.items]
        assert mine["rank"].to_list() == list(range(1, 8))
        np.testing.assert_allclose(mine["score"], alone.scores, atol=1e-4)


def test_everybody_with_a_history_is_there_once(pristine, written):
    result, frame = written
    store = pristine.store()
    known = {store.user_id(row) for row in store.splits().everything().active_users}
    assert set(frame["user"]) == known
    assert (result.users, result.rows, result.left_out) == (len(known), len(frame), 0)
    assert frame.group_by("user").len()["len"].unique().to_list() == [7]
    assert frame.schema == {"user": pl.String, "rank": pl.Int32, "item": pl.String, "score": pl.Float32}


def test_nobody_is_recommended_what_they_have(pristine, written):
    had = pristine.store().to_frame().select("user", "item").cast(pl.String).unique()
    assert not len(written[1].join(had, on=["user", "item"], how="inner"))


def test_where_few_items_are_left_lists_are_short_and_not_filled(pristine, tmp_path):
    path = tmp_path / "lists.parquet"
    recommend_all(pristine, path, k=500)
    store = pristine.store()
    row = int(store.splits().everything().active_users[0])
    mine = pl.read_parquet(path).filter(pl.col("user") == store.user_id(row))
    assert len(mine) == store.n_items - len(store.history(row))
    assert np.isfinite(mine["score"].to_numpy()).all()


def test_batches_do_not_show_in_the_file(pristine, tmp_path, monkeypatch):
    recommend_all(pristine, tmp_path / "one.parquet", k=5)
    monkeypatch.setattr(module, "USERS_PER_BATCH", 11)
    seen = []
    recommend_all(pristine, tmp_path / "many.parquet", k=5, progress=lambda *step: seen.append(step))
    one, many = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "many"))
    assert one.drop("score").equals(many.drop("score"))
    total = one["user"].n_unique()
    assert seen == [("recommending", min(done, total), total) for done in range(11, total + 11, 11)]


def test_a_recommender_without_user_vectors_writes_lists_as_well(tmp_path):
    from trained_workspace import interactions

    workspace = Workspace(tmp_path / "w")
    ingest(interactions(), workspace.store_dir, IngestOptions(n_buckets=4, strangers=0.2))
    train(workspace, ItemKnnOptions(), model="item_knn")
    result = recommend_all(workspace, tmp_path / "lists.parquet", k=3)
    user = workspace.store().user_id(int(workspace.store().splits().strangers.active_users[0]))
    mine = pl.read_parquet(tmp_path / "lists.parquet").filter(pl.col("user") == user)
    assert mine["item"].to_list() == [str(item) for item in recommend(workspace, user, 3).items]
    assert result.rows == 3 * result.users


def test_whom_the_model_has_forgotten_gets_no_list(workspace, member, tmp_path, monkeypatch):
    """Between the new version and the erasure their data is still here."""
    row = workspace.store().user_row(member)
    opened = module.open_version

    class Forgotten:
        def __init__(self, champion):
            self.version, self.index, self._recommender = (
                champion.version,
                champion.index,
                champion.recommender,
            )

        def recommender(self):
            recommender = self._recommender()
            recommender.user_table[row] = 0
            return recommender

    monkeypatch.setattr(module, "open_version", lambda *given: Forgotten(opened(*given)))
    result = recommend_all(workspace, tmp_path / "lists.parquet", k=3)
    assert result.left_out == 1
    assert member not in set(pl.read_parquet(tmp_path / "lists.parquet")["user"])


def test_an_erasure_that_was_killed_half_way_gets_no_list(pristine, member, tmp_path, monkeypatch):
    """Its users have interactions and no id."""
    gone = pristine.store().user_row(member)
    known = InteractionStore.user_ids
    monkeypatch.setattr(
        InteractionStore, "user_ids", lambda self: {k: v for k, v in known(self).items() if k != gone}
    )
    assert recommend_all(pristine, tmp_path / "lists.parquet", k=3).left_out == 1


def test_the_file_is_its_owners_alone(written, tmp_path):
    assert stat.S_IMODE((tmp_path / "lists.parquet").stat().st_mode) == 0o600


def test_after_an_error_there_is_no_file(pristine, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module, "best_items", fails)
    with pytest.raises(OSError, match="disk full"):
        recommend_all(pristine, tmp_path / "lists.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("own", ["data", "mlruns"])
def test_the_workspaces_own_directories_are_refused(pristine, own, tmp_path):
    (tmp_path / "link").symlink_to(pristine.root / own)
    for path in (pristine.root / own / "lists.parquet", tmp_path / "link" / "lists.parquet"):
        with pytest.raises(
            UsageError, match=f"lies in the workspace's own {own}/; write the lists elsewhere"
        ):
            recommend_all(pristine, path)


def test_k_below_one(pristine, tmp_path):
    with pytest.raises(UsageError, match="k is 0; ask for at least 1 item"):
        recommend_all(pristine, tmp_path / "lists.parquet", k=0)


def test_nobody_left(pristine, tmp_path, monkeypatch):
    monkeypatch.setattr(InteractionStore, "user_ids", lambda self: {})
    with pytest.raises(NothingLeft, match="no user of this workspace has a history"):
        recommend_all(pristine, tmp_path / "lists.parquet")


def test_without_a_version(tmp_path):
    from trained_workspace import interactions

    workspace = Workspace(tmp_path / "w")
    ingest(interactions(), workspace.store_dir, IngestOptions(n_buckets=4))
    with pytest.raises(VersionError, match="no version serves yet"):
        recommend_all(workspace, tmp_path / "lists.parquet")
