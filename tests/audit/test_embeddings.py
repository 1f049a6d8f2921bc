"""Figures that no change of basis moves, at 1 for the same thing and at chance for another."""

import numpy as np
import pytest

from recsys_unlearn.audit import embeddings
from recsys_unlearn.audit.embeddings import (
    compare_items,
    dimensional_alignment,
    linear_cka,
    neighbour_overlap,
    procrustes_distance,
)


def table(seed=0, rows=300, width=8):
    return np.random.default_rng(seed).normal(size=(rows, width))


def rotation(width=8, seed=9):
    return np.linalg.qr(table(seed, width, width))[0]


def test_a_rotation_and_a_scale_change_nothing():
    one = table()
    two = 3 * one @ rotation() + 5
    assert linear_cka(one, two) == pytest.approx(1)
    assert procrustes_distance(one, two) == pytest.approx(0, abs=1e-12)
    assert neighbour_overlap(one, 3 * one @ rotation()) == 1


def test_tables_with_nothing_in_common():
    """k of n - 1 neighbours are shared by chance; CKA of unrelated tables is about d / n."""
    one, two = table(0), table(1)
    assert neighbour_overlap(one, two, 10) == pytest.approx(10 / 299, abs=0.02)
    assert linear_cka(one, two) == pytest.approx(8 / 300, abs=0.02)
    assert procrustes_distance(one, two) > 0.9


def test_the_more_noise_the_further():
    one = table()
    noisy = [one + scale * table(2) for scale in (0.1, 0.5, 2.0)]
    for figure, sign in ((neighbour_overlap, -1), (linear_cka, -1), (procrustes_distance, 1)):
        values = [sign * figure(one, other) for other in noisy]
        assert values == sorted(values)


def test_procrustes_by_hand():
    """Two points at ±1 on one axis, and at ±1 on two: the best match leaves a half of the variance."""
    line = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    square = np.array([[1.0, 1], [-1, -1], [1, -1], [-1, 1]])
    assert procrustes_distance(line, square) == pytest.approx(0.5)
    assert procrustes_distance(square, line) == pytest.approx(0.5)


def test_neighbours_by_hand():
    """Rows 0, 1 | 2, 3 are close by cosine whatever their lengths; in the other table 0, 2 | 1, 3 are."""
    one = np.array([[1, 0.1], [5, 0.2], [0.1, 1], [0.2, 9]])
    two = one[[0, 2, 1, 3]]
    assert neighbour_overlap(one, one, 1) == 1
    assert neighbour_overlap(one, two, 1) == 0
    assert neighbour_overlap(one, two, 1, np.array([0])) == 0


def test_batches_of_rows_change_nothing(monkeypatch):
    whole = neighbour_overlap(table(0), table(0) + 0.5 * table(1))
    monkeypatch.setattr(embeddings, "ROWS_PER_BATCH", 7)
    assert neighbour_overlap(table(0), table(0) + 0.5 * table(1)) == whole


def test_alignment_is_one_inside_the_eigenspace_and_nought_outside():
    retained = np.zeros((100, 6))
    retained[:, :2] = table(0, 100, 2)
    inside, outside = np.zeros((5, 6)), np.zeros((5, 6))
    inside[:, :2], outside[:, 4:] = table(1, 5, 2), table(1, 5, 2)
    assert dimensional_alignment(inside, retained) == pytest.approx(1)
    assert dimensional_alignment(outside, retained) == pytest.approx(0)
    assert dimensional_alignment(inside + outside, retained) == pytest.approx(0.5)


def test_the_eigenspace_is_as_large_as_it_must_be():
    """Second moments 80, 15 and 5: 90 % takes two directions, 75 % one, everything three."""
    retained = np.diag(np.sqrt([80.0, 15, 5]))
    second = np.array([[0.0, 1, 0]])
    assert dimensional_alignment(second, retained) == pytest.approx(1)
    assert dimensional_alignment(second, retained, explained=0.75) == pytest.approx(0)
    assert dimensional_alignment(np.array([[0.0, 0, 1]]), retained) == pytest.approx(0)
    assert dimensional_alignment(np.array([[0.0, 0, 1]]), retained, explained=1.0) == pytest.approx(1)


def test_alignment_does_not_depend_on_the_basis():
    one, two, turn = table(0), table(1, 20), rotation()
    assert dimensional_alignment(two @ turn, one @ turn) == pytest.approx(dimensional_alignment(two, one))


def test_people_of_no_kind_align_as_chance_does():
    """Isotropic retained users: 90 % of the moment takes 8 of 8 directions, or 7, and strangers fill them."""
    assert dimensional_alignment(table(1, 500), table(0, 500)) > 0.8


def test_items_are_compared_and_the_oracle_with_itself_is_perfect(spherical, train):
    other = spherical.retrain(train.without_users([3]))
    same = compare_items(spherical, spherical)
    assert same == pytest.approx(
        {"neighbour_overlap": 1, "linear_cka": 1, "procrustes_distance": 0}, abs=1e-6
    )
    found = compare_items(other, spherical)
    assert 0.5 < found["neighbour_overlap"] < 1
    assert 0 < found["procrustes_distance"] < 0.5


def test_a_large_catalogue_is_sampled_the_same_way_each_time(spherical, train, monkeypatch):
    monkeypatch.setattr(embeddings, "MOST_ROWS", 10)
    other = spherical.retrain(train.without_users([3]))
    assert compare_items(other, spherical) == compare_items(other, spherical)
