"""The mask is of the size asked for, on the largest slopes, and nothing moves outside of it."""

import numpy as np
import pytest
from plain import item_gradient

from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.random_label import RandomLabel
from recsys_unlearn.unlearning.saliency import Saliency

LEAVERS = np.array([3, 8, 21])
STAYERS = np.setdiff1d(np.arange(60), LEAVERS)


@pytest.fixture
def request_(train):
    return ForgetRequest.of_accounts(train, LEAVERS)


@pytest.fixture
def slope(trained, train):
    """|∂L_forget/∂v| by autograd in float64, in the tangent plane on the sphere."""
    items = trained.item_table.astype(np.float64)
    found = item_gradient(trained.user_table, items, train.of_users(LEAVERS), trained.geometry).numpy()
    if trained.geometry.spherical:
        found -= (found * items).sum(1, keepdims=True) * items
    return np.abs(found)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_entries_with_the_largest_slopes(trained, train, slope, share):
    mask = Saliency(share=share).mask(trained, train.of_users(LEAVERS)).numpy()
    assert mask.sum() == pytest.approx(share * mask.size, abs=1)
    if share < 1:
        assert slope[mask].min() > slope[~mask].max() - 1e-4


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_rows_with_the_longest_slopes(trained, train, slope, share):
    mask = Saliency(share=share, grain="rows").mask(trained, train.of_users(LEAVERS)).numpy()
    chosen = mask.any(1)
    assert np.array_equal(chosen, mask.all(1))
    assert chosen.sum() == pytest.approx(share * len(mask), abs=1)
    length = np.linalg.norm(slope, axis=1)
    assert length[chosen].min() > length[~chosen].max() - 1e-4


@pytest.mark.parametrize("grain", ["entries", "rows"])
def test_rows_outside_the_mask_and_other_users_stay_to_the_byte(trained, train, request_, grain):
    method = Saliency(share=0.02, grain=grain, passes=3)
    outcome = method.forget(trained, train, request_)
    chosen = method.mask(trained, request_.forget_set).any(1).numpy()
    assert 0 < chosen.sum() < len(chosen)
    assert outcome.touched_items.tolist() == np.flatnonzero(chosen).tolist()
    new = outcome.recommender
    assert new.item_table[~chosen].tobytes() == trained.item_table[~chosen].tobytes()
    assert (new.item_table[chosen] != trained.item_table[chosen]).any(1).all()
    assert new.user_table[STAYERS].tobytes() == trained.user_table[STAYERS].tobytes()


def test_entries_outside_the_mask_stay_where_lengths_are_free(free, train, request_):
    method = Saliency(share=0.3, passes=3)
    mask = method.mask(free, request_.forget_set).numpy()
    new = method.forget(free, train, request_).recommender
    assert new.item_table[~mask].tobytes() == free.item_table[~mask].tobytes()


def test_it_is_random_labels_and_not_something_else(free, train, request_):
    """With everything in the mask, the first step moves the items as random labels do."""
    masked, plain = (
        kind(passes=1).forget(free, train, request_).recommender for kind in (Saliency, RandomLabel)
    )
    whole = Saliency(passes=1, share=1.0).forget(free, train, request_).recommender
    assert whole.item_table.tobytes() == plain.item_table.tobytes()
    assert masked.item_table.tobytes() != plain.item_table.tobytes()
