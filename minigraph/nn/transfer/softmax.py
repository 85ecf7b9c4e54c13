"""SoftMax, SoftMin and LogSoftMax: transfer functions that normalise over one dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.nn.module import Module
from minigraph.tensors import resize


class _Normalising(Module):
    """Base: inputs ``(C,)``, ``(B, C)``, ``(C, H, W)`` or ``(B, C, H, W)``, normalised over C."""

    def _prepare(self, input: Any) -> tuple[np.ndarray, int]:
        x = self._tensor(input, 1, 2, 3, 4)
        self.output = resize(self.output, x.shape, self.dtype)
        return x, self._axis(x)

    @staticmethod
    def _axis(x: np.ndarray) -> int:
        return 0 if x.ndim in (1, 3) else 1

    def _gradient(self, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, g.shape, self.dtype)
        return g


class SoftMax(_Normalising):
    """exp(x) / sum(exp(x)) over the classes; each slice sums to 1.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftMax
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        x, axis = self._prepare(input)
        np.subtract(x, x.max(axis, keepdims=True), out=self.output)
        return self._normalise(axis)

    def _normalise(self, axis: int) -> np.ndarray:
        np.exp(self.output, out=self.output)
        self.output /= self.output.sum(axis, keepdims=True)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._gradient(gradOutput)
        y, axis = self.output, self._axis(self.output)
        np.multiply(g, y, out=self.gradInput)
        inner = self.gradInput.sum(axis, keepdims=True)
        np.subtract(g, inner, out=self.gradInput)
        self.gradInput *= y
        return self.gradInput


class SpatialSoftMax(SoftMax):
    """SoftMax over the features of each place; the same function under its older name.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SpatialSoftMax
    """


class SoftMin(SoftMax):
    """SoftMax of -x.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftMin
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        x, axis = self._prepare(input)
        np.subtract(x.min(axis, keepdims=True), x, out=self.output)
        return self._normalise(axis)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        super().updateGradInput(input, gradOutput)
        return np.negative(self.gradInput, out=self.gradInput)


class LogSoftMax(_Normalising):
    """log(exp(x) / sum(exp(x))) over the classes.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.LogSoftMax
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        x, axis = self._prepare(input)
        shift = x.max(axis, keepdims=True)
        np.subtract(x, shift, out=self.output)
        np.exp(self.output, out=self.output)
        shift += np.log(self.output.sum(axis, keepdims=True))
        return np.subtract(x, shift, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._gradient(gradOutput)
        np.exp(self.output, out=self.gradInput)
        self.gradInput *= g.sum(self._axis(g), keepdims=True)
        np.subtract(g, self.gradInput, out=self.gradInput)
        return self.gradInput


class SpatialLogSoftMax(LogSoftMax):
    """LogSoftMax over the features of each place; the same function under its older name.

    Source: https://github.com/torch/nn/blob/master/SpatialLogSoftMax.lua
    """
