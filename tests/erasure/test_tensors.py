"""Arrays of files, read without the libraries that wrote them."""

import io
import json

import numpy as np
import pytest
from safetensors.numpy import save

from recsys_unlearn.erasure.tensors import is_in_use, is_over_users, npy, safetensors, safetensors_header

SIX = np.array([[1, 0, 1], [0, 1, 1]])


@pytest.mark.parametrize("kind", ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "i1", "u1"])
def test_a_tensor_of_each_kind_is_what_was_saved(kind):
    data = save({"first": np.arange(5.0), "second": SIX.astype(kind)}, {"note": "x"})
    tensors = dict(safetensors(memoryview(data)))
    assert sorted(tensors) == ["first", "second"]
    assert tensors["first"].tolist() == [0, 1, 2, 3, 4]
    assert (tensors["second"].dtype, tensors["second"].tolist()) == (np.dtype(kind), SIX.tolist())


def test_of_booleans_and_of_brain_floats_there_are_the_bytes():
    (flags,) = (tensor for _, tensor in safetensors(memoryview(save({"flags": SIX == 1}))))
    assert (flags.dtype, flags.tolist()) == (np.uint8, SIX.tolist())
    described = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    ((_, brain),) = safetensors(file_of({"a": described}, b"\x80\x3f\x80\xff"))
    assert brain.tolist() == [0x3F80, 0xFF80]


def file_of(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return memoryview(len(text).to_bytes(8, "little") + text + content)


def test_kinds_that_numpy_does_not_have_are_left_out():
    eight = {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}
    four = {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]}
    ((name, tensor),) = safetensors(file_of({"a": eight, "b": four}, b"\1" + np.float32(2.5).tobytes()))
    assert (name, tensor.tolist()) == ("b", [2.5])


def test_a_header_is_an_object_of_the_length_that_is_told():
    assert safetensors_header(file_of({})) == {}
    assert safetensors_header(file_of({"a": 1}, b"rest")) == {"a": 1}
    long = {"a": "x" * 1000}
    assert safetensors_header(file_of(long)) == long
    for wrong in (
        b"",
        b"\0" * 8,
        file_of({})[:-1],
        file_of({"a": 1})[:-1],
        b"\3" + file_of({})[1:],
        b"\2" + bytes(6) + b"\1{}",
    ):
        assert safetensors_header(memoryview(wrong)) is None
    for text in (b"[]", b"{a}", b" {}", b"{}{}", b'{"a":' * 100_000):
        assert safetensors_header(file_of(text)) is None


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_is_what_was_saved(version, order):
    file, array = io.BytesIO(), np.asarray(SIX, order=order)
    np.lib.format.write_array(file, array, version)
    assert npy(memoryview(file.getvalue())).tolist() == SIX.tolist()


def test_an_npy_file_of_objects_is_refused():
    file = io.BytesIO()
    np.save(file, np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        npy(memoryview(file.getvalue()))


@pytest.mark.parametrize(
    ("name", "shape", "n_items", "over"),
    [
        ("table", (60, 2), 300, True),
        ("table", (60,), 300, True),
        ("table", (60, 2), None, True),
        ("table", (59, 2), 300, False),
        ("table", (2, 60), 300, False),
        ("table", (), 300, False),
        ("table", (60, 2), 60, False),
        ("user_table", (60, 2), 60, True),
        ("log_partition", (60,), 60, True),
        ("log", (60,), 60, False),
    ],
)
def test_a_table_over_users_is_as_long_as_there_are_users(name, shape, n_items, over):
    assert is_over_users(name, np.zeros(shape), 60, n_items) is over
    assert is_over_users(name, np.zeros(shape), None, n_items) is False


@pytest.mark.parametrize(
    ("kind", "nothing", "something"),
    [
        (np.float32, [0, -0.0, -np.inf], [0, 1e-30]),
        (np.float32, -np.inf, np.inf),
        (np.float64, 0, np.nan),
        (np.float32, [], -1),
        (np.uint16, [0, 0xFF80], [0, 0xFF7F]),
        (np.uint16, [0xFF80], [0x7F80]),
        (np.int32, [0, -1], [0, 1]),
        (np.int64, -1, -2),
        (np.uint8, 0, 1),
    ],
)
def test_a_line_of_zeros_is_not_in_use(kind, nothing, something):
    assert is_in_use(np.array(nothing, kind)) is False
    assert is_in_use(np.array(something, kind)) is True
