import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

SCRIPT = """
import sys
sys.modules["recsys_unlearn"] = None  # as on a machine where it is not installed
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/recommender@champion")
lines = model.predict(pd.DataFrame({"user_row": [3, 2, 0]}), params={"k": 2})
print(lines.to_csv(index=False))
"""


@pytest.fixture
def served(publish, registry, tracker):
    def load():
        import mlflow

        publish()
        registry.promote(1)
        return mlflow.pyfunc.load_model("models:/recommender@champion")

    return load


def ranked(lines, user):
    return lines[lines.user_row == user].item_row.tolist()


def test_it_answers_in_a_process_without_this_package_or_pickle(publish, registry, tracker):
    publish()
    version = registry.promote(1)
    bytecode = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tracker.uri],
        env=bytecode | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd=tracker.workspace,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # user 3 is (1, 2, 3): scores 5, 6, 34, 17, 6; user 0 is (1, 0, 0): 5, 4, 3, 0, 0; user 2 is forgotten
    assert done.stdout.split() == [
        "user_row,rank,item_row,score",
        *("3,1,2,34.0", "3,2,3,17.0", "0,1,0,5.0", "0,2,1,4.0"),
    ]
    version.verify()  # loading left nothing behind that we would have to refuse


@pytest.mark.parametrize("indexed", [True, False])
def test_with_and_without_an_index_it_equals_brute_force(served, model_directory, tables, indexed):
    if not indexed:
        (model_directory / "index.faiss").unlink()
    lines = served().predict(pd.DataFrame({"user_row": np.array([0, 1, 3])}), params={"k": 3})
    for user in (0, 1, 3):
        best = np.argsort(-(tables["user_table"][user] @ tables["item_table"].T), kind="stable")[:3]
        assert ranked(lines, user) == best.tolist()
    assert lines["rank"].tolist() == [1, 2, 3] * 3
    assert lines.dtypes.astype(str).to_dict() == {
        "user_row": "int64",
        "rank": "int64",
        "item_row": "int64",
        "score": "float32",
    }


def test_the_forgotten_get_no_lines_and_k_is_bounded_by_the_catalogue(served):
    model = served()
    assert len(model.predict(pd.DataFrame({"user_row": [2]}))) == 0
    assert len(model.predict(pd.DataFrame({"user_row": [0, 2]}))) == 5  # items in all


@pytest.mark.parametrize(
    ("rows", "params", "message"),
    [([4], {}, "outside this version's 4 rows"), ([-1], {}, "outside"), ([0], {"k": 0}, "k is 0")],
)
def test_what_cannot_be_answered_is_said(served, rows, params, message):
    with pytest.raises(ValueError, match=message):
        served().predict(pd.DataFrame({"user_row": rows}), params=params)


def test_ids_are_refused_by_the_signature(served):
    with pytest.raises(Exception, match="user_row"):
        served().predict(pd.DataFrame({"user_row": ["u1"]}))


def test_a_version_without_user_vectors_says_who_answers_instead(tmp_path):
    from types import SimpleNamespace

    from safetensors.numpy import save_file

    from recsys_unlearn.tracking.served_model import ServedRecommender

    save_file({"inverse": np.ones(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="no user vectors: ask `recsys-unlearn recommend`"):
        ServedRecommender().load_context(SimpleNamespace(artifacts={"files": str(tmp_path)}))
