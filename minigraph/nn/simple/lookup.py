"""Layers that take indices: LookupTable and OneHot."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tables import as_numeric
from minigraph.tensors import resize


def check_indices(input: Any, count: int, owner: str, what: str = "input") -> np.ndarray:
    """Return 1-based indices as 0-based int64; raise InputError for one that is not in 1..count."""
    array = as_numeric(input, what)
    indices = array.astype(np.int64)
    if array.dtype.kind == "f" and not np.array_equal(indices, array):
        bad = array[indices != array].flat[0]
        raise InputError(f"{owner} expects whole numbers as {what}, got {bad}", what, "integers", bad)
    if indices.size and (indices.min() < 1 or indices.max() > count):
        bad = int(indices[(indices < 1) | (indices > count)].flat[0])
        hint = " (indices count from 1)" if bad == 0 else ""
        raise InputError(
            f"{owner}: {what} holds the index {bad}, the valid range is 1..{count}{hint}",
            what, f"1..{count}", bad,
        )
    return indices - 1


class LookupTable(Module):
    """Rows of ``weight`` ``(nIndex, nOutput)`` by 1-based index.

    Input ``(N,)`` or ``(B, N)`` of indices (any numeric dtype), output ``(N, nOutput)`` or
    ``(B, N, nOutput)``. Rows named ``paddingValue`` get no gradient. With ``maxNorm`` the
    rows looked up are first scaled to at most that ``normType``-norm. Drawn from normal(0, 1).
    The gradient of the indices is zero.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.LookupTable
    """

    _torchVersion = 4

    def __init__(
        self,
        nIndex: int,
        nOutput: int,
        paddingValue: int = 0,
        maxNorm: Optional[float] = None,
        normType: Optional[float] = None,
    ) -> None:
        super().__init__()
        if min(nIndex, nOutput) < 1:
            raise ArgumentError(f"nn.LookupTable({nIndex}, {nOutput}): sizes must be at least 1")
        self.weight = np.empty((nIndex, nOutput), self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.paddingValue = paddingValue or 0
        self.maxNorm = maxNorm
        self.normType = normType
        self.shouldScaleGradByFreq = False
        self.reset()

    def setPadding(self, paddingValue: int) -> "LookupTable":
        """Set the index whose row gets no gradient (0 for none); return the module."""
        self.paddingValue = paddingValue
        return self

    def setMaxNorm(self, maxNorm: Optional[float]) -> "LookupTable":
        """Set the largest norm of a row (``None`` for no limit); return the module."""
        self.maxNorm = maxNorm
        return self

    def setNormType(self, normType: Optional[float]) -> "LookupTable":
        """Set the p of the norm that ``maxNorm`` limits (2 by default); return the module."""
        self.normType = normType
        return self

    def scaleGradByFreq(self) -> "LookupTable":
        """Divide each row's gradient by how often it was looked up; return the module."""
        self.shouldScaleGradByFreq = True
        return self

    @property
    def _fixed(self) -> list[np.ndarray]:
        return [self.weight[self.paddingValue - 1]] if self.paddingValue else []

    def reset(self, stdv: Optional[float] = None) -> "LookupTable":
        """Draw the weight from normal(0, stdv), stdv 1 by default."""
        generator.fillNormal(self.weight, 0.0, stdv or 1.0)
        return self

    def _rows(self, input: Any) -> np.ndarray:
        rows = check_indices(input, len(self.weight), repr(self))
        if rows.ndim not in (1, 2):
            raise InputError(
                f"{self!r} expects indices of shape (N,) or (B, N), got {format_shape(rows.shape)}",
                "input", (1, 2), rows.shape,
            )
        return rows

    def updateOutput(self, input: Any) -> np.ndarray:
        rows = self._rows(input)
        if self.maxNorm is not None:
            self._renorm(np.unique(rows))
        self.output = resize(self.output, (*rows.shape, self.weight.shape[1]), self.dtype)
        np.take(self.weight, rows, axis=0, out=self.output, mode="clip")
        return self.output

    def _renorm(self, rows: np.ndarray) -> None:
        p = self.normType or 2
        norms = (np.abs(self.weight[rows]) ** p).sum(1) ** (1.0 / p)
        large = norms > self.maxNorm
        scale = self.maxNorm / (norms[large] + 1e-7)
        self.weight[rows[large]] *= scale[:, None]

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        rows = self._rows(input).ravel()
        gradient = self._tensor(gradOutput, what="gradOutput").reshape(rows.size, self.weight.shape[1])
        if self.paddingValue:
            kept = rows != self.paddingValue - 1
            rows, gradient = rows[kept], gradient[kept]
        if self.shouldScaleGradByFreq:
            gradient = gradient * (scale / np.bincount(rows)[rows])[:, None].astype(self.dtype)
        elif scale != 1.0:
            gradient = gradient * scale
        np.add.at(self.gradWeight, rows, gradient)

    def __repr__(self) -> str:
        return f"nn.LookupTable({self.weight.shape[0]} -> {self.weight.shape[1]})"


class OneHot(Module):
    """Turn 1-based indices into vectors that are 1 there and 0 elsewhere.

    Input any shape (or a number), output the same shape with ``outputSize`` appended. The
    gradient of the indices is zero.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.OneHot
    """

    def __init__(self, outputSize: int) -> None:
        super().__init__()
        if outputSize < 1:
            raise ArgumentError(f"nn.OneHot({outputSize}): the size must be at least 1")
        self.outputSize = outputSize

    def updateOutput(self, input: Any) -> np.ndarray:
        columns = check_indices(input, self.outputSize, repr(self))
        self.output = resize(self.output, (*columns.shape, self.outputSize), self.dtype)
        self.output.fill(0)
        self.output.reshape(columns.size, self.outputSize)[np.arange(columns.size), columns.ravel()] = 1
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        if not isinstance(input, np.ndarray):
            self.gradInput = 0.0
        else:
            self.gradInput = resize(self.gradInput, input.shape, self.dtype)
            self.gradInput.fill(0)
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.OneHot({self.outputSize})"
