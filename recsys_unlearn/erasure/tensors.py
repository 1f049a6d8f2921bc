"""Arrays in files, looked at where they lie: safetensors and npy, their headers read and nothing run."""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

_KINDS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "u1",
}
_MINUS_INFINITY = 0xFF80  # in bfloat16, which numpy does not have
_OVER_USERS = ("log_partition",)  # names of such tables that do not say so: in versions of earlier releases

Tensor = tuple[str, np.ndarray]


def safetensors_header(data: memoryview) -> dict[str, Any] | None:
    """Header of a safetensors file; None if it is not one."""
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8 or data[8:9] != b"{":
        return None
    try:
        return json.loads(bytes(data[8 : 8 + size]))
    except (ValueError, RecursionError):
        return None


def safetensors(data: memoryview) -> Iterator[Tensor]:
    """Tensors of a file that :func:`safetensors_header` knows; those of other kinds are left out.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the header does not describe the bytes.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    for name, described in (safetensors_header(data) or {}).items():
        if name != "__metadata__" and described["dtype"] in _KINDS:
            first, last = described["data_offsets"]
            flat = np.frombuffer(data[start + first : start + last], _KINDS[described["dtype"]])
            yield name, flat.reshape(described["shape"])


def npy(data: memoryview) -> np.ndarray:
    """Array of an npy file, without copying it.

    Raises
    ------
    ValueError
        If the header is damaged, or the array holds Python objects, which only pickle could read.
    """
    file = io.BytesIO(bytes(data[: 1 << 16]))
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, kind = read(file)
    if kind.hasobject:
        raise ValueError("an array of Python objects")
    flat = np.frombuffer(data, kind, int(np.prod(shape)), file.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def is_over_users(name: str, table: np.ndarray, n_users: int | None, n_items: int | None) -> bool:
    """Whether a table has one line for each user row, by its length and, if need be, by its name."""
    if n_users is None or table.ndim == 0 or len(table) != n_users:
        return False
    return n_users != n_items or "user" in name or name in _OVER_USERS


def is_in_use(line: np.ndarray) -> bool:
    """Whether a user's line holds anything: zeros, minus one, and a logarithm of minus infinity do not."""
    values = np.atleast_1d(line)
    if values.dtype.kind == "f":
        nothing = (values == 0) | np.isneginf(values)
    elif values.dtype == np.uint16:
        nothing = (values == 0) | (values == _MINUS_INFINITY)
    else:
        nothing = (values == 0) | (values == -1)
    return not bool(nothing.all())
