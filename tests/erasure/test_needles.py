import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn.erasure import needles
from recsys_unlearn.erasure.needles import SHORTEST, Needles, _hash, _most_telling, _one_by_one


@pytest.fixture(autouse=True)
def always_at_once(monkeypatch):
    """The plain way is what these tests compare with."""
    monkeypatch.setattr(needles, "LITTLE", -1)


@settings(max_examples=200, deadline=None)
@given(
    patterns=st.lists(st.binary(min_size=4, max_size=9), max_size=6),
    parts=st.lists(st.one_of(st.binary(max_size=7), st.integers(0, 5)), max_size=12),
)
def test_it_finds_what_looking_one_by_one_finds(patterns, parts):
    data = b"".join(
        part if isinstance(part, bytes) else (patterns or [b""])[part % max(len(patterns), 1)]
        for part in parts
    )
    assert sorted(Needles(patterns).find(data)) == sorted(_one_by_one(patterns, data))


@pytest.mark.parametrize("at", [*range(8), 4091, 4092, 4093, 4094, 4095, 4096, 4097])
def test_every_place_is_looked_at_also_between_chunks(monkeypatch, at):
    monkeypatch.setattr(needles, "_CHUNK", 4096)
    data = bytearray(9000)
    data[at : at + 6] = b"needle"
    assert list(Needles([b"needle"]).find(memoryview(data))) == [(0, at)]


@pytest.mark.parametrize("beyond", range(-4, 5))
def test_data_may_end_anywhere_beside_the_end_of_a_chunk(monkeypatch, beyond):
    monkeypatch.setattr(needles, "_CHUNK", 4096)
    data = b"needle".rjust(4096 + beyond, b"-")
    assert list(Needles([b"needle"]).find(data)) == [(0, 4090 + beyond)]


def test_a_beginning_that_is_cut_off_is_none():
    assert list(Needles([b"aaneedle"]).find(b"aneedle")) == []
    assert list(Needles([b"needleaa"]).find(b"needlea")) == []


def test_data_is_no_ring():
    assert list(Needles([b"aaneedle"]).find(b"needle--aa")) == []
    assert list(Needles([b"aaneedle"]).find(b"needleaa")) == []


def test_the_shortest_string_is_one_word():
    text = b"abcd"
    assert list(Needles([text[:SHORTEST]]).find(text)) == [(0, 0)]
    with pytest.raises(ValueError):
        Needles([text[: SHORTEST - 1]])


@pytest.mark.parametrize("at", range(8))
def test_zeros_are_not_what_a_string_is_looked_for_by(at):
    pattern = bytes(6) + b"abcd"
    assert list(Needles([pattern]).find(bytes(at) + pattern + bytes(9))) == [(0, at)]


def test_many_strings_are_found_among_many():
    draw = np.random.default_rng(0)
    patterns = [draw.bytes(12) for _ in range(2000)]
    data = draw.bytes(50_000) + patterns[77] + draw.bytes(3) + patterns[1999]
    assert sorted(Needles(patterns).find(data)) == [(77, 50_000), (1999, 50_015)]


def test_the_same_string_twice_is_found_twice():
    assert sorted(Needles([b"twin", b"twin"]).find(b"-twin")) == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("patterns", "little", "plainly"), [(1, 7, True), (1, 6, False), (2, 14, True), (2, 13, False)]
)
def test_in_little_data_few_strings_are_looked_for_plainly(monkeypatch, patterns, little, plainly):
    monkeypatch.setattr(needles, "LITTLE", little)
    monkeypatch.setattr(Needles, "_matches", lambda *_: ["at once"])
    found = [(number, at) for number in range(patterns) for at in (1, 2, 3)]
    assert list(Needles([b"aaaa"] * patterns).find(b"-aaaaaa")) == (found if plainly else ["at once"] * 4)


def test_four_bytes_that_differ_tell_most():
    assert [
        _most_telling(text) for text in (b"abcd", b"aaabcd", b"aabcda", b"\0" * 9, b"ab\0\0\0\0abcd")
    ] == [0, 2, 1, 0, 5]


def test_a_word_is_spread_over_sixteen_bits():
    """By Knuth's 2654435761, which is 0x9E3779B1."""
    words = np.array([0, 1, 2, 1 << 16, 2**32 - 1], np.uint32)
    assert _hash(words).tolist() == [0, 0x9E37, 0x3C6E, 0x79B1, 0x61C8]
