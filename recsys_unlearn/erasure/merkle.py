"""Merkle trees as in RFC 6962, section 2.1, with proofs of inclusion, consistency and absence.

A tree over n leaves splits at the largest power of two below n. Leaves and nodes are hashed with
different prefixes, so that no node can pass for a leaf. As in the RFC a root says little without the
number of leaves: wherever one is kept or signed, the other stands beside it.
"""

import bisect
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

EMPTY_ROOT = hashlib.sha256().hexdigest()


def leaf_hash(data: bytes) -> bytes:
    """``SHA-256(0x00 || data)``."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(0x01 || left || right)``."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(frozen=True)
class Proof:
    """Shows that a leaf is in a tree (audit path, RFC 6962 section 2.1.1).

    Parameters
    ----------
    index
        Number of the leaf, from 0.
    size
        Number of leaves of the tree.
    path
        Hashes, as hexadecimal digits, that lead from the leaf to the root, from the bottom upwards.
    """

    index: int
    size: int
    path: tuple[str, ...]

    def holds(self, data: bytes, root: str) -> bool:
        """Whether ``data`` is leaf number ``index`` of the tree of ``size`` leaves with that ``root``."""
        if not 0 <= self.index < self.size:
            return False
        try:
            reached = _climb(leaf_hash(data), self.index, self.size - 1, _bytes(self.path))
        except ValueError:
            return False
        return reached.hex() == root

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def of(cls, values: Any) -> "Proof":
        """Inverse of ``as_dict``; ValueError for anything else."""
        match values:
            case {"index": int(index), "size": int(size), "path": [*path], **rest} if not rest:
                return cls(index, size, tuple(map(str, path)))
        raise ValueError("not an inclusion proof")


class Tree:
    """A tree that grows: every complete subtree is hashed once and kept.

    Appending costs two hashes on average; a root or a proof, of now or of any earlier size, costs
    about as many hashes as the tree has levels.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._complete: list[list[bytes]] = [[]]  # [level][number]: subtrees of 2**level leaves
        for data in leaves:
            self.append(data)

    def __len__(self) -> int:
        return len(self._complete[0])

    def append(self, data: bytes) -> None:
        """Add a leaf at the right end."""
        node, level = leaf_hash(data), 0
        self._complete[0].append(node)
        while len(self._complete[level]) % 2 == 0:
            node = node_hash(*self._complete[level][-2:])
            level += 1
            if level == len(self._complete):
                self._complete.append([])
            self._complete[level].append(node)

    def root(self, size: int | None = None) -> str:
        """Hexadecimal root of the first ``size`` leaves, by default of all."""
        size = self._checked(size)
        return self._node(0, size).hex() if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> Proof:
        """Proof that leaf ``index`` is among the first ``size`` leaves; IndexError if it is not."""
        size = self._checked(size)
        if not 0 <= index < size:
            raise IndexError(f"leaf {index} of {size}")
        return Proof(index, size, tuple(node.hex() for node in self._path(index, 0, size)))

    def consistency(self, earlier: int, size: int | None = None) -> list[str]:
        """Hashes that show the first ``earlier`` leaves to be a prefix of the first ``size``.

        RFC 6962 section 2.1.2; see ``is_consistent``. IndexError unless ``earlier <= size <= len``.
        """
        size = self._checked(size)
        if not 0 <= earlier <= size:
            raise IndexError(f"{earlier} of {size} leaves")
        if earlier in (0, size):
            return []
        return [node.hex() for node in self._subproof(earlier, 0, size, True)]

    def _checked(self, size: int | None) -> int:
        size = len(self) if size is None else size
        if not 0 <= size <= len(self):
            raise IndexError(f"{size} of {len(self)} leaves")
        return size

    def _node(self, low: int, high: int) -> bytes:
        """MTH(D[low:high]); ``low`` is always a multiple of a power of two that is not below the width."""
        width = high - low
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._complete[level][low >> level]
        middle = low + _split(width)
        return node_hash(self._node(low, middle), self._node(middle, high))

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        """PATH(index, D[low:high])."""
        if high - low == 1:
            return []
        middle = low + _split(high - low)
        if index < middle:
            return [*self._path(index, low, middle), self._node(middle, high)]
        return [*self._path(index, middle, high), self._node(low, middle)]

    def _subproof(self, earlier: int, low: int, high: int, whole: bool) -> list[bytes]:
        """SUBPROOF(earlier - low, D[low:high], whole)."""
        if earlier == high:
            return [] if whole else [self._node(low, high)]
        middle = low + _split(high - low)
        if earlier <= middle:
            return [*self._subproof(earlier, low, middle, whole), self._node(middle, high)]
        return [*self._subproof(earlier, middle, high, False), self._node(low, middle)]


def is_consistent(earlier: int, size: int, earlier_root: str, root: str, path: Sequence[str]) -> bool:
    """Whether ``path`` shows that a tree grew from ``earlier`` leaves to ``size`` by appending alone.

    RFC 9162 section 2.1.4.2, which spells out the check that RFC 6962 leaves to the reader.
    """
    if not 0 <= earlier <= size:
        return False
    if earlier in (0, size):
        return not path and earlier_root == (root if earlier else EMPTY_ROOT)
    try:
        nodes = _bytes(path)
        if earlier & (earlier - 1) == 0:  # a complete subtree, whose root the proof leaves out
            nodes.insert(0, bytes.fromhex(earlier_root))
        old, new = _climb_both(earlier - 1, size - 1, nodes)
    except ValueError:
        return False
    return (old.hex(), new.hex()) == (earlier_root, root)


@dataclass(frozen=True)
class Absence:
    """Shows that a value is not among the leaves of a tree that are sorted.

    Parameters
    ----------
    before, after
        The neighbours between which it would stand, each with its proof; None beyond either end.
    """

    before: tuple[str, Proof] | None
    after: tuple[str, Proof] | None

    def holds(self, value: str, root: str, size: int) -> bool:
        """Whether ``value`` is absent from the sorted tree of ``size`` leaves with that ``root``."""
        if size == 0:
            return self.before is None and self.after is None and root == EMPTY_ROOT
        place = self.before[1].index + 1 if self.before else 0
        expected = (None if place == 0 else place - 1, None if place == size else place)
        found = tuple(each and each[1].index for each in (self.before, self.after))
        neighbours = [each for each in (self.before, self.after) if each]
        return (
            found == expected
            and (self.before is None or self.before[0] < value)
            and (self.after is None or value < self.after[0])
            and all(proof.size == size and proof.holds(leaf.encode(), root) for leaf, proof in neighbours)
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            name: each and {"leaf": each[0], "proof": each[1].as_dict()}
            for name, each in (("before", self.before), ("after", self.after))
        }

    @classmethod
    def of(cls, values: Any) -> "Absence":
        """Inverse of ``as_dict``; ValueError for anything else."""
        match values:
            case {"before": before, "after": after, **rest} if not rest:
                return cls(_neighbour(before), _neighbour(after))
        raise ValueError("not a proof of absence")


class SortedTree:
    """A tree over distinct values in ascending order, which can show that a value is not among them."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = sorted(set(values))
        self._tree = Tree(value.encode() for value in self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def root(self) -> str:
        """Hexadecimal root."""
        return self._tree.root()

    def absence(self, value: str) -> Absence:
        """Proof that ``value`` is not here; ValueError if it is."""
        place = bisect.bisect_left(self._values, value)
        if value in self._values[place : place + 1]:
            raise ValueError("the value is among the leaves")
        return Absence(self._leaf(place - 1), self._leaf(place))

    def _leaf(self, index: int) -> tuple[str, Proof] | None:
        inside = 0 <= index < len(self)
        return (self._values[index], self._tree.inclusion(index)) if inside else None


def _neighbour(values: Any) -> tuple[str, Proof] | None:
    match values:
        case None:
            return None
        case {"leaf": str(leaf), "proof": proof, **rest} if not rest:
            return leaf, Proof.of(proof)
    raise ValueError("not a leaf with its proof")


def _split(width: int) -> int:
    """Return the largest power of two below ``width``."""
    return 1 << (width - 1).bit_length() - 1


def _bytes(path: Iterable[str]) -> list[bytes]:
    return [bytes.fromhex(node) for node in path]


def _climb(node: bytes, index: int, last: int, path: Sequence[bytes]) -> bytes:
    """Root that ``path`` leads to; ValueError if it is too long or too short (RFC 9162, 2.1.3.2)."""
    for sibling in path:
        if last == 0:
            raise ValueError("the path goes on above the root")
        if index % 2 or index == last:
            node = node_hash(sibling, node)
            while index % 2 == 0 and index:  # the right edge of the tree: levels without a sibling
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("the path ends below the root")
    return node


def _climb_both(index: int, last: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Roots of the earlier and the later tree that ``nodes`` lead to."""
    while index % 2:
        index, last = index >> 1, last >> 1
    if not nodes:
        raise ValueError("a path is needed")
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            raise ValueError("the path goes on above the root")
        if index % 2 or index == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("the path ends below the root")
    return old, new
