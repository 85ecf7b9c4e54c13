"""Tensor types by Torch's names, the default type, and buffers that are reused."""

from __future__ import annotations

import math
import threading
from typing import Optional

import numpy as np

from minigraph.errors import ArgumentError

TENSOR_TYPES: dict[str, np.dtype] = {
    "torch.DoubleTensor": np.dtype(np.float64),
    "torch.FloatTensor": np.dtype(np.float32),
    "torch.HalfTensor": np.dtype(np.float16),
    "torch.LongTensor": np.dtype(np.int64),
    "torch.IntTensor": np.dtype(np.int32),
    "torch.ShortTensor": np.dtype(np.int16),
    "torch.CharTensor": np.dtype(np.int8),
    "torch.ByteTensor": np.dtype(np.uint8),
}
_MODULE_TYPES = ("torch.DoubleTensor", "torch.FloatTensor")
_default = "torch.DoubleTensor"


def setdefaulttensortype(name: str) -> None:
    """Set the type that new modules are built with.

    ``name`` is ``'torch.DoubleTensor'`` (float64, as in a fresh Torch7) or
    ``'torch.FloatTensor'`` (float32). Raises ``ArgumentError`` for any other.
    Source: https://github.com/torch/torch7/blob/master/doc/utility.md
    """
    global _default
    _default = check_module_type(name)


def getdefaulttensortype() -> str:
    """Return the type that new modules are built with, by Torch's name."""
    return _default


def check_module_type(name: str) -> str:
    """Return ``name`` if modules can compute in that type, else raise ``ArgumentError``."""
    if name not in _MODULE_TYPES:
        raise ArgumentError(f"modules compute in {' or '.join(_MODULE_TYPES)}, got {name!r}")
    return name


def resize(buffer: Optional[np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return ``buffer`` if it has this shape and dtype, else a new array (contents undefined).

    A read-only buffer, as a file may leave one, is not written to.
    """
    if buffer is not None and buffer.shape == shape and buffer.dtype == dtype and buffer.flags.writeable:
        return buffer
    return np.empty(shape, dtype)


class _Scratch(threading.local):
    memory = np.empty(0, np.uint8)


_scratch = _Scratch()


def scratch(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array to compute in for a moment, contents undefined.

    Every call in a thread returns the same memory: use it up before anything else can ask. What
    is as large as a layer's parameters comes from here, or each of a step's clones in time would
    hold one.
    """
    size = math.prod(shape) * dtype.itemsize
    if _scratch.memory.size < size:
        _scratch.memory = np.empty(size, np.uint8)
    return np.ndarray(shape, dtype, _scratch.memory)
