"""Layers that add, drop, swap or pad dimensions.

Squeeze, Unsqueeze, Collapse, Transpose, Contiguous, Padding.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError, InputError, check_dimension, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.shape import Rearrange, axis_of, sample_axis_of
from minigraph.tensors import resize


class _OfSamples(Rearrange):
    """Base of layers that are told how many dimensions one sample has."""

    numInputDims: Optional[int]

    def setNumInputDims(self, numInputDims: Optional[int]) -> Any:
        """Say how many dimensions one sample has; return the module."""
        self.numInputDims = numInputDims
        return self


class Squeeze(_OfSamples):
    """Drop dimension ``dim`` if its size is 1; without ``dim``, every dimension of size 1.

    With ``numInputDims``, the dimensions of one sample, an input with one more has a batch in
    front, which is kept whatever its size. The output is a view.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Squeeze
    """

    def __init__(self, dim: Optional[int] = None, numInputDims: Optional[int] = None) -> None:
        super().__init__()
        self.dim = None if dim is None else check_dimension(dim, "dim")
        self.setNumInputDims(numInputDims)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        shape = x.shape
        if self.dim is not None:
            axis = sample_axis_of(self.dim, self.numInputDims, x.ndim, self)
            if shape[axis] == 1:
                shape = (*shape[:axis], *shape[axis + 1 :])
        else:
            batch = 1 if self.numInputDims is not None and x.ndim == self.numInputDims + 1 else 0
            shape = (*shape[:batch], *(size for size in shape[batch:] if size != 1))
        self.output = x.reshape(shape or (1,))
        return self.output

    def __repr__(self) -> str:
        return "nn.Squeeze" + ("" if self.dim is None else f"(dim {self.dim})")


class Unsqueeze(_OfSamples):
    """Insert a dimension of size 1 at ``pos``.

    With ``numInputDims``, the dimensions of one sample, those before it are the batch. The
    output is a view. Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Unsqueeze
    """

    def __init__(self, pos: int, numInputDims: Optional[int] = None) -> None:
        super().__init__()
        self.pos = check_dimension(pos, "pos")
        if self.pos < 0:
            raise ArgumentError(f"nn.Unsqueeze: pos must be positive, got {pos}")
        self.setNumInputDims(numInputDims)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        batch = x.ndim - (x.ndim if self.numInputDims is None else self.numInputDims)
        if batch < 0 or batch + self.pos > x.ndim + 1:
            raise InputError(
                f"{self!r}: an input of shape {format_shape(x.shape)} has no room for a new "
                f"dimension {batch + self.pos}",
                "input", f"at least {self.numInputDims or self.pos - 1} dimensions", x.ndim,
            )
        axis = batch + self.pos - 1
        self.output = x.reshape(*x.shape[:axis], 1, *x.shape[axis:])
        return self.output

    def __repr__(self) -> str:
        return f"nn.Unsqueeze(dim {self.pos})"


class Collapse(Rearrange):
    """Collapse the dimensions of one sample into one: ``(B, …)`` to ``(B, N)``.

    ``nInputDim`` is the number of dimensions of one sample; an input with more has a batch in
    front. Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Collapse
    """

    def __init__(self, nInputDim: int) -> None:
        super().__init__()
        self.nInputDim = check_dimension(nInputDim, "nInputDim")

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        batch = x.shape[:1] if x.ndim > self.nInputDim else ()
        self.output = x.reshape(*batch, x.size // int(np.prod(batch)) if x.size else 0)
        return self.output

    def __repr__(self) -> str:
        return f"nn.Collapse({self.nInputDim})"


class Transpose(Module):
    """Swap pairs of dimensions, one after the other: ``Transpose([1, 4], [1, 3])``.

    The dimensions are 1-based, or negative. The output is a contiguous copy.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Transpose
    """

    def __init__(self, *permutations: Sequence[int]) -> None:
        super().__init__()
        for pair in permutations:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ArgumentError(f"nn.Transpose needs pairs of dimensions, got {pair!r}")
        self.permutations = [
            [check_dimension(dimension, "a dimension of nn.Transpose") for dimension in pair]
            for pair in permutations
        ]

    def _swapped(self, tensor: np.ndarray, pairs: Sequence[Sequence[int]]) -> np.ndarray:
        for first, second in pairs:
            rank = tensor.ndim
            tensor = tensor.swapaxes(axis_of(first, rank, self), axis_of(second, rank, self))
        return tensor

    def updateOutput(self, input: Any) -> np.ndarray:
        swapped = self._swapped(self._tensor(input), self.permutations)
        self.output = resize(self.output, swapped.shape, self.dtype)
        np.copyto(self.output, swapped)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        np.copyto(self.gradInput, self._swapped(g, self.permutations[::-1]))
        return self.gradInput

    def __repr__(self) -> str:
        pairs = ", ".join(f"[{first}, {second}]" for first, second in self.permutations)
        return f"nn.Transpose({pairs})"


class Contiguous(Module):
    """Copy the input, and on the way back ``gradOutput``, only if its memory is not contiguous.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Contiguous
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = np.ascontiguousarray(self._tensor(input, cast=False))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = np.ascontiguousarray(self._tensor(gradOutput, what="gradOutput"))
        return self.gradInput


class Padding(Module):
    """Insert ``abs(pad)`` entries of ``value`` along dimension ``dim``.

    A negative ``pad`` inserts before the ``index``-th entry counted from the start (1 by
    default: in front), a positive one after the ``index``-th counted from the end (1: behind
    the last). With ``nInputDim``, the dimensions of one sample, an input with another number
    has a batch in front. Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Padding
    """

    def __init__(
        self, dim: int, pad: int, nInputDim: Optional[int] = None, value: float = 0, index: int = 1
    ) -> None:
        super().__init__()
        self.dim = check_dimension(dim, "dim")
        self.pad = pad
        self.nInputDim = nInputDim
        self.value = 0 if value is None else value
        self.index = check_dimension(1 if index is None else index, "index")

    def _parts(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the axis and the position before which the padding goes."""
        batch = self.nInputDim is not None and len(shape) != self.nInputDim and self.dim > 0
        axis = axis_of(self.dim + batch, len(shape), self)
        position = shape[axis] - self.index + 1 if self.pad > 0 else self.index - 1
        if not 0 <= position <= shape[axis]:
            raise InputError(
                f"{self!r}: index {self.index} is out of range 1..{shape[axis] + 1} "
                f"(input of shape {format_shape(shape)})",
                "input", f"1..{shape[axis] + 1}", self.index,
            )
        return axis, position

    def _windows(self, shape: tuple[int, ...]) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Return the two parts of the input with their places in the output."""
        axis, position = self._parts(shape)
        before = (slice(None),) * axis
        return [
            ((*before, slice(0, position)), (*before, slice(0, position))),
            (
                (*before, slice(position, None)),
                (*before, slice(position + abs(self.pad), None)),
            ),
        ]

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        axis, _ = self._parts(x.shape)
        shape = (*x.shape[:axis], x.shape[axis] + abs(self.pad), *x.shape[axis + 1 :])
        self.output = resize(self.output, shape, self.dtype)
        self.output.fill(self.value)
        for source, target in self._windows(x.shape):
            self.output[target] = x[source]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        for source, target in self._windows(self.gradInput.shape):
            self.gradInput[source] = g[target]
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.Padding({self.dim}, {self.pad})"
