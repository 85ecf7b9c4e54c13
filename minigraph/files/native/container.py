"""A safetensors file, written and read.

The library's own writer puts the header in a random order. Here the same network gives the same bytes, and
the arrays are not copied on the way. The library reads, from a descriptor that is known to be of a file.
Source: https://github.com/huggingface/safetensors (format)
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import Any, BinaryIO, Callable, Iterator, Mapping

import numpy as np
from safetensors import SafetensorError, safe_open

from minigraph.errors import FormatError
from minigraph.files.atomic import AnyPath, naming
from minigraph.files.headroom import check_room
from minigraph.files.opening import open_regular

_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
    "bool": "BOOL",
}
#: Names of the element types that the format has.
DTYPES = tuple(_CODES)


def write_safetensors(path: str, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write contiguous arrays of ``DTYPES`` and the metadata to ``path``."""
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        array = arrays[name]
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": _CODES[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in names:
            array = np.ascontiguousarray(arrays[name])
            if not array.size:
                continue
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).data.cast("B"))


Arrays = dict[str, np.ndarray]


@contextmanager
def safetensors_of(
    path: AnyPath, follow: bool = True
) -> Iterator[tuple[dict[str, str], Callable[[], Arrays]]]:
    """Give the metadata of a file, and what reads the arrays, if there is memory for them.

    Raises ``FormatError`` where it is damaged or no safetensors file, ``OSError`` as ``open_regular`` does.
    """
    with open_regular(path, follow) as file, naming(path):
        descriptor = f"/dev/fd/{file.fileno()}"  # this very file, whatever has its name meanwhile
        try:
            name = descriptor if os.path.exists(descriptor) else os.fspath(path)
            with safe_open(name, framework="numpy") as contents:
                yield contents.metadata() or {}, lambda: _arrays(contents, path, file)
        except SafetensorError as error:
            raise FormatError(
                f"{path} cannot be read: it is truncated, damaged or no safetensors file: {error}"
            ) from error


def _arrays(contents: Any, path: AnyPath, file: BinaryIO) -> Arrays:
    check_room(os.fstat(file.fileno()).st_size, lambda words: FormatError(f"{path} needs {words}"))
    try:
        arrays = {name: contents.get_tensor(name) for name in contents.keys()}  # noqa: SIM118 (no mapping)
    except (TypeError, AttributeError, ValueError) as error:  # types and sizes that NumPy has not
        raise FormatError(f"{path} holds what is no array of NumPy's: {error}") from error
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise FormatError(f"{path} holds an array of {array.dtype}: {name!r:.80}")
    return arrays
