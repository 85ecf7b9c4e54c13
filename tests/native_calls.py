"""Calls of native kernels on NumPy arrays, for their tests."""

from __future__ import annotations

import ctypes
from typing import Any, Optional

import numpy as np

from minigraph.compiler.native.llvm.jit import compile_ir

#: Vector widths in bytes and a processor of each kind, all of which run on the widest.
PROCESSORS = [(16, "x86-64"), (32, "haswell")]
_KINDS = {int: ctypes.c_int64, bool: ctypes.c_int32}


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """The address of an array's first number."""
    return ctypes.c_void_p(array.ctypes.data)


def row_stride(array: np.ndarray) -> int:
    """The numbers from one row to the next."""
    return array.strides[0] // array.itemsize


def call(text: str, name: str, *arguments: Any, cpu: Optional[str] = None) -> None:
    """Compile a text and run its function; ints become i64, bools i32, arrays pointers."""
    values = [pointer(each) if isinstance(each, np.ndarray) else each for each in arguments]
    types = [_KINDS.get(type(value), type(value)) for value in values]
    library = compile_ir(text, name, cpu)
    library.function(name, *types)(*values)


def sheet(rng: np.random.Generator, shape: tuple[int, int], dtype: Any, strided: bool) -> np.ndarray:
    """Random numbers; if ``strided``, a window of a larger array that is NaN around it."""
    if not strided:
        return rng.standard_normal(shape).astype(dtype)
    around = np.full((shape[0], shape[1] + 7), np.nan, dtype)
    around[:, 3 : 3 + shape[1]] = rng.standard_normal(shape)
    return around[:, 3 : 3 + shape[1]]
