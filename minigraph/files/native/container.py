"""Write a safetensors file. The library's own writer puts the header in a random order.

The same network gives the same bytes, and the arrays are not copied on the way.
Source: https://github.com/huggingface/safetensors (format)
"""

from __future__ import annotations

import json
from typing import Mapping

import numpy as np

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
