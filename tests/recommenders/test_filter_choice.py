"""The response that is chosen is the one that ranks best what was held out, found here the slow way."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from recsys_unlearn import metrics
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders import filter_choice
from recsys_unlearn.recommenders.filter_choice import EXPONENTS, LOW_PASS, chosen
from recsys_unlearn.recommenders.filter_options import SpectralOptions
from recsys_unlearn.recommenders.spectral import Spectral

OPEN = SpectralOptions(dim=6, neighbours=40, sweeps=60)


@pytest.fixture
def halves(train):
    """Every second interaction, and the others."""
    first = np.arange(len(train)) % 2 == 0
    return train.where(first), train.where(~first)


def gain(options, seen, hidden):
    model = Spectral(options).fit(seen)
    return evaluate(model.given(seen), hidden, exclude=seen, k=20).mean()["ndcg@20"]


def test_the_best_of_all_on_validation_data_is_chosen(halves):
    seen, hidden = halves
    candidates = [replace(OPEN, item_exponent=q, low_pass=w) for q, w in product(EXPONENTS, LOW_PASS)]
    gains = [gain(each, seen, hidden) for each in candidates]
    assert max(gains) - min(gains) > 0.01
    assert gain(chosen(OPEN, seen, hidden), seen, hidden) == pytest.approx(max(gains), abs=1e-6)


@pytest.mark.parametrize(("given", "open_"), [("item_exponent", "low_pass"), ("low_pass", "item_exponent")])
def test_what_is_given_stays(halves, given, open_):
    found = chosen(replace(OPEN, **{given: 0.77}), *halves)
    assert getattr(found, given) == 0.77
    assert getattr(found, open_) in (*EXPONENTS, *LOW_PASS)


def test_nothing_is_computed_where_nothing_is_open(halves, monkeypatch):
    monkeypatch.setattr(filter_choice, "normalized", None)
    whole = replace(OPEN, item_exponent=0.2, low_pass=2.0)
    assert chosen(whole, *halves) == whole


def test_without_validation_items_are_held_out_of_what_the_filter_sees(train, monkeypatch):
    """An item that the filter had seen would be found by itself."""
    asked = []
    whole = filter_choice.evaluate
    monkeypatch.setattr(
        filter_choice,
        "evaluate",
        lambda model, pairs, exclude, k: (
            asked.append((pairs, exclude)) or whole(model, pairs, exclude=exclude, k=k)
        ),
    )
    first = chosen(OPEN, train, None)
    hidden, seen = asked[0]
    assert 0.1 < len(hidden) / len(train) < 0.3
    assert len(hidden) + len(seen) == len(train) and not seen.holds(hidden).any()
    assert chosen(OPEN, train, train.where(np.zeros(len(train), bool))) == first  # an empty split is none


@pytest.mark.parametrize("room", [filter_choice, metrics], ids=["choosing", "ranking"])
def test_a_catalogue_too_large_for_a_batch_makes_no_difference(halves, monkeypatch, room):
    """Wherever it is divided, each user keeps their own scores."""

    def gains():
        found = [
            [evaluate(each, pairs, exclude=halves[0], k=20).per_user["ndcg@20"] for each in scored]
            for scored, pairs in filter_choice._scores(*halves, candidates)
        ]
        return np.concatenate(found, axis=1)

    candidates = [replace(OPEN, item_exponent=q, low_pass=1.0) for q in EXPONENTS]
    whole = gains()
    monkeypatch.setattr(room, "SCORES_PER_BATCH", 7 * halves[0].n_items)
    np.testing.assert_allclose(gains(), whole, atol=1e-12)


def test_too_little_to_choose_on_gets_the_first():
    found = chosen(OPEN, Interactions.from_pairs([0], [0], 1, 2), None)
    assert (found.item_exponent, found.low_pass) == (EXPONENTS[0], LOW_PASS[0])


def test_a_retrain_keeps_what_was_chosen(halves):
    model = Spectral(OPEN).fit(*halves)
    assert model.options == OPEN
    assert model.retrain_options == chosen(OPEN, *halves)
    assert model.retrain(halves[0]).values.tobytes() == model.values.tobytes()
