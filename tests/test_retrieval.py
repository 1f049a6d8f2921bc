"""The index against brute force, updates against fresh builds, files against every kind of damage."""

import hashlib
import subprocess
import sys

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn import retrieval
from recsys_unlearn.errors import InvalidValue, UnknownItem, UsageError, VersionError
from recsys_unlearn.retrieval import ItemIndex


def brute_force(item_table, vector, k, excluded):
    scores = item_table @ vector
    rows = [i for i in np.lexsort((np.arange(len(scores)), -scores)) if i not in set(excluded)][:k]
    missing = k - len(rows)
    return [*map(int, rows)] + [-1] * missing, [*map(float, scores[rows])] + [-np.inf] * missing


def table(rows=60, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


@st.composite
def searches(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_items, n_users = (
        draw(st.integers(1, 40)),
        draw(st.integers(1, 25)),
    )  # faiss changes kernel at 20 queries
    # Small integers: products are exact, so that ties are ties, and they are frequent.
    items, users = (rng.integers(-1, 2, (n, 3)).astype(np.float32) for n in (n_items, n_users))
    seen = [rng.choice(n_items, rng.integers(0, n_items + 1), replace=False) for _ in range(n_users)]
    return items, users, seen, draw(st.integers(1, 45)), draw(st.integers(1, 8))


@settings(max_examples=150, deadline=None)
@given(searches())
def test_search_equals_brute_force(search):
    items, users, seen, k, batch = search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "QUERIES_PER_BATCH", batch)
        found, scores = ItemIndex.build(items).search(users, k, seen)
    assert found.shape == scores.shape == (len(users), k)
    for line, user in enumerate(users):
        expected = brute_force(items, user, k, seen[line])
        assert (found[line].tolist(), scores[line].tolist()) == expected


def test_search_with_real_valued_vectors_equals_brute_force():
    items, users = table(300), table(30, seed=1)
    seen = [np.arange(line * 7) for line in range(30)]
    found, scores = ItemIndex.build(items).search(users, 10, seen)
    for line, user in enumerate(users):
        rows, values = brute_force(items, user, 10, seen[line])
        assert found[line].tolist() == rows
        assert scores[line] == pytest.approx(values, abs=1e-5)


def test_only_an_open_tie_costs_a_full_search(monkeypatch):
    asked = []
    fetch = ItemIndex._fetch
    monkeypatch.setattr(ItemIndex, "_fetch", lambda self, *args: asked.append(args[-1]) or fetch(self, *args))
    index = ItemIndex.build(table())
    index.search(table(3, seed=1), 10, [np.arange(4), np.arange(2), np.arange(0)])
    assert asked == [15]
    index.search(np.zeros((1, 8)), 10)
    assert asked == [15, 11, 60]


def test_one_vector_in_gives_one_line_out():
    items = table()
    found, scores = ItemIndex.build(items).search(items[3], 5, [np.array([3, 4])])
    assert found.shape == scores.shape == (5,)
    assert found.tolist() == brute_force(items, items[3], 5, [3, 4])[0]


def test_without_exclusion_the_best_is_among_all():
    found, _ = ItemIndex.build(np.eye(4, dtype=np.float32)).search(np.array([0, 0, 1, 0.5], np.float32), 2)
    assert found.tolist() == [2, 3]


def test_a_zero_vector_gets_the_lowest_rows():
    found, scores = ItemIndex.build(table()).search(np.zeros(8, np.float32), 3, [np.array([1])])
    assert found.tolist() == [0, 2, 3]
    assert scores.tolist() == [0, 0, 0]


def test_no_vectors_give_no_lines():
    found, scores = ItemIndex.build(table()).search(np.empty((0, 8), np.float32), 3)
    assert found.shape == scores.shape == (0, 3)


# --- updates -------------------------------------------------------------------------------------


@pytest.fixture
def changed():
    items = table()
    rows = np.array([59, 0, 17])
    vectors = table(3, seed=2)
    after = items.copy()
    after[rows] = vectors
    return items, rows, vectors, after


def test_an_updated_index_is_byte_for_byte_a_fresh_one(tmp_path, changed):
    items, rows, vectors, after = changed
    index = ItemIndex.build(items)
    index.update(rows, vectors)
    index.save(tmp_path / "updated")
    ItemIndex.build(after).save(tmp_path / "fresh")
    assert (tmp_path / "updated").read_bytes() == (tmp_path / "fresh").read_bytes()


def test_an_update_leaves_no_old_vector_and_keeps_every_other(tmp_path, changed):
    items, rows, vectors, after = changed
    ItemIndex.build(items).save(tmp_path / "old")
    index = ItemIndex.load(tmp_path / "old")
    index.update(rows, vectors)
    index.save(tmp_path / "new")
    old, new = (tmp_path / "old").read_bytes(), (tmp_path / "new").read_bytes()
    for row in range(len(items)):
        assert items[row].tobytes() in old  # the search can find one
        assert (items[row].tobytes() in new) == (row not in rows)
        assert after[row].tobytes() in new
    for row in rows:  # nor half of one
        assert items[row, :4].tobytes() not in new and items[row, 4:].tobytes() not in new


def test_an_updated_index_answers_from_the_new_vectors(changed):
    items, rows, vectors, after = changed
    index = ItemIndex.build(items)
    index.update(rows, vectors)
    for query in table(5, seed=3):
        assert index.search(query, 60)[0].tolist() == brute_force(after, query, 60, [])[0]


def test_a_copy_is_independent_and_the_table_is_not_held(changed):
    items, rows, vectors, _ = changed
    index = ItemIndex.build(items)
    before = index.search(items[5], 60)[0].tolist()
    index.copy().update(rows, vectors)
    items[:] = 0
    assert index.search(table()[5], 60)[0].tolist() == before


def test_updating_nothing_changes_nothing(changed):
    items, *_ = changed
    index = ItemIndex.build(items)
    index.update(np.array([], np.int64), np.empty((0, 8), np.float32))
    assert index.search(items[5], 3)[0].tolist() == brute_force(items, items[5], 3, [])[0]


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "items.faiss"
    ItemIndex.build(table()).save(path)
    return path


def test_round_trip(saved, tmp_path):
    index = ItemIndex.load(saved, shape=(60, 8))
    assert index.shape == (60, 8)
    assert index.search(table()[7], 60)[0].tolist() == brute_force(table(), table()[7], 60, [])[0]
    index.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_faiss_itself_reads_the_file(saved):
    assert faiss.read_index(str(saved)).ntotal == 60


def test_a_save_that_fails_leaves_the_old_file_and_says_why(saved, small_files, capfd):
    before = saved.read_bytes()
    with pytest.raises(OSError, match="File too large"):
        ItemIndex.build(table(500)).save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    assert capfd.readouterr() == ("", "")  # the reason is in the error alone


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(VersionError, match=r"no readable index in .*absent.*Build it from the model"):
        ItemIndex.load(tmp_path / "absent")


def test_a_file_cut_anywhere_is_an_error(saved):
    whole = saved.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        saved.write_bytes(whole[:length])
        with pytest.raises(VersionError, match="no readable index"):
            ItemIndex.load(saved)


def test_a_flipped_bit_anywhere_is_an_error(saved):
    whole = saved.read_bytes()
    for place in [*range(64), *range(64, len(whole), 53)]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        saved.write_bytes(damaged)
        with pytest.raises(VersionError, match="do not match their SHA-256"):
            ItemIndex.load(saved)


def test_bytes_added_at_the_end_are_an_error(saved):
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(VersionError, match="do not match"):
        ItemIndex.load(saved)


def sealed(path, data):
    path.write_bytes(data + hashlib.sha256(data).digest())
    return path


def test_sealed_bytes_that_are_no_index_are_an_error(tmp_path):
    with pytest.raises(VersionError, match="no readable index"):
        ItemIndex.load(sealed(tmp_path / "x", b"not an index at all"))


def _other_indexes():
    yield "flat without ids", faiss.IndexFlatIP(8)
    yield "other metric", faiss.IndexIDMap2(faiss.IndexFlatL2(8))
    shifted = faiss.IndexIDMap2(faiss.IndexFlatIP(8))
    shifted.add_with_ids(table(4), np.arange(1, 5))
    yield "other ids", shifted


@pytest.mark.parametrize("index", [pytest.param(index, id=name) for name, index in _other_indexes()])
def test_another_kind_of_index_is_an_error(tmp_path, index):
    data = faiss.serialize_index(index).tobytes()
    with pytest.raises(VersionError, match=r"is not an index over item rows\. Build it again"):
        ItemIndex.load(sealed(tmp_path / "x", data))


def test_another_shape_is_an_error(saved):
    with pytest.raises(VersionError, match="is 60 x 8 and the item table 60 x 16: not of one version"):
        ItemIndex.load(saved, shape=(60, 16))


# --- input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_an_error(bad):
    damaged = np.full((2, 8), bad, np.float32)
    index = ItemIndex.build(table())
    with pytest.raises(InvalidValue, match="the item table holds NaN or infinity"):
        ItemIndex.build(damaged)
    with pytest.raises(InvalidValue, match="a user vector holds NaN"):
        index.search(damaged)
    with pytest.raises(InvalidValue, match="an item vector holds NaN"):
        index.update(np.array([0, 1]), damaged)
    assert index.search(table()[7], 60)[0].tolist() == brute_force(table(), table()[7], 60, [])[0]


def test_vectors_of_another_width_are_an_error():
    index = ItemIndex.build(table())
    with pytest.raises(InvalidValue, match=r"a user vector is of shape \(1, 9\), not \(n, 8\)"):
        index.search(np.zeros(9))
    with pytest.raises(InvalidValue, match=r"an item vector is of shape \(2, 7\), not \(n, 8\)"):
        index.update(np.array([0, 1]), np.zeros((2, 7)))
    with pytest.raises(InvalidValue, match=r"the item table is of shape \(8,\), not \(n, d\)"):
        ItemIndex.build(np.zeros(8))


def test_an_empty_table_is_an_error():
    with pytest.raises(InvalidValue, match=r"the item table is empty.*train a version first"):
        ItemIndex.build(np.empty((0, 8)))


@pytest.mark.parametrize("row", [-1, 60])
def test_rows_outside_the_index_are_an_error(row):
    index = ItemIndex.build(table())
    with pytest.raises(UnknownItem, match="outside this index of 60 items"):
        index.update(np.array([row]), np.zeros((1, 8)))
    with pytest.raises(UnknownItem, match="outside this index of 60 items"):
        index.search(np.zeros((2, 8)), 3, [np.array([0]), np.array([row])])


def test_counts_that_do_not_match_are_errors():
    index = ItemIndex.build(table())
    with pytest.raises(InvalidValue, match="1 vectors for 2 item rows"):
        index.update(np.array([0, 1]), np.zeros((1, 8)))
    with pytest.raises(UsageError, match="1 exclusion lists for 2 vectors"):
        index.search(np.zeros((2, 8)), 3, [np.array([0])])
    with pytest.raises(UsageError, match="k is 0; a search needs k of at least 1"):
        index.search(np.zeros(8), 0)


def test_importing_retrieval_does_not_import_torch():
    code = "import sys, recsys_unlearn.retrieval; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
