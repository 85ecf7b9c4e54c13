"""Layers that reduce one dimension: Max, Min, Sum, Mean.

All take ``dimension`` (1 by default, negative from the end) and ``nInputDims``, the number of
dimensions of one sample: an input with one more has a batch in front.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, check_dimension
from minigraph.nn.module import Module
from minigraph.nn.simple.shape import sample_axis_of
from minigraph.tensors import resize


class _Reduction(Module):
    """Base: the axis, and the shape that is left."""

    nInputDims: Optional[int] = None

    def __init__(self, dimension: int = 1, nInputDims: Optional[int] = None) -> None:
        super().__init__()
        self.dimension = check_dimension(1 if dimension is None else dimension, "dimension")
        self.nInputDims = nInputDims

    def _input(self, input: Any) -> tuple[np.ndarray, int]:
        x = self._tensor(input)
        axis = sample_axis_of(self.dimension, self.nInputDims, x.ndim, self)
        if not x.shape[axis]:
            raise InputError(
                f"{self!r}: dimension {self.dimension} of the input is empty", "input", "at least 1", 0
            )
        return x, axis

    def __repr__(self) -> str:
        more = "" if self.nInputDims is None else f", {self.nInputDims}"
        return f"{self.typename()}({self.dimension}{more})"


def _left(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return ``shape`` without ``axis``; of a vector one number is left, shape ``(1,)``."""
    return (*shape[:axis], *shape[axis + 1 :]) or (1,)


class _Extreme(_Reduction):
    """Base of Max and Min: the first of equal entries wins and gets the gradient."""

    _buffers = ("_indices",)
    _indices: Any = None
    _find: Callable[..., Any]

    def updateOutput(self, input: Any) -> np.ndarray:
        x, axis = self._input(input)
        self._indices = np.expand_dims(type(self)._find(x, axis=axis), axis)
        self.output = resize(self.output, _left(x.shape, axis), self.dtype)
        self.output[...] = np.take_along_axis(x, self._indices, axis).reshape(self.output.shape)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        axis = sample_axis_of(self.dimension, self.nInputDims, self.gradInput.ndim, self)
        np.put_along_axis(self.gradInput, self._indices, g.reshape(self._indices.shape), axis)
        return self.gradInput


class Max(_Extreme):
    """The largest entry along a dimension, which disappears.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Max
    """

    _find: Any = staticmethod(np.argmax)


class Min(_Extreme):
    """The smallest entry along a dimension, which disappears.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Min
    """

    _find: Any = staticmethod(np.argmin)


class Sum(_Reduction):
    """The sum along a dimension; its mean with ``sizeAverage``.

    The dimension disappears, or keeps size 1 with ``squeeze=False``.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Sum
    """

    sizeAverage: bool = False
    squeeze: bool = True

    def __init__(
        self,
        dimension: int = 1,
        nInputDims: Optional[int] = None,
        sizeAverage: bool = False,
        squeeze: Optional[bool] = None,
    ) -> None:
        super().__init__(dimension, nInputDims)
        if squeeze is not None and not isinstance(squeeze, bool):
            raise ArgumentError(f"{self.typename()}: squeeze must be True or False, got {squeeze!r}")
        self.sizeAverage = bool(sizeAverage)
        self.squeeze = squeeze is not False

    def updateOutput(self, input: Any) -> np.ndarray:
        x, axis = self._input(input)
        kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        shape = _left(x.shape, axis) if self.squeeze else kept
        self.output = resize(self.output, shape, self.dtype)
        np.sum(x, axis=axis, keepdims=True, out=self.output.reshape(kept))
        if self.sizeAverage:
            self.output /= x.shape[axis]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        shape = np.shape(input)
        axis = sample_axis_of(self.dimension, self.nInputDims, len(shape), self)
        self.gradInput = resize(self.gradInput, shape, self.dtype)
        self.gradInput[...] = g.reshape(*shape[:axis], 1, *shape[axis + 1 :])
        if self.sizeAverage:
            self.gradInput /= shape[axis]
        return self.gradInput


class Mean(Sum):
    """The mean along a dimension, which disappears.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Mean
    """

    def __init__(self, dimension: int = 1, nInputDims: Optional[int] = None) -> None:
        super().__init__(dimension, nInputDims, True)
