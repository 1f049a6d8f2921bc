import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from trained_workspace import TINY_MODEL
from workspace_contents import hashes, model_files, recommender

from recsys_unlearn.errors import Locked, NothingLeft, StoreError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.readiness.natural import NaturalReadiness
from recsys_unlearn.recommenders.factorization import FactorizationOptions
from recsys_unlearn.retrieval import ItemIndex
from recsys_unlearn.tracking import names
from recsys_unlearn.workflows.train import GATE, seen, train, utility
from recsys_unlearn.workflows.version_files import INDEX_FILE
from recsys_unlearn.workspace import Workspace

KEYS = [
    *("version", "model", "champion", "epochs", "users", "items", "interactions", "seconds", "metrics"),
    "erased_again",
]
METRICS = {"recall@20", "ndcg@20", "mrr@20", "hit_rate@20", "coverage@20"}
GOOD = FactorizationOptions(dim=8, epochs=6, batch_size=64, negatives=32, learning_rate=0.05)
UNTRAINED = replace(GOOD, epochs=1, learning_rate=1e-9)
TASTES, USERS, ITEMS = 4, 40, 80

HOLDER = """
import sys, time
from recsys_unlearn.workspace import Workspace
with Workspace(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def _tastes(shift=0):
    """LightGCN's lines of users who take items of their own taste only: 12 to train on, 4 to test."""
    lines = {"train": [], "test": []}
    for user in range(USERS):
        own = np.arange(user % TASTES, ITEMS, TASTES)
        chosen = np.random.default_rng(user).permutation(own)
        lines["train"].append(" ".join(map(str, [user, *chosen[:12]])))
        lines["test"].append(" ".join(map(str, [user, *(np.sort(chosen[12:16]) + shift) % ITEMS])))
    return {name: "\n".join(text) + "\n" for name, text in lines.items()}


def _world(root, shift=0):
    root.mkdir()
    for name, text in _tastes(shift).items():
        (root / f"{name}.txt").write_text(text)
    workspace = Workspace(root)
    options = IngestOptions(test=root / "test.txt", validation_fraction=0, n_buckets=2, strangers=0.1)
    ingest(root / "train.txt", workspace.store_dir, options)
    return workspace


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A good version, and after it an untrained one."""
    workspace = _world(tmp_path_factory.mktemp("gated") / "workspace")
    return workspace, [train(workspace, options) for options in (GOOD, UNTRAINED)]


def test_the_same_store_gives_the_same_bytes(workspace):
    outcome = train(workspace, TINY_MODEL)
    assert outcome.version == 2
    assert model_files(workspace, 2) == model_files(workspace, 1)


def test_a_version_is_a_model_with_its_readiness_and_its_index(pristine, tmp_path):
    model, splits = recommender(pristine), pristine.store().splits()
    NaturalReadiness.measure(model, splits.train).save(tmp_path)
    ItemIndex.build(model.item_table).save(tmp_path / INDEX_FILE)
    files = pristine.registry().champion().open()
    for name in ("readiness.safetensors", INDEX_FILE):
        assert (files / name).read_bytes() == (tmp_path / name).read_bytes()


def test_only_users_of_the_training_split_have_a_row(pristine):
    rows = np.flatnonzero(recommender(pristine).user_table.any(axis=1))
    assert rows.tolist() == pristine.store().splits().train.active_users.tolist()


def test_an_equal_version_takes_over(workspace):
    assert train(workspace, TINY_MODEL).champion
    assert workspace.registry().champion().number == 2


def test_a_much_worse_version_does_not_take_over(gated):
    workspace, (good, untrained) = gated
    assert untrained.metrics["recall@20"] < GATE * good.metrics["recall@20"]
    assert [good.champion, untrained.champion] == [True, False]
    assert workspace.registry().champion().number == good.version == 1
    assert workspace.registry().version(2).aliases == ()


def test_a_champion_of_another_ingest_holds_nobody_back(tmp_path):
    """Its rows are other people, so however well it ranked, it can serve nobody."""
    workspace = _world(tmp_path / "workspace")
    train(workspace, GOOD)
    shutil.rmtree(workspace.store_dir)
    options = IngestOptions(test=workspace.root / "test.txt", validation_fraction=0, n_buckets=2)
    ingest(workspace.root / "train.txt", workspace.store_dir, options)
    assert train(workspace, UNTRAINED).champion
    assert workspace.registry().champion().number == 2


def test_the_known_answer_is_learnt(gated):
    """Of a taste's 20 items a user was trained on 12: the other 8, with all 4 of the test, come first."""
    assert gated[1][0].metrics["recall@20"] == pytest.approx(1, abs=0.02)


def test_outcome_counts_what_was_trained_on(gated):
    workspace, (good, _) = gated
    splits = workspace.store().splits()
    assert list(good.as_dict()) == KEYS
    assert json.loads(json.dumps(good.as_dict())) == good.as_dict()
    assert good.users == len(splits.train.active_users) < USERS
    assert (good.items, good.interactions) == (ITEMS, 12 * good.users)
    assert (good.model, good.epochs) == ("factorization", GOOD.epochs)
    parts = {"data", "model", "readiness", "index", "evaluation", "publish"}
    assert set(good.seconds) == parts | {"total"}
    assert good.seconds["total"] >= sum(good.seconds[part] for part in parts)


def test_metrics_are_those_of_a_loop_over_users(pristine):
    """Recall and NDCG at 20 by sorting each user's scores, training and validation items removed."""
    model, splits = recommender(pristine), pristine.store().splits()
    recalls, gains = [], []
    for user in splits.test.active_users:
        scores = model.item_table @ model.user_table[user]
        scores[[*splits.train.items_of(user), *splits.validation.items_of(user)]] = -np.inf
        hits = np.isin(np.argsort(-scores, kind="stable")[:20], splits.test.items_of(user))
        wanted = len(splits.test.items_of(user))
        discount = 1 / np.log2(np.arange(2, 22))
        recalls.append(hits.sum() / wanted)
        gains.append(discount[hits].sum() / discount[:wanted].sum())
    logged = pristine.registry().champion().metrics
    assert logged["recall@20"] == pytest.approx(np.mean(recalls), abs=1e-12)
    assert logged["ndcg@20"] == pytest.approx(np.mean(gains), abs=1e-12)


def test_the_outcome_s_metrics_are_the_version_s(gated):
    workspace, (good, _) = gated
    logged = workspace.registry().version(1).metrics
    assert set(good.metrics) == METRICS
    assert {name: logged[name] for name in METRICS} == good.metrics
    assert (logged["before/recall@20"], logged["deleted/users"]) == (good.metrics["recall@20"], 0)
    measured_later = {"audit/auc", "audit/recall_gap"}
    assert set(names.COMMON) - set(logged) == measured_later


def test_the_test_split_never_reaches_training(tmp_path):
    """Other test items, the same training items: the same model, to the bit, and other metrics."""
    worlds = [_world(tmp_path / str(shift), shift) for shift in (0, 1)]
    first, second = (each.store().splits() for each in worlds)
    assert first.train.pair_codes.tolist() == second.train.pair_codes.tolist()
    assert first.test.pair_codes.tolist() != second.test.pair_codes.tolist()
    outcomes = [train(each, GOOD) for each in worlds]
    assert model_files(worlds[0]) == model_files(worlds[1])
    assert outcomes[0].metrics["recall@20"] > 2 * outcomes[1].metrics["recall@20"]


def test_without_test_items_nothing_is_measured_and_the_version_serves(tmp_path):
    (tmp_path / "train.txt").write_text(_tastes()["train"])
    workspace = Workspace(tmp_path)
    options = IngestOptions(test_fraction=0, validation_fraction=0, n_buckets=1, strangers=0)
    ingest(tmp_path / "train.txt", workspace.store_dir, options)
    outcome = train(workspace, UNTRAINED)
    assert (outcome.metrics, outcome.champion) == ({}, True)


def test_utility_is_of_the_test_items(gated):
    workspace, (good, _) = gated
    model, splits = recommender(workspace, 1), workspace.store().splits()
    assert utility(model, splits) == good.metrics
    half = splits.test.of_users(splits.test.active_users[::2])
    assert utility(model, replace(splits, test=half)) != good.metrics
    assert utility(model, replace(splits, test=half.without(half))) == {}


def test_seen_is_training_and_validation(pristine):
    splits = pristine.store().splits()
    codes = {*splits.train.pair_codes.tolist(), *splits.validation.pair_codes.tolist()}
    assert set(seen(splits).pair_codes.tolist()) == codes
    assert isinstance(seen(splits), Interactions)


def test_training_leaves_the_data_alone(workspace):
    before = hashes(workspace.store_dir)
    train(workspace, UNTRAINED)
    assert hashes(workspace.store_dir) == before


def test_no_store_says_to_ingest(tmp_path):
    with pytest.raises(StoreError, match="ingest"):
        train(Workspace(tmp_path))
    assert not (tmp_path / "mlruns").exists()


def test_nothing_to_train_on_leaves_no_version(workspace):
    store = workspace.store()
    store.erase(store.splits().train.active_users)
    with pytest.raises(NothingLeft):
        train(workspace, UNTRAINED)
    assert [each.number for each in workspace.registry().versions()] == [1]


def test_while_another_process_has_the_workspace_nothing_is_trained(workspace):
    before = hashes(workspace.root)
    command = [sys.executable, "-c", HOLDER, str(workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Locked):
            train(workspace, UNTRAINED)
        holder.kill()
    after = hashes(workspace.root)
    assert {name for name in after if after[name] != before.get(name)} <= {"data/.lock"}
    assert train(workspace, UNTRAINED).version == 2


def test_progress_is_told_by_step(workspace):
    told = []
    train(workspace, replace(TINY_MODEL, epochs=2), lambda step, done, of: told.append((step, done, of)))
    assert ("training", 1, 2) in told and ("training", 2, 2) in told
    assert all(0 <= done <= of for _, done, of in told)


def test_mlflow_has_no_digest_that_an_old_copy_of_the_data_could_be_tried_against(workspace):
    digest = workspace.store().digest
    run = workspace.registry().tracker.client.get_run(workspace.registry().champion().run_id)
    assert run.data.tags["dataset_digest"] == workspace.key().data(digest)
    assert digest[:16] not in (workspace.root / "mlruns" / "mlflow.db").read_bytes().decode("latin-1")
