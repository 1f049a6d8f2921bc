import json
from dataclasses import fields

import pytest

from recsys_unlearn.cli.train import HELP, train_command
from recsys_unlearn.recommenders.ease import Ease
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions
from recsys_unlearn.recommenders.registry import OPTIONS

KEYS = ["version", "model", "champion", "epochs", "users", "items", "interactions", "seconds", "metrics"]
KEYS += ["erased_again"]
METRICS = {"recall@20", "ndcg@20", "mrr@20", "hit_rate@20", "coverage@20"}
SMALL = ("--dim", 4, "--epochs", 2, "--negatives", 8, "--batch-size", 512)


def test_every_hyper_parameter_is_explained_and_no_other():
    known = {field.name for options in OPTIONS.values() for field in fields(options)}
    assert set(HELP) == known


def test_defaults_are_shown_and_not_passed_on():
    options = {each.name: each for each in train_command.params}
    assert options["temperature"].help.endswith("[0.15]")
    assert "[factorization 64, " in options["dim"].help
    assert all(options[name].default is not FactorizationOptions.__dict__[name] for name in ("dim", "seed"))
    assert train_command.make_context("train", []).params["dim"] is None


def test_json_has_the_new_version_and_its_metrics(run_json, workspace):
    outcome = run_json("train", *SMALL, "--workspace", workspace.root)
    assert sorted(outcome) == sorted(KEYS)
    assert set(outcome["metrics"]) >= METRICS
    assert outcome["version"] == 2
    assert Factorization.load(workspace.registry().version(2).open()).options.dim == 4


def test_what_is_typed_wins_over_the_file(run_json, workspace, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("dim: 4\nepochs: 1\nnegatives: 8\nlearning_rate: 2e-2\n")
    outcome = run_json("train", "--config", config, "--dim", 6, "--workspace", workspace.root)
    options = Factorization.load(workspace.registry().version(outcome["version"]).open()).options
    assert (options.dim, options.epochs, options.learning_rate) == (6, 1, 0.02)


def test_a_model_is_chosen_by_name_and_its_options_are_its_own(run, run_json, workspace, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("model: ease\nregularization: 7\n")
    outcome = run_json("train", "--config", config, "--workspace", workspace.root)
    assert outcome["model"] == "ease"
    assert outcome["epochs"] == 1
    assert Ease.load(workspace.registry().version(outcome["version"]).open()).options.regularization == 7
    other = run("train", "--config", config, "--model", "item_knn", "--workspace", workspace.root)
    assert other.exit_code == 2
    assert "no option 'regularization'" in other.stderr
    typed = run("train", "--model", "ease", "--dim", 4, "--workspace", workspace.root)
    assert typed.exit_code == 2
    assert "no option 'dim'; the nearest is" in typed.stderr


def test_a_model_that_does_not_exist_is_refused_with_the_list(run, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("model: magic\n")
    result = run("train", "--config", config)
    assert result.exit_code == 2
    assert "no model 'magic'; there are factorization, als" in result.stderr


def test_defaults_that_differ_are_shown_for_each_model():
    shown = {each.name: each.help for each in train_command.params}
    assert shown["shrinkage"].endswith("[20.0]")
    assert "factorization 0.03, als 10.0" in shown["regularization"]
    assert not shown["steps_per_epoch"].endswith("]")


def test_people_read_the_metrics(run, workspace):
    result = run("train", *SMALL, "--workspace", workspace.root)
    assert result.stdout.startswith("Version 2 trained in ")
    assert "recall@20" in result.stdout
    assert "recommend --user ID" in result.stdout


def test_all_problems_of_a_configuration_are_code_2_and_nothing_is_trained(run, workspace, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("dims: 4\nepochs: many\npatience: 0\n")
    result = run("train", "--config", config, "--workspace", workspace.root, "--json")
    message = json.loads(result.stdout)["error"]["message"]
    assert result.exit_code == 2
    assert "no option 'dims'; the nearest is 'dim'" in message
    assert "epochs must be a whole number" in message
    assert "patience must be above 0" in message
    assert len(workspace.registry().versions()) == 1


@pytest.mark.parametrize("loss", ["entropy", ""])
def test_a_choice_is_checked_before_anything_is_loaded(run, loss):
    result = run("train", "--loss", loss)
    assert result.exit_code == 2
    assert "'sampled_softmax', 'popularity_softmax', 'full_softmax', 'bpr'" in result.stderr


def test_a_workspace_without_data_is_code_1_and_says_what_to_do(run, tmp_path):
    result = run("train", "--workspace", tmp_path)
    assert result.exit_code == 1
    assert "recsys-unlearn ingest" in result.stderr
