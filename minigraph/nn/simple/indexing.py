"""Layers that pick entries: Index by a tensor of indices, MaskedSelect by a mask."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, check_dimension, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.lookup import check_indices
from minigraph.nn.simple.shape import axis_of
from minigraph.tables import as_numeric
from minigraph.tensors import resize


class _Picking(Module):
    """Base: ``[tensor, what to pick]`` in; the second gets a gradient of zeros."""

    def _zeros(self, input: Any) -> list[np.ndarray]:
        old = self.gradInput if isinstance(self.gradInput, list) else [None, None]
        self.gradInput = [
            resize(buffer, np.shape(entry), self.dtype) for buffer, entry in zip(old, input)
        ]
        for buffer in self.gradInput:
            buffer.fill(0)
        return self.gradInput


class Index(_Picking):
    """Pick the entries ``index`` of ``tensor`` along ``dimension``; input ``[tensor, index]``.

    ``index`` is ``(N,)`` of 1-based indices, any numeric dtype; the output has size ``N`` along
    the dimension. An entry picked twice gets both gradients; ``gradInput`` is ``[gradient, zeros]``.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Index
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")

    def _parts(self, input: Any) -> tuple[np.ndarray, int, np.ndarray]:
        tensor, index = self._table(input, length=2)
        x = self._tensor(tensor, what="input[1]")
        axis = axis_of(self.dimension, x.ndim, self)
        rows = check_indices(index, x.shape[axis], repr(self), "input[2]")
        if rows.ndim != 1:
            raise InputError(
                f"{self!r} expects indices of shape (N,) as input[2], got {format_shape(rows.shape)}",
                "input[2]", (1,), rows.shape,
            )
        return x, axis, rows

    def updateOutput(self, input: Any) -> np.ndarray:
        x, axis, rows = self._parts(input)
        shape = (*x.shape[:axis], len(rows), *x.shape[axis + 1 :])
        self.output = resize(self.output, shape, self.dtype)
        np.take(x, rows, axis=axis, out=self.output, mode="clip")
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        _, axis, rows = self._parts(input)
        g = self._tensor(gradOutput, what="gradOutput")
        gradients = self._zeros(input)
        np.add.at(np.moveaxis(gradients[0], axis, 0), rows, np.moveaxis(g, axis, 0))
        return gradients

    def __repr__(self) -> str:
        return f"nn.Index({self.dimension})"


class MaskedSelect(_Picking):
    """Gather the entries of ``tensor`` where ``mask`` is 1, in order; input ``[tensor, mask]``.

    ``mask`` has the tensor's shape and holds zeros and ones (any numeric dtype or bool). The
    output is ``(N,)``.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.MaskedSelect
    """

    _buffers = ("_mask",)
    _mask: Optional[np.ndarray] = None

    def updateOutput(self, input: Any) -> np.ndarray:
        tensor, mask = self._table(input, length=2)
        x = self._tensor(tensor, what="input[1]")
        mask = as_numeric(mask, "input[2]")
        if mask.shape != x.shape:
            raise InputError(
                f"{self!r} expects a mask of the tensor's shape {format_shape(x.shape)} as "
                f"input[2], got {format_shape(mask.shape)}",
                "input[2]", x.shape, mask.shape,
            )
        chosen = mask == 1
        if not np.array_equal(chosen, mask):
            bad = mask[(mask != 0) & ~chosen].flat[0]
            raise InputError(
                f"{self!r} expects a mask of zeros and ones as input[2], got {bad}",
                "input[2]", "0 or 1", bad,
            )
        self._mask = chosen
        self.output = x[chosen]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        g = self._tensor(gradOutput, what="gradOutput")
        gradients = self._zeros(input)
        gradients[0][self._mask] = g
        return gradients
