import numpy as np
import pytest
from trained_workspace import interactions

from recsys_unlearn.errors import StoreError, UnknownUser, UsageError, VersionError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.recommenders.contract import Recommender
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.workflows.recommend import recommend


def _champion(workspace) -> Recommender:
    return Factorization.load(workspace.registry().champion().open())


def test_the_answer_is_brute_force_s_without_the_whole_history(pristine, member):
    store, recommender = pristine.store(), _champion(pristine)
    row = store.user_row(member)
    items, scores = recommender.recommend(row, 10, exclude=store.history(row))
    answer = recommend(pristine, member, 10)
    assert answer.items == store.item_ids(items.tolist())
    np.testing.assert_allclose(answer.scores, scores, atol=1e-5)
    assert (answer.version, answer.source, answer.user) == (1, "model", member)


def test_test_and_validation_items_count_as_seen(pristine, member):
    store = pristine.store()
    row = store.user_row(member)
    splits = store.splits()
    held_out = [*splits.test.items_of(row).tolist(), *splits.validation.items_of(row).tolist()]
    assert held_out
    assert not set(store.item_ids(held_out)) & set(recommend(pristine, member, store.n_items).items)


def test_a_large_k_gives_all_that_is_left_and_no_empty_slots(pristine, member):
    store = pristine.store()
    history = store.history(store.user_row(member))
    answer = recommend(pristine, member, 10 * store.n_items)
    assert len(answer.items) == len(answer.scores) == store.n_items - len(history)


def test_a_stranger_is_folded_in(pristine, stranger):
    store, recommender = pristine.store(), _champion(pristine)
    row = store.user_row(stranger)
    assert not recommender.user_table[row].any()
    answer = recommend(pristine, stranger, 5)
    assert (answer.source, answer.version) == ("fold-in", 1)
    assert not set(answer.items) & set(store.item_ids(store.history(row).items.tolist()))
    assert answer == recommend(pristine, stranger, 5)


def test_two_strangers_are_not_served_alike(pristine):
    store = pristine.store()
    strangers = [row for row in store.known_rows().tolist() if store.is_stranger(row)]
    answers = {tuple(recommend(pristine, store.user_id(row), 10).items) for row in strangers[:5]}
    assert len(answers) == 5


def test_an_unknown_user_is_an_error_that_does_not_repeat_the_id(pristine):
    with pytest.raises(UnknownUser, match="no such user in this workspace") as caught:
        recommend(pristine, "canary-nobody")
    assert "canary" not in str(caught.value)


def test_an_erased_user_is_unknown_though_the_model_still_has_the_row(workspace, member):
    workspace.store().erase([workspace.store().user_row(member)])
    with pytest.raises(UnknownUser):
        recommend(workspace, member)


def test_a_user_without_any_interaction_left_is_told_apart(workspace, member):
    store = workspace.store()
    row = store.user_row(member)
    store.erase(pairs=store.history(row))
    with pytest.raises(UnknownUser, match="no interactions left"):
        recommend(workspace, member)
    assert recommend(workspace, member, fallback="popular").source == "popular"


def test_the_fallback_is_training_popularity_and_needs_no_version(workspace):
    counts = workspace.store().splits().train.item_counts
    answer = recommend(workspace, "nobody", 80, fallback="popular")
    assert answer.scores == sorted(counts.tolist(), reverse=True)
    assert answer.version is None
    best = workspace.store().item_row(answer.items[0])
    assert counts[best] == counts.max()


def test_the_fallback_leaves_known_users_to_the_model(pristine, member):
    assert recommend(pristine, member, 3, "popular") == recommend(pristine, member, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "k is 0; ask for at least 1 item"), ((5, "random"), "no fallback is called 'random'")],
)
def test_arguments_that_make_no_sense(pristine, arguments, message):
    with pytest.raises(UsageError, match=message):
        recommend(pristine, "nobody", *arguments)


def test_a_store_without_a_version_says_to_train(tmp_path):
    from recsys_unlearn.workspace import Workspace

    workspace = Workspace(tmp_path)
    frame = interactions()
    ingest(frame, workspace.store_dir, IngestOptions(strangers=0, n_buckets=1))
    with pytest.raises(VersionError, match="recsys-unlearn train"):
        recommend(workspace, frame["user"][0])


def test_rows_of_another_ingest_are_never_served(workspace):
    ingest(interactions(), workspace.store_dir, IngestOptions(seed=9, strangers=0, n_buckets=1, replace=True))
    with pytest.raises(StoreError, match="another ingest"):
        recommend(workspace, interactions()["user"][0])


def test_as_dict_has_stable_keys(pristine, member):
    assert list(recommend(pristine, member).as_dict()) == ["user", "items", "scores", "version", "source"]
