"""Slots: the table of addresses that native functions find their arrays by."""

from __future__ import annotations

from typing import Union

import numpy as np

from minigraph.compiler.memory.storage import Frame, aligned
from minigraph.compiler.native.kernels.pack import packed_size
from minigraph.compiler.program.ir import Parameter, Value


class Packed:
    """A parameter copied to the order in which products read it, once a run.

    ``transposed`` is that of ``product``: the matrix is the parameter itself, not its transpose.
    """

    def __init__(self, parameter: Parameter, transposed: bool) -> None:
        self.parameter, self.transposed = parameter, transposed
        rows, columns = parameter.shape
        self.K, self.N = (rows, columns) if transposed else (columns, rows)


#: What a slot holds the address of: a value, the gradient of a parameter, a packed parameter.
Content = Union[Value, tuple[str, Parameter], Packed]


class Slots:
    """Numbers the arrays that native code uses; one table for each frame."""

    def __init__(self) -> None:
        self.contents: list[Content] = []
        self._number: dict[object, int] = {}
        self._packed: dict[tuple[Parameter, bool], Packed] = {}

    def of(self, content: Content) -> int:
        """Return the slot of an array, a new one the first time."""
        if content not in self._number:
            self._number[content] = len(self.contents)
            self.contents.append(content)
        return self._number[content]

    def packed(self, parameter: Parameter, transposed: bool) -> Packed:
        """Return the packed copy of a parameter, the same for all products that read it so."""
        key = (parameter, transposed)
        if key not in self._packed:
            self._packed[key] = Packed(parameter, transposed)
        return self._packed[key]

    @property
    def packs(self) -> list[Packed]:
        """All packed copies."""
        return list(self._packed.values())

    def table(self, frame: Frame) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the addresses for a frame, and the arrays that they keep alive."""
        arrays = [self._array(content, frame) for content in self.contents]
        return np.array([array.ctypes.data for array in arrays], np.int64), arrays

    def _array(self, content: Content, frame: Frame) -> np.ndarray:
        if isinstance(content, Packed):
            dtype = content.parameter.dtype
            return frame.scratch(content, lambda: aligned((packed_size(dtype, content.K, content.N),), dtype))
        if isinstance(content, tuple):
            parameter = content[1]
            return parameter.gradient_array
        return frame.arrays[content]
