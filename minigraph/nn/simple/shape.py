"""Layers that only rearrange: Reshape, View, Narrow, Select, Replicate.

Outputs are views on the input wherever its layout allows.
"""

from __future__ import annotations

import math
from typing import Any, Optional, Union

import numpy as np

from minigraph.errors import ArgumentError, InputError, check_dimension, format_shape
from minigraph.nn.module import Module
from minigraph.tensors import resize


def axis_of(dimension: int, rank: int, owner: Module) -> int:
    """Return the 0-based axis of a 1-based or negative dimension; raise InputError if there is none."""
    axis = dimension - 1 if dimension > 0 else rank + dimension
    if not 0 <= axis < rank:
        raise InputError(
            f"{owner!r} needs an input with a dimension {dimension}, got one of {rank} dimension(s)",
            "input", dimension, rank,
        )
    return axis


def sample_axis_of(dimension: int, nInputDims: Optional[int], rank: int, owner: Module) -> int:
    """Return the axis of a dimension counted in one sample of ``nInputDims`` dimensions.

    An input with one dimension more has a batch in front, which shifts positive dimensions.
    """
    if dimension > 0 and nInputDims is not None and rank == nInputDims + 1:
        dimension += 1
    return axis_of(dimension, rank, owner)


def _sizes(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)):
        arguments = tuple(arguments[0])
    for size in arguments:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise ArgumentError(f"sizes must be integers, got {size!r}")
    return tuple(int(size) for size in arguments)


class Rearrange(Module):
    """Base of layers whose gradient is the output's gradient in the input's shape."""

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = gradOutput.reshape(np.shape(input))
        return self.gradInput


class Reshape(Rearrange):
    """Give the input the shape ``sizes``, keeping the first dimension as the batch if there is one.

    ``Reshape(a, b, …)`` decides by the number of elements: an input of ``a*b*…`` elements
    takes that shape, unless its first dimension is 1; any other keeps its first dimension. A
    last argument ``True`` or ``False`` says that there is, or is not, a batch.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Reshape
    """

    def __init__(self, *sizes: Union[int, bool]) -> None:
        super().__init__()
        self.batchMode: Optional[bool] = None
        if sizes and (sizes[-1] is None or isinstance(sizes[-1], bool)):
            *sizes, self.batchMode = sizes  # type: ignore[assignment]
        self.size = _sizes(tuple(sizes))
        if not self.size or min(self.size) < 1:
            raise ArgumentError(f"nn.Reshape needs sizes of at least 1, got {self.size}")
        self.nelement = int(np.prod(self.size))

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        whole = self.batchMode is False or (
            self.batchMode is None and x.size == self.nelement and x.shape[:1] != (1,)
        )
        shape = self.size if whole else (*x.shape[:1], *self.size)
        if math.prod(shape) != x.size:
            batch = "" if whole else " (the first dimension is the batch)"
            raise InputError(
                f"{self!r} cannot give {x.size} elements of shape {format_shape(x.shape)} "
                f"the shape {format_shape(shape)}{batch}",
                "input", shape, x.shape,
            )
        self.output = x.reshape(shape)
        return self.output

    def __repr__(self) -> str:
        return f"nn.Reshape({'x'.join(map(str, self.size))})"


class View(Rearrange):
    """Give the input the shape ``sizes``, one of which may be -1 (whatever is left).

    What the sizes leave over becomes a batch dimension in front. ``setNumInputDims(n)`` says
    that only the last ``n`` dimensions are viewed and those before are the batch.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.View
    """

    numInputDims: Optional[int] = None

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.resetSize(*sizes)

    def resetSize(self, *sizes: int) -> "View":
        """Set other sizes and return the module."""
        self.size = _sizes(sizes)
        if not self.size or self.size.count(-1) > 1 or min(self.size) < -1 or 0 in self.size:
            raise ArgumentError(f"nn.View needs positive sizes, at most one of them -1, got {sizes}")
        self.numElements = int(np.prod([size for size in self.size if size > 0]))
        return self

    def setNumInputDims(self, numInputDims: int) -> "View":
        """Say how many dimensions one sample has; return the module."""
        self.numInputDims = numInputDims
        return self

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        split = x.ndim - (x.ndim if self.numInputDims is None else self.numInputDims)
        elements = int(np.prod(x.shape[max(split, 0) :]))
        if elements % self.numElements:
            raise InputError(
                f"{self!r} cannot view {elements} elements of shape {format_shape(x.shape)}: "
                f"not a multiple of {self.numElements}",
                "input", self.size, x.shape,
            )
        batch = 1 if -1 in self.size else elements // self.numElements
        batch *= int(np.prod(x.shape[: max(split, 0)]))
        alone = batch == 1 and split <= 0
        self.output = x.reshape(self.size if alone else (batch, *self.size))
        return self.output

    def __repr__(self) -> str:
        return f"nn.View({', '.join(map(str, self.size))})"


class Narrow(Module):
    """Take ``length`` entries from the 1-based ``offset`` on along ``dimension``.

    ``dimension`` may be negative (counted from the end). A negative ``length`` goes to the end
    but for ``-length - 1`` entries (-1 takes all the rest). A negative ``offset`` is Torch7's
    oddity: it takes all but the last ``length`` entries, whatever the offset.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Narrow
    """

    def __init__(self, dimension: int, offset: int, length: int = 1) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")
        self.index = check_dimension(offset, "offset")
        self.length = check_dimension(length, "length")

    def _slice(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        axis = axis_of(self.dimension, len(shape), self)
        size = shape[axis]
        start = max(self.index - 1, 0)
        length = self.length if self.length > 0 else size - self.index + self.length + 2
        if self.index < 0:
            length = size - length
        if not (start >= 0 and length > 0 and start + length <= size):
            raise InputError(
                f"{self!r} does not fit dimension {self.dimension} of size {size} "
                f"(input of shape {format_shape(shape)})",
                "input", f"at least {start + length} entries", size,
            )
        return (slice(None),) * axis + (slice(start, start + length),)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        self.output = x[self._slice(x.shape)]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        self.gradInput[self._slice(self.gradInput.shape)] = gradOutput
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.Narrow({self.dimension}, {self.index}, {self.length})"


class Select(Module):
    """Take the entry at the 1-based ``index`` along ``dimension``, which disappears.

    Both may be negative (counted from the end).
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Select
    """

    def __init__(self, dimension: int, index: int) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")
        self.index = check_dimension(index, "index")

    def _place(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        axis = axis_of(self.dimension, len(shape), self)
        if abs(self.index) > shape[axis]:
            raise InputError(
                f"{self!r}: index {self.index} is out of range 1..{shape[axis]} "
                f"(input of shape {format_shape(shape)})",
                "input", self.index, shape[axis],
            )
        return (slice(None),) * axis + (self.index - (self.index > 0),)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        self.output = x[self._place(x.shape)]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        self.gradInput[self._place(self.gradInput.shape)] = gradOutput
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.Select({self.dimension}, {self.index})"


class Replicate(Module):
    """Repeat the input ``nfeatures`` times along a new dimension ``dim`` (1 by default).

    With ``ndim``, the dimensions of one sample, an input with more has a batch in front. The
    output is a read-only view.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Replicate
    """

    def __init__(self, nfeatures: int, dim: int = 1, ndim: Optional[int] = None) -> None:
        super().__init__()
        if check_dimension(dim, "dim") < 0 or nfeatures < 1:
            raise ArgumentError(f"nn.Replicate({nfeatures}, {dim}): both must be positive")
        self.nfeatures, self.dim, self.ndim = nfeatures, dim, ndim

    def _axis(self, rank: int) -> int:
        axis = self.dim - 1 + (self.ndim is not None and rank > self.ndim)
        if axis > rank:
            raise InputError(
                f"{self!r}: an input of {rank} dimension(s) has no room for a dimension {self.dim}",
                "input", f"at least {self.dim - 1} dimensions", rank,
            )
        return axis

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        axis = self._axis(x.ndim)
        shape = (*x.shape[:axis], self.nfeatures, *x.shape[axis:])
        self.output = np.broadcast_to(np.expand_dims(x, axis), shape)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        np.sum(gradOutput, axis=self._axis(self.gradInput.ndim), out=self.gradInput)
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.Replicate({self.nfeatures}, {self.dim})"
