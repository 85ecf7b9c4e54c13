"""Operands: the arrays of a frame, seen by kernels as matrices of rows with unit column stride."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

import numpy as np

from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.program.ir import Value


class Matrix(NamedTuple):
    """An array of one time step as ``rows`` x ``cols`` numbers, ``stride`` numbers from row to row.

    ``kind`` is ``full``, ``row`` (the same for every row), ``column`` (one number a row) or
    ``scalar``; ``time`` is the number of numbers from time step to time step, 0 if there is only one.
    """

    kind: str
    rows: int
    cols: int
    stride: int
    time: int

    @property
    def whole(self) -> bool:
        """Whether the rows of all time steps follow each other evenly."""
        if self.kind in ("row", "scalar"):
            return self.time == 0
        return self.time == self.rows * self.stride

    def over_time(self) -> "Matrix":
        """Return the matrix with its stride right for the rows of all time steps."""
        if self.rows == 1 and self.kind in ("full", "column"):
            return self._replace(stride=self.time)
        return self


def region_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Return the rows and columns that a value of this shape is treated as, entry by entry."""
    kept = [size for size in shape if size != 1]
    if not kept:
        return 1, 1
    return int(np.prod(kept[:-1], dtype=np.int64)), kept[-1]


def as_region(frame: Frame, value: Value, shape: Sequence[int]) -> Optional[Matrix]:
    """See ``value`` as an operand of elementwise work on ``shape``; ``None`` where it is no matrix."""
    sizes, strides, time = _strides(frame, value)
    missing = len(shape) - len(sizes)
    if missing < 0:
        return None
    strides = [0] * missing + [
        0 if size == 1 else stride for size, stride in zip(sizes, strides)
    ]
    kept = [(size, stride) for size, stride in zip(shape, strides) if size != 1]
    rows, cols = region_shape(shape)
    if not kept:
        return Matrix("full" if time else "scalar", 1, 1, time or 1, time)
    (_, last), before = kept[-1], kept[:-1]
    if last not in (0, 1):
        return None
    if all(stride == 0 for _, stride in before):
        if rows == 1 and last == 1:
            return Matrix("full" if time else "row", 1, cols, cols, time)
        if time:
            return None if rows > 1 else Matrix("column", 1, cols, time, time)
        return Matrix("row" if last else "scalar", rows, cols, 0, 0)
    stride = _even(before)
    if stride is None:
        return None
    return Matrix("full" if last else "column", rows, cols, stride, time)


def as_rows(frame: Frame, value: Value) -> Optional[Matrix]:
    """See ``value`` as rows along its last axis; ``None`` where it is no such matrix."""
    sizes, strides, time = _strides(frame, value)
    if not sizes:
        return None
    cols = sizes[-1]
    if strides[-1] != 1 and cols != 1:
        return None
    before = [(size, stride) for size, stride in zip(sizes[:-1], strides[:-1]) if size != 1]
    rows = int(np.prod(sizes[:-1], dtype=np.int64))
    stride = _even(before) if before else (time or cols)
    return None if stride is None else Matrix("full", rows, cols, stride, time)


def _even(axes: Sequence[tuple[int, int]]) -> Optional[int]:
    """Return the stride of axes that can be walked as one; ``None`` where they cannot."""
    for (_, outer), (size, inner) in zip(axes, axes[1:]):
        if outer != size * inner:
            return None
    return axes[-1][1] if axes[-1][1] > 0 else None


def _strides(frame: Frame, value: Value) -> tuple[list[int], list[int], int]:
    """Return the sizes and strides of one time step, in numbers, and the stride of time."""
    array = frame.arrays[value]
    strides = [stride // array.itemsize for stride in array.strides]
    if frame.T is not None and value in frame.stacked:
        return list(array.shape[1:]), strides[1:], strides[0]
    return list(array.shape), strides, 0
