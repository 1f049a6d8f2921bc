import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_unlearn.erasure import needles
from recsys_unlearn.erasure.needles import Needles, _one_by_one


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


def test_a_beginning_that_is_cut_off_is_none():
    assert list(Needles([b"aaneedle"]).find(b"aneedle")) == []
    assert list(Needles([b"needleaa"]).find(b"needlea")) == []


def test_many_strings_are_found_among_many():
    draw = np.random.default_rng(0)
    patterns = [draw.bytes(12) for _ in range(2000)]
    data = draw.bytes(50_000) + patterns[77] + draw.bytes(3) + patterns[1999]
    assert sorted(Needles(patterns).find(data)) == [(77, 50_000), (1999, 50_015)]


def test_the_same_string_twice_is_found_twice():
    assert sorted(Needles([b"twin", b"twin"]).find(b"-twin")) == [(0, 1), (1, 1)]


def test_in_little_data_few_strings_are_looked_for_plainly(monkeypatch):
    monkeypatch.setattr(needles, "LITTLE", 100)
    monkeypatch.setattr(Needles, "_matches", None)
    assert list(Needles([b"aaaa"]).find(b"-aaaaaa")) == [(0, 1), (0, 2), (0, 3)]
