"""Models are kept between calls, and an oracle saw nobody of the cohort."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_unlearn.errors import UsageError
from recsys_unlearn.experiments import setting
from recsys_unlearn.experiments.figures import Measured
from recsys_unlearn.experiments.preparations import PREPARATIONS, prepared
from recsys_unlearn.experiments.recipes import RECIPES
from recsys_unlearn.experiments.setting import Trained, read_dataset, train_original, with_oracle
from recsys_unlearn.recommenders.implicit_engines import Als
from recsys_unlearn.recommenders.implicit_options import AlsOptions


def test_a_kept_model_is_not_trained_again(tmp_path, spherical):
    calls = []

    def train():
        calls.append(1)
        return spherical

    kept = Trained(tmp_path)
    first, seconds = kept.get("original", train)
    again, same = kept.get("original", train)
    assert calls == [1] and seconds == same
    assert again.item_table.tobytes() == first.item_table.tobytes()


def test_nothing_is_kept_without_a_place(spherical):
    calls = []
    for _ in range(2):
        Trained(None).get("original", lambda: calls.append(1) or spherical)
    assert len(calls) == 2


def test_the_oracle_knows_nobody_of_the_cohort(original):
    drawn = with_oracle(original, "random", 0.1)
    assert len(drawn.forgotten) == 6
    assert not drawn.oracle.user_table[drawn.forgotten].any()
    assert np.union1d(drawn.retained, drawn.forgotten).tolist() == list(range(60))
    assert not np.intersect1d(drawn.retained, drawn.forgotten).size


@pytest.mark.parametrize("name", PREPARATIONS)
def test_every_kind_of_readiness_is_measured_against_its_own_oracle(original, name, monkeypatch):
    from recsys_unlearn.readiness import ready2unlearn

    few = ready2unlearn.Ready2UnlearnOptions(steps=2, users=3)
    monkeypatch.setattr(ready2unlearn, "Ready2UnlearnOptions", lambda: few)
    start = prepared(name, original)
    assert start.readiness is not None and start.seconds > 0
    against = Measured(with_oracle(original, "random", 0.1), start)
    row = against.row("retrain", against.oracle_recommender)
    assert (row["residual"], row["tow"], row["readiness"]) == (0, 1, name)
    moved = against.oracle_recommender is not against.setting.oracle
    assert moved == PREPARATIONS[name].moves


def test_calibration_leaves_half_of_the_strangers_to_the_audit(original):
    used, whole = prepared("calibrated", original).strangers, prepared("natural", original).strangers
    assert 0 < len(used) < len(whole)


@pytest.mark.parametrize("recipe", ["als", "bpr", "ml-1m-two-tower"])
def test_a_recipe_of_another_kind_is_trained_kept_and_retrained(tmp_path, monkeypatch, recipe):
    few = replace(RECIPES[recipe], options=replace(RECIPES[recipe].options, epochs=1, dim=8))
    monkeypatch.setitem(setting.RECIPES, recipe, few)
    original = train_original("synthetic", recipe, 0, tmp_path)
    assert original.recommender.name == few.model
    oracle = with_oracle(original, "random", 0.05)
    assert type(oracle.oracle) is type(original.recommender)
    assert not oracle.oracle.user_table[oracle.forgotten].any()
    again = train_original("synthetic", recipe, 0, tmp_path).recommender
    assert again.item_table.tobytes() == original.recommender.item_table.tobytes()


def test_only_a_factorization_is_made_ready2unlearn(original):
    als = Als(AlsOptions(epochs=1, dim=4)).fit(original.splits.train)
    with pytest.raises(UsageError, match="'als' is none"):
        prepared("ready2unlearn", replace(original, recommender=als))


@pytest.mark.parametrize("name", ["synthetic", "synthetic-sparse"])
def test_a_synthetic_set_is_read_by_name(name):
    found, splits = read_dataset(name, seed=0, validation=0.1)
    assert found == name
    assert len(splits.strangers) and len(splits.test)
    assert 0.05 < len(splits.validation) / (len(splits.train) + len(splits.validation)) < 0.15
