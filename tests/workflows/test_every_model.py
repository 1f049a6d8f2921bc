"""Train, recommend, forget and audit by the same commands, whatever the model."""

import numpy as np
import pytest
from trained_workspace import interactions

from recsys_unlearn.errors import UnknownUser, UsageError
from recsys_unlearn.interactions import IngestOptions, ingest
from recsys_unlearn.recommenders.registry import OPTIONS
from recsys_unlearn.workflows.audit import audit
from recsys_unlearn.workflows.forget import forget
from recsys_unlearn.workflows.recommend import recommend
from recsys_unlearn.workflows.train import train
from recsys_unlearn.workflows.version_files import open_version
from recsys_unlearn.workspace import Workspace

QUICK = {"dim": 4, "epochs": 4}
MODELS = {
    "ease": ("exact", 20.0),
    "item_knn": ("exact", None),
    "als": ("untrain_als", 2.0),
    "bpr": ("natural_ascent", None),
}


@pytest.fixture(scope="module", params=MODELS)
def trained(request, tmp_path_factory):
    """A workspace with one version of the model, and the ids of a member and of a stranger."""
    kind, regularization = OPTIONS[request.param], MODELS[request.param][1]
    chosen = {name: value for name, value in QUICK.items() if name in kind.__dataclass_fields__}
    if regularization:
        chosen["regularization"] = regularization
    workspace = Workspace(tmp_path_factory.mktemp(request.param))
    ingest(interactions(), workspace.store_dir, IngestOptions(n_buckets=4, strangers=0.2))
    outcome = train(workspace, kind(**chosen), model=request.param)
    assert (outcome.model, outcome.champion) == (request.param, True)
    assert 0 < outcome.metrics["recall@20"] <= 1
    return workspace, request.param


def first(workspace, wanted):
    store = workspace.store()
    return store.user_id(next(row for row in store.known_rows().tolist() if store.is_stranger(row) == wanted))


def test_members_and_strangers_get_what_the_model_itself_finds(trained):
    workspace, _ = trained
    store = workspace.store()
    recommender = open_version(workspace.registry(), store).recommender()
    for wanted, source in ((False, "model"), (True, "fold-in")):
        user = first(workspace, wanted)
        answer, row = recommend(workspace, user, 5), store.user_row(user)
        history = store.history(row)
        scorer = recommender.folded_in(history) if wanted else recommender.given(history)
        items, scores = scorer.recommend(row, 5, exclude=history)
        assert (answer.source, answer.items) == (source, store.item_ids(items.tolist()))
        np.testing.assert_allclose(answer.scores, scores, rtol=1e-4, atol=1e-6)


def test_the_audit_measures_it(trained):
    found = audit(trained[0])
    assert 0 <= found.audit["auc"] <= 1
    assert found.utility["recall@20"] > 0


def test_a_user_is_forgotten_by_the_model_s_own_method(trained):
    workspace, model = trained
    user = first(workspace, False)
    row = workspace.store().user_row(user)
    outcome = forget(workspace, [user])
    assert (outcome.status, outcome.method) == ("completed", MODELS[model][0])
    after = open_version(workspace.registry(), workspace.store())
    assert after.version.number == outcome.version != outcome.parent_version
    assert not after.recommender().members[row]
    assert (after.index() is None) == (after.readiness() is None) == (MODELS[model][0] == "exact")
    with pytest.raises(UnknownUser):
        recommend(workspace, user)


def test_a_method_for_other_models_is_refused_before_anything_is_changed(trained):
    workspace, model = trained
    user = first(workspace, False)
    other = "natural_ascent" if MODELS[model][0] == "exact" else "exact"
    with pytest.raises(UsageError, match=f"{other} does not work on '{model}'"):
        forget(workspace, [user], method=other)
    assert len(workspace.store().history(workspace.store().user_row(user)))
