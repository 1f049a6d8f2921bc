"""Trees and proofs against RFC 6962, its public test vectors, and a slow twin."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasure import merkle_by_definition as slow
from recsys_unlearn.erasure.merkle import EMPTY_ROOT, Absence, Proof, SortedTree, Tree, is_consistent

LARGEST = 40
DATA = [f"entry {number}".encode() for number in range(LARGEST)]

# The leaves and roots that implementations of Certificate Transparency are tested with.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        bytes(range(0x60, 0x70)).hex(),
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A, B, C = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
D, E, F = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
)


def hexed(hashes):
    return [each.hex() for each in hashes]


@pytest.fixture(scope="module")
def tree():
    return Tree(DATA)


# --- public vectors ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size):
    assert Tree(LEAVES[:size]).root() == Tree(LEAVES).root(size) == ROOTS[size]


@pytest.mark.parametrize(("index", "path"), [(0, (A, B, C)), (5, (D, E, ROOTS[4]))])
def test_known_inclusion_proofs(index, path):
    proof = Tree(LEAVES).inclusion(index)
    assert proof == Proof(index, 8, path)
    assert proof.holds(LEAVES[index], ROOTS[8])


@pytest.mark.parametrize(
    ("earlier", "size", "path"),
    [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D])],
)
def test_known_consistency_proofs(earlier, size, path):
    assert Tree(LEAVES).consistency(earlier, size) == path
    assert is_consistent(earlier, size, ROOTS[earlier], ROOTS[size], path)


# --- every tree of up to forty leaves ------------------------------------------------------------


def test_roots_are_those_of_the_definition(tree):
    roots = [slow.mth(DATA[:size]).hex() for size in range(LARGEST + 1)]
    assert [tree.root(size) for size in range(LARGEST + 1)] == roots
    assert [Tree(DATA[:size]).root() for size in range(LARGEST + 1)] == roots
    assert roots[0] == EMPTY_ROOT == sha256().hexdigest()


def test_every_inclusion_proof_is_that_of_the_definition_and_holds(tree):
    for size in range(1, LARGEST + 1):
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion(index, size)
            assert list(proof.path) == hexed(slow.path(index, DATA[:size]))
            assert proof.holds(DATA[index], root)


def test_an_inclusion_proof_holds_for_nothing_but_what_the_definition_says(tree):
    """Each proof of trees up to 12, under every other claim of place and size, as the twin judges it."""
    for size in range(1, 13):
        root = slow.mth(DATA[:size])
        for index in range(size):
            path = slow.path(index, DATA[:size])
            for claimed_size in range(1, 14):
                for claimed in range(claimed_size):
                    proof = Proof(claimed, claimed_size, tuple(hexed(path)))
                    expected = slow.holds(DATA[index], claimed, claimed_size, path, root)
                    assert proof.holds(DATA[index], root.hex()) == expected


def test_every_consistency_proof_is_that_of_the_definition_and_holds(tree):
    for size in range(1, LARGEST + 1):
        for earlier in range(1, size + 1):
            path = tree.consistency(earlier, size)
            assert path == hexed(slow.proof(earlier, DATA[:size]))
            assert is_consistent(earlier, size, tree.root(earlier), tree.root(size), path)


def test_the_empty_tree_is_the_beginning_of_every_tree(tree):
    for size in range(LARGEST + 1):
        assert tree.consistency(0, size) == []
        assert is_consistent(0, size, EMPTY_ROOT, tree.root(size), [])
        assert not is_consistent(0, size, tree.root(1), tree.root(size), [])
    assert not is_consistent(0, 3, EMPTY_ROOT, tree.root(3), [A])


# --- what must not hold --------------------------------------------------------------------------


def spoiled(path):
    """All paths that differ from one by a hash changed, dropped, doubled, added, swapped, or unreadable."""
    other = sha256(b"another").hexdigest()
    for place in range(len(path)):
        yield [*path[:place], other, *path[place + 1 :]]
        yield [*path[:place], *path[place + 1 :]]
        yield [*path[:place], path[place], *path[place:]]
        yield [*path[:place], "no hash", *path[place + 1 :]]
    yield [*path, other]
    yield [other, *path]
    if len(path) > 1:
        yield [path[1], path[0], *path[2:]]


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 11])
def test_no_spoiled_inclusion_proof_holds(tree, size):
    root = tree.root(size)
    for index in range(size):
        proof = tree.inclusion(index, size)
        for path in spoiled(list(proof.path)):
            assert not replace(proof, path=tuple(path)).holds(DATA[index], root)
        assert not proof.holds(DATA[index] + b".", root)
        assert not proof.holds(DATA[index], tree.root(size + 1))


@pytest.mark.parametrize("size", [2, 3, 6, 7, 8, 11])
def test_no_spoiled_consistency_proof_holds(tree, size):
    root = tree.root(size)
    for earlier in range(1, size + 1):
        path, earlier_root = tree.consistency(earlier, size), tree.root(earlier)
        for changed in spoiled(path):
            assert not is_consistent(earlier, size, earlier_root, root, changed)
        assert not is_consistent(earlier, size, tree.root(earlier + 1), root, path)
        assert not is_consistent(earlier, size, earlier_root, tree.root(size + 1), path)
        assert not is_consistent(earlier, size, "no hash", root, path)


def test_places_and_sizes_that_make_no_sense_do_not_hold(tree):
    path = tree.inclusion(0, 1).path
    for index, size in [(-1, 1), (1, 1), (0, 0), (0, -1)]:
        assert not Proof(index, size, path).holds(DATA[0], tree.root(1))
    assert not is_consistent(-1, 1, EMPTY_ROOT, tree.root(1), [])
    assert not is_consistent(2, 1, tree.root(2), tree.root(1), [])
    assert not is_consistent(3, 7, tree.root(3), tree.root(7), [])


def test_a_node_cannot_pass_for_a_leaf():
    two = Tree(LEAVES[:2])
    node = bytes.fromhex(Tree(LEAVES[:1]).root()) + bytes.fromhex(Tree([LEAVES[1]]).root())
    assert Tree([node]).root() != two.root()


def test_what_the_tree_does_not_have_is_an_index_error(tree):
    for ask in (
        lambda: tree.root(LARGEST + 1),
        lambda: tree.root(-1),
        lambda: tree.inclusion(LARGEST),
        lambda: tree.inclusion(-1),
        lambda: tree.inclusion(3, 3),
        lambda: tree.inclusion(0, LARGEST + 1),
        lambda: tree.consistency(4, 3),
        lambda: tree.consistency(-1),
        lambda: tree.consistency(1, LARGEST + 1),
    ):
        with pytest.raises(IndexError, match=r"leaf -?\d+ of \d+|-?\d+ of \d+ leaves"):
            ask()


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=70), st.data())
def test_a_grown_tree_is_the_tree_of_all_its_leaves(data, draw):
    grown = Tree(data[:1])
    for leaf in data[1:]:
        grown.append(leaf)
    assert len(grown) == len(data)
    assert grown.root() == slow.mth(data).hex()
    size = draw.draw(st.integers(1, len(data)))
    index = draw.draw(st.integers(0, size - 1))
    assert list(grown.inclusion(index, size).path) == hexed(slow.path(index, data[:size]))


# --- proofs as JSON ------------------------------------------------------------------------------


def test_a_proof_comes_back_from_json(tree):
    proof = tree.inclusion(5)
    assert Proof.of(json.loads(json.dumps(proof.as_dict()))) == proof


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"index": 0, "size": 1},
        {"index": "0", "size": 1, "path": []},
        {"index": 0, "size": 1.5, "path": []},
        {"index": 0, "size": 1, "path": "00"},
        {"index": 0, "size": 1, "path": [], "more": 1},
    ],
)
def test_what_is_no_inclusion_proof_is_refused(values):
    with pytest.raises(ValueError, match="not an inclusion proof"):
        Proof.of(values)


def test_hashes_of_another_type_do_not_hold():
    assert not Proof.of({"index": 0, "size": 2, "path": [7]}).holds(b"", ROOTS[1])


# --- absence -------------------------------------------------------------------------------------

VALUES = [f"{number:02d}" for number in range(1, 60, 2)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 30])
def test_every_absent_value_has_a_proof_and_no_present_one(size):
    tree = SortedTree(reversed(VALUES[:size]))
    assert len(tree) == size
    for number in range(62):
        value = f"{number:02d}"
        if value in VALUES[:size]:
            with pytest.raises(ValueError, match="the value is among the leaves"):
                tree.absence(value)
        else:
            proof = tree.absence(value)
            assert proof.holds(value, tree.root, size)
            assert Absence.of(json.loads(json.dumps(proof.as_dict()))) == proof


def test_a_sorted_tree_holds_each_value_once_in_order():
    assert SortedTree(["b", "a", "b"]).root == Tree([b"a", b"b"]).root()


def test_no_proof_of_absence_serves_a_value_that_is_present():
    """Any two leaves, or one, or none, offered as the neighbours of a value that is there."""
    tree, size = SortedTree(VALUES[:6]), 6
    leaves = [tree._leaf(index) for index in range(size)] + [None]
    for value in VALUES[:6]:
        assert not any(
            Absence(before, after).holds(value, tree.root, size) for before in leaves for after in leaves
        )


def test_neighbours_must_be_next_to_each_other_and_of_this_tree():
    tree, size = SortedTree(VALUES[:6]), 6
    proof = tree.absence("04")  # between 03 and 05
    assert not proof.holds("06", tree.root, size)
    assert not proof.holds("02", tree.root, size)
    assert not proof.holds("04", SortedTree(VALUES[:5]).root, size)
    assert not proof.holds("04", tree.root, size + 1)
    assert not replace(proof, after=tree._leaf(3)).holds("04", tree.root, size)
    assert not replace(proof, before=tree._leaf(0)).holds("04", tree.root, size)
    assert not replace(proof, before=None).holds("04", tree.root, size)
    assert not replace(proof, after=None).holds("04", tree.root, size)
    assert not replace(proof, before=("031", proof.before[1])).holds("04", tree.root, size)
    assert not replace(proof, after=("049", proof.after[1])).holds("04", tree.root, size)


def test_the_neighbours_own_proofs_must_be_of_the_same_size():
    """The last leaf of an odd tree has the same path in a tree with a leaf fewer: only the size tells."""
    tree = SortedTree(VALUES[:3])
    last = tree._leaf(2)
    assert Proof(1, 2, last[1].path).holds(last[0].encode(), tree.root)
    shifted = (last[0], Proof(1, 2, last[1].path))
    assert Absence(shifted, None).holds("50", tree.root, 2)  # so a size must be signed with its root
    assert not Absence(shifted, None).holds("50", tree.root, 3)
    assert not Absence(replace_size(last, 4), None).holds("50", tree.root, 3)


def replace_size(neighbour, size):
    return neighbour[0], replace(neighbour[1], size=size)


def test_only_the_empty_tree_needs_no_neighbours():
    empty = SortedTree([])
    assert empty.absence("x") == Absence(None, None)
    assert empty.absence("x").holds("x", EMPTY_ROOT, 0)
    assert not Absence(None, None).holds("x", ROOTS[1], 0)
    assert not Absence(None, None).holds("x", ROOTS[1], 1)
    one = SortedTree(["a"])
    assert not Absence(one._leaf(0), None).holds("x", EMPTY_ROOT, 0)
    assert not Absence(None, one._leaf(0)).holds("0", EMPTY_ROOT, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "not a proof of absence"),
        ({"before": None}, "not a proof of absence"),
        ({"before": None, "after": None, "more": 1}, "not a proof of absence"),
        ({"before": None, "after": {"leaf": "a"}}, "not a leaf with its proof"),
        ({"before": {"leaf": 7, "proof": {}}, "after": None}, "not a leaf with its proof"),
        ({"before": {"leaf": "a", "proof": {}, "more": 1}, "after": None}, "not a leaf with its proof"),
        ({"before": {"leaf": "a", "proof": {}}, "after": None}, "not an inclusion proof"),
    ],
)
def test_what_is_no_proof_of_absence_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Absence.of(values)
