"""The kinds of value in a .t7 file, and the tensor classes with their element types.

Source: https://github.com/torch/torch7/blob/master/doc/serialization.md and File.lua
"""

from __future__ import annotations

import numpy as np

from minigraph.tensors import TENSOR_TYPES

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN = range(6)
OLD_FUNCTION, LEGACY_FUNCTION, FUNCTION = 6, 7, 8

#: Bytes of one Lua double and one C int.
DOUBLE, INT = np.dtype("<f8"), np.dtype("<i4")

_CUDA = {
    "Cuda": "float32", "CudaDouble": "float64", "CudaHalf": "float16", "CudaLong": "int64",
    "CudaInt": "int32", "CudaShort": "int16", "CudaChar": "int8", "CudaByte": "uint8",
}

#: The element type by Torch's name without ``torch.`` and ``Tensor`` or ``Storage``. What was on
#: a GPU is read as what it is on the CPU.
ELEMENTS: dict[str, np.dtype] = {
    **{name[len("torch.") : -len("Tensor")]: dtype for name, dtype in TENSOR_TYPES.items()},
    **{name: np.dtype(dtype) for name, dtype in _CUDA.items()},
}
TENSORS = {f"torch.{name}Tensor": dtype for name, dtype in ELEMENTS.items()}
STORAGES = {f"torch.{name}Storage": dtype for name, dtype in ELEMENTS.items()}

#: The way back: Torch's name of a NumPy element type.
NAMES = {dtype: name[len("torch.") : -len("Tensor")] for name, dtype in TENSOR_TYPES.items()}


def cpu_type(name: str) -> str:
    """Return the tensor type on the CPU that holds the same elements (unknown names unchanged)."""
    dtype = TENSORS.get(name)
    return name if dtype is None else f"torch.{NAMES[dtype]}Tensor"
