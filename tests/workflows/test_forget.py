import json
import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import trained_workspace
from workspace_contents import holding, model_files, recommender, tree

from recsys_unlearn.errors import (
    UnknownUser,
    UsageError,
)
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.fold_in import fold_in
from recsys_unlearn.recommenders.softmax import geometry_of
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.workflows.deletion.carrying import STEPS
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.version_files import open_version
from recsys_unlearn.workspace import Workspace

DEMANDED = ["request_id", "status", "version", "parent_version", "users", "interactions", "method"]
ADDED = ["guarantee", "leaves_behind", "older_versions"]
OF_THE_REQUEST = ["state", "due_at", "already_erased", "purged_versions", "residue", "receipt"]
SECONDS = {"load", "data", "model", "index", "audit", "publish", "purge", "total"}
UTILITY = {"recall@20", "ndcg@20"}


@pytest.fixture(scope="module")
def deletion(tmp_path_factory):
    """One account forgotten, with what lay there before and after."""
    pristine = trained_workspace.make(tmp_path_factory)
    root = shutil.copytree(pristine, tmp_path_factory.mktemp("deletion") / "workspace")
    workspace = Workspace(root)
    store = workspace.store()
    row = int(store.splits().test.active_users[0])
    user, history = store.user_id(row), store.history(row)
    opened = open_version(workspace.registry(), store)
    files, holds = opened.directory.parent, holding(root, user)
    before = SimpleNamespace(
        holding=holds, splits=store.splits(), model=opened.recommender(), readiness=opened.readiness()
    )
    outcome = forget(workspace, [user])
    return SimpleNamespace(
        workspace=workspace, outcome=outcome, user=user, row=row, history=history, files=files, before=before
    )


@pytest.fixture
def members(pristine):
    """Ids of all whom training saw, in the order of their rows."""
    store = pristine.store()
    return [store.user_id(int(row)) for row in store.splits().train.active_users]


def _items_of(workspace, user, most):
    store = workspace.store()
    return store.item_ids(store.splits().train.items_of(store.user_row(user))[:most].tolist())


def test_the_outcome_has_the_keys_of_the_issue(deletion):
    outcome = deletion.outcome.as_dict()
    assert set(outcome) == {*DEMANDED, *ADDED, *OF_THE_REQUEST, "seconds", "utility", "audit"}
    assert set(outcome["seconds"]) == SECONDS
    assert list(outcome["utility"]) == ["before", "after"]
    assert set(outcome["utility"]["before"]) == set(outcome["utility"]["after"]) == UTILITY
    assert {"auc", "recall_gap", "auc_before", "verdict"} <= set(outcome["audit"])


def test_the_outcome_is_json_that_names_nobody(deletion):
    text = json.dumps(deletion.outcome.as_dict())
    assert json.loads(text) == deletion.outcome.as_dict()
    assert deletion.user not in text and "canary" not in text


def test_the_outcome_counts_what_went(deletion):
    outcome = deletion.outcome
    assert (outcome.status, outcome.method, outcome.users) == ("completed", "natural_ascent", 1)
    assert (outcome.version, outcome.parent_version) == (2, 1)
    assert (outcome.older_versions, outcome.purged_versions) == ([], [1])
    assert (outcome.state, outcome.already_erased) == ("receipted", 0)
    assert outcome.interactions == len(deletion.history)
    assert (outcome.guarantee, outcome.leaves_behind) == (
        NaturalAscent.guarantee,
        NaturalAscent.leaves_behind,
    )
    parts = dict(outcome.seconds)
    total = parts.pop("total")
    assert all(parts.values()) and sum(parts.values()) <= total


def test_no_split_holds_an_interaction_of_the_row(deletion):
    store = deletion.workspace.store()
    assert len(deletion.history) and len(store.history(deletion.row)) == 0
    assert deletion.row not in store.splits().everything().users
    assert len(store.splits().everything()) == len(deletion.before.splits.everything()) - len(
        deletion.history
    )


def test_nobody_else_lost_an_interaction(deletion):
    expected = deletion.before.splits.everything().without_users([deletion.row])
    left = deletion.workspace.store().splits().everything()
    assert left.pair_codes.tolist() == expected.pair_codes.tolist()


def test_the_vault_knows_neither_the_id_nor_the_row(deletion):
    store = deletion.workspace.store()
    with pytest.raises(UnknownUser):
        store.user_row(deletion.user)
    with pytest.raises(UnknownUser):
        store.user_id(deletion.row)
    assert len(store.known_rows()) == store.n_users - 1


def test_the_id_is_in_no_file(deletion):
    assert deletion.before.holding == ["data/store/vault.db"]
    assert holding(deletion.workspace.root, deletion.user) == []


def test_the_scanner_would_find_the_id_wherever_it_lay(tmp_path, deletion):
    """In MLflow's database, in a compressed table, in a file's name: the test above can fail."""
    root = shutil.copytree(deletion.workspace.root, tmp_path / "workspace")
    registry = Workspace(root).registry()
    registry.tracker.client.set_tag(registry.champion().run_id, "note", f"forgot {deletion.user}")
    pl.DataFrame({"user": [deletion.user] * 50}).write_parquet(root / "table.parquet")
    (root / deletion.user).mkdir()
    assert holding(root, deletion.user) == sorted(["mlruns/mlflow.db", "table.parquet", deletion.user])


def test_the_champion_s_row_is_zeros_and_its_items_moved(deletion):
    model, before = recommender(deletion.workspace), deletion.before.model
    assert before.user_table[deletion.row].any() and not model.user_table[deletion.row].any()
    others = np.delete(np.arange(len(model.user_table)), deletion.row)
    assert (model.user_table[others] == before.user_table[others]).all()
    assert not (model.item_table == before.item_table).all()


def test_the_champion_s_weights_are_the_method_s(deletion):
    """Recomputed from the old version by the unlearner alone, with the default parameters."""
    before = deletion.before
    readiness = before.readiness
    request = ForgetRequest.of_accounts(before.splits.train, np.array([deletion.row]))
    expected = NaturalAscent().forget(before.model, before.splits.train, request, readiness)
    model = recommender(deletion.workspace)
    assert model.item_table.tobytes() == expected.recommender.item_table.tobytes()
    assert model.user_table.tobytes() == expected.recommender.user_table.tobytes()


def test_the_index_is_a_fresh_one_over_the_new_items(deletion, tmp_path):
    opened = open_version(deletion.workspace.registry(), deletion.workspace.store())
    fresh = ItemIndex.build(opened.recommender().item_table)
    vectors = opened.recommender().user_table[:40]
    for found, expected in zip(opened.index().search(vectors, 10), fresh.search(vectors, 10), strict=True):
        assert (found == expected).all()
    fresh.save(tmp_path / "fresh.faiss")
    assert (opened.directory / "index.faiss").read_bytes() == (tmp_path / "fresh.faiss").read_bytes()


def test_the_version_before_is_gone_with_its_files(deletion):
    assert not deletion.files.exists()
    assert [each.number for each in deletion.workspace.registry().versions()] == [2]
    assert deletion.outcome.residue["hits"] == 0


def test_on_demand_the_version_before_is_kept_byte_for_byte_and_the_outcome_says_so(workspace, member):
    files = workspace.registry().champion().open().parent
    before = tree(files)
    outcome = forget(workspace, [member], handling=Handling(keep="1"))
    assert tree(files) == before
    old = workspace.registry().version(1)
    old.verify()
    assert (old.directory.parent, old.aliases) == (files, ())
    assert (outcome.older_versions, outcome.purged_versions, outcome.residue) == ([1], [], {})


def test_the_new_version_says_where_it_comes_from(deletion):
    version = deletion.workspace.registry().champion()
    assert (version.number, version.parent, version.aliases) == (2, 1, ("champion",))
    assert (version.tags["kind"], version.tags["method"]) == ("forget", "natural_ascent")
    assert version.tags["request_id"] == deletion.outcome.request_id


def test_the_run_has_the_metrics_and_the_pictures(deletion):
    version, outcome = deletion.workspace.registry().champion(), deletion.outcome
    assert version.metrics["deleted/users"] == 1
    assert version.metrics["deleted/interactions"] == outcome.interactions
    for name in UTILITY:
        assert version.metrics[name] == outcome.utility["after"][name]
        assert version.metrics[f"before/{name}"] == outcome.utility["before"][name]
    assert version.metrics["audit/auc"] == outcome.audit["auc"]
    assert {f"seconds/{part}" for part in SECONDS - {"purge"}} <= set(version.metrics)  # it comes later
    client = deletion.workspace.tracker().client
    assert client.get_run(version.run_id).info.status == "FINISHED"
    pictures = {each.path for each in client.list_artifacts(version.run_id)}
    assert {"recall.png", "scores.png", "roc.png"} <= pictures


def test_recommending_for_the_user_is_refused(deletion):
    with pytest.raises(UnknownUser):
        recommend(deletion.workspace, deletion.user)


@pytest.mark.parametrize("times", [1, 2, 10])
def test_forgetting_again_says_that_it_is_done_and_changes_nothing(deletion, times):
    before = tree(deletion.workspace.root)
    for _ in range(times):
        again = forget(deletion.workspace, [deletion.user])
        assert (again.status, again.already_erased) == ("already erased", 1)
        assert (again.request_id, again.version) == (deletion.outcome.request_id, 2)
    assert tree(deletion.workspace.root) == before


def test_many_users_at_once(workspace, members):
    rows = [workspace.store().user_row(user) for user in members[:25]]
    outcome = forget(workspace, [*members[:25], members[0]])
    model, store = recommender(workspace), workspace.store()
    assert (outcome.users, outcome.version) == (25, 2)
    assert not model.user_table[rows].any()
    assert not np.isin(store.splits().everything().users, rows).any()
    assert outcome.audit["users"] == 25 and outcome.audit["verdict"] == "pass"
    assert outcome.audit["percentiles"] == []
    for user in members[:25]:
        assert holding(workspace.root, user) == []
    assert recommend(workspace, members[25]).version == 2


def test_one_after_the_other_each_starts_from_the_last(workspace, members):
    rows = [workspace.store().user_row(user) for user in members[:5]]
    tables = [recommender(workspace).item_table]
    for number, user in enumerate(members[:5], start=2):
        outcome = forget(workspace, [user], verify=False)
        assert (outcome.version, outcome.parent_version) == (number, number - 1)
        tables.append(recommender(workspace).item_table)
        assert not recommender(workspace).user_table[rows[: number - 1]].any()
        assert recommender(workspace).user_table[rows[number - 1 :]].any(axis=1).all()
    assert all((one != other).any() for one, other in pairwise(tables))
    assert workspace.store().splits().everything().active_users.tolist() == [
        row for row in range(workspace.store().n_users) if row not in rows
    ]


def test_some_items_of_a_user_who_stays(workspace, members):
    user = members[0]
    row, items = workspace.store().user_row(user), _items_of(workspace, members[0], 2)
    before, old = workspace.store().splits().everything(), recommender(workspace)
    outcome = forget(workspace, [user], items)
    store, model = workspace.store(), recommender(workspace)
    gone = before.without(store.splits().everything())
    assert (outcome.users, outcome.interactions, outcome.version, outcome.audit) == (1, 2, 2, {})
    assert (gone.users == row).all() and set(store.item_ids(gone.items.tolist())) == set(items)
    assert len(store.splits().everything()) == len(before) - 2
    assert store.user_id(row) == user
    left = store.splits().train
    refit = fold_in(model.item_table, left, np.array([row]), geometry_of(model))[0]
    np.testing.assert_array_equal(model.user_table[row], refit)
    assert (model.user_table[row] != old.user_table[row]).any()
    others = np.delete(np.arange(len(old.user_table)), row)
    assert (model.user_table[others] == old.user_table[others]).all()
    assert (model.item_table != old.item_table).any()
    assert forget(workspace, [user], items[::-1]).status == "already erased"
    with pytest.raises(UsageError, match="no interaction with 1 of the 1 items"):
        forget(workspace, [user], items[:1])


def test_items_that_no_training_saw_change_no_model(workspace):
    store = workspace.store()
    row = int(store.splits().test.active_users[0])
    item, history = store.item_ids(store.splits().test.items_of(row)[:1].tolist()), len(store.history(row))
    outcome = forget(workspace, [store.user_id(row)], item)
    assert (outcome.status, outcome.version, outcome.interactions) == ("completed", 1, 1)
    assert len(workspace.store().history(row)) == history - 1
    assert store.item_row(item[0]) not in workspace.store().history(row).items


def test_all_items_of_a_user_leave_an_empty_account(workspace, members):
    store = workspace.store()
    row = store.user_row(members[0])
    forget(workspace, [members[0]], store.item_ids(store.history(row).items.tolist()))
    assert workspace.store().user_id(row) == members[0]
    assert len(workspace.store().history(row)) == 0
    assert not recommender(workspace).user_table[row].any()
    assert forget(workspace, [members[0]]).version == 2  # the account itself: nothing left to unlearn


def test_a_stranger_is_in_no_model_so_there_is_no_new_version(workspace, stranger):
    row, before = workspace.store().user_row(stranger), model_files(workspace)
    outcome = forget(workspace, [stranger])
    assert (outcome.status, outcome.version, outcome.parent_version) == ("completed", 1, 1)
    assert (outcome.users, outcome.audit, outcome.utility) == (1, {}, {})
    assert outcome.interactions > 0 and len(workspace.store().history(row)) == 0
    assert holding(workspace.root, stranger) == []
    assert model_files(workspace) == before
    assert [each.number for each in workspace.registry().versions()] == [1]


def test_a_member_and_a_stranger_together(workspace, member, stranger):
    outcome = forget(workspace, [stranger, member])
    assert (outcome.users, outcome.version) == (2, 2)
    assert holding(workspace.root, stranger) == holding(workspace.root, member) == []


@pytest.mark.parametrize("method", ["natural_ascent", "healed_ascent", "gradient_ascent", "retrain"])
def test_every_kind_of_method_forgets(workspace, member, method):
    row, members = workspace.store().user_row(member), recommender(workspace).members.sum()
    outcome = forget(workspace, [member], method=method, verify=False)
    assert (outcome.method, outcome.version) == (method, 2)
    assert workspace.registry().champion().tags["method"] == method
    assert not recommender(workspace).user_table[row].any()
    assert holding(workspace.root, member) == []
    opened = open_version(workspace.registry(), workspace.store())
    assert opened.readiness().sums.users.item() == members - 1


def test_retrain_is_a_training_from_scratch_without_the_user(workspace, member):
    store, old = workspace.store(), recommender(workspace)
    row = store.user_row(member)
    expected = Factorization(old.retrain_options).fit(store.splits().train.without_users([row]))
    outcome = forget(workspace, [member], method="retrain")
    model = recommender(workspace)
    assert outcome.guarantee == "exact"
    assert model.item_table.tobytes() == expected.item_table.tobytes()
    assert model.user_table.tobytes() == expected.user_table.tobytes()
    assert (model.item_table != old.item_table).any()


def test_without_an_audit_nothing_is_measured(workspace, member):
    outcome = forget(workspace, [member], verify=False)
    assert (outcome.utility, outcome.audit, outcome.seconds["audit"]) == ({}, {}, 0.0)
    assert workspace.registry().champion().number == 2


def test_a_user_with_one_training_item_left_can_be_forgotten(workspace, members):
    items = _items_of(workspace, members[0], 100)
    forget(workspace, members[:1], items[1:])
    outcome = forget(workspace, members[:1])
    assert outcome.audit["auc"] is None and outcome.audit["verdict"] == "too few users"
    assert holding(workspace.root, members[0]) == []


def test_progress_goes_through_all_steps(workspace, member):
    told = []
    forget(workspace, [member], progress=lambda step, done, of: told.append((step, done, of)))
    assert told == [(step, number, len(STEPS)) for number, step in enumerate(STEPS.values(), start=1)]
