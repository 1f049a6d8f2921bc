"""Many byte strings looked for at once, anywhere in any file, at about the speed of one."""

from collections.abc import Iterator, Sequence

import numpy as np

SHORTEST = 4  # bytes; a shorter string is everywhere
LITTLE = 1 << 22  # strings times bytes, up to which they are looked for one by one
_CHUNK = 1 << 24  # bytes looked at in one go
_SPREAD = np.uint32(0x9E3779B1)  # multiplicative hashing: 2**32 divided by the golden ratio


class Needles:
    """A set of byte strings, each of at least 4 bytes.

    Every place of the data is looked at as a 32-bit word. A table of 65,536 bits says whether a word
    may begin one of the strings; the few that may are compared. 1,000 strings cost what one does.

    Parameters
    ----------
    patterns
        The strings; their positions are what :meth:`find` tells.

    Raises
    ------
    ValueError
        If one is shorter.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self.patterns = list(patterns)
        self._by_word: dict[int, list[tuple[int, int]]] = {}
        for number, pattern in enumerate(patterns):
            start = _most_telling(pattern)
            word = int.from_bytes(pattern[start : start + 4], "little")
            self._by_word.setdefault(word, []).append((number, start))
        self._words = np.fromiter(self._by_word, np.uint32)
        self._table = np.zeros(1 << 16, bool)
        self._table[_hash(self._words)] = True

    def find(self, data: bytes | memoryview) -> Iterator[tuple[int, int]]:
        """Position of each string and its offset in the data, wherever it occurs; in no set order."""
        if len(self.patterns) * len(data) <= LITTLE:
            yield from _one_by_one(self.patterns, bytes(data))
            return
        for start in range(0, len(data) - 3, _CHUNK):
            # Overlap: a word may begin at the last byte of this chunk.
            chunk = np.frombuffer(data, np.uint8, min(_CHUNK + 3, len(data) - start), start)
            for shift in range(4):
                yield from self._matches(data, chunk[shift:], start + shift)

    def _matches(self, data: bytes | memoryview, chunk: np.ndarray, base: int) -> Iterator[tuple[int, int]]:
        words = chunk[: len(chunk) // 4 * 4].view("<u4")
        likely = np.flatnonzero(self._table[_hash(words)])
        sure = likely[np.isin(words[likely], self._words)]
        for place in sure.tolist():
            for number, start in self._by_word[int(words[place])]:
                at = base + 4 * place - start
                pattern = self.patterns[number]
                if bytes(data[at : at + len(pattern)]) == pattern:  # too short a slice where ``at`` < 0
                    yield number, at


def _one_by_one(patterns: Sequence[bytes], data: bytes) -> Iterator[tuple[int, int]]:
    """Do what :meth:`Needles.find` does, plainly; quicker where there is little to do."""
    for number, pattern in enumerate(patterns):
        at = data.find(pattern)
        while at >= 0:
            yield number, at
            at = data.find(pattern, at + 1)


def _most_telling(pattern: bytes) -> int:
    """Where the four bytes begin that differ most from one another: zeros and runs are common."""
    return max(range(len(pattern) - 3), key=lambda start: len(set(pattern[start : start + 4])))


def _hash(words: np.ndarray) -> np.ndarray:
    return (words * _SPREAD) >> np.uint32(16)
