"""PartialLinear: a Linear of which only some outputs are computed."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.linear import check_linear_input
from minigraph.nn.simple.lookup import check_indices
from minigraph.random import generator
from minigraph.tensors import resize


class PartialLinear(Module):
    """A Linear that computes only the outputs chosen with ``setPartition``.

    Input ``(B, inputsize)``, output ``(B, n)`` with ``n`` the number of outputs chosen (all of
    ``outputsize`` at first). ``weight`` is ``(outputsize, inputsize)``, drawn from normal(0, 1)
    as Torch's is (it is a LookupTable's there), ``bias`` ``(1, outputsize)``, zero at first.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.PartialLinear
    """

    partition: Optional[np.ndarray] = None

    def __init__(self, inputsize: int, outputsize: int, bias: bool = True) -> None:
        super().__init__()
        if min(inputsize, outputsize) < 1:
            raise ArgumentError(
                f"nn.PartialLinear({inputsize}, {outputsize}): sizes must be at least 1"
            )
        self.inputsize, self.outputsize = inputsize, outputsize
        self.weight = np.empty((outputsize, inputsize), self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.bias = None if bias is False else np.zeros((1, outputsize), self.dtype)
        self.gradBias = None if bias is False else np.zeros((1, outputsize), self.dtype)
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "PartialLinear":
        """Draw the weight from normal(0, stdv), stdv 1 by default; the bias stays."""
        generator.fillNormal(self.weight, 0.0, stdv or 1.0)
        return self

    def setPartition(self, indices: Any) -> "PartialLinear":
        """Compute only the outputs of these 1-based indices, in this order; return the module."""
        rows = check_indices(indices, self.outputsize, repr(self), "indices")
        if rows.ndim != 1 or not rows.size:
            raise InputError(
                f"{self!r}: setPartition expects indices of shape (N,), got {format_shape(rows.shape)}",
                "indices", "(N,)", rows.shape,
            )
        self.partition = rows
        return self

    def resetPartition(self) -> "PartialLinear":
        """Compute all outputs again; return the module."""
        self.partition = None
        return self

    def _chosen(self, array: np.ndarray) -> np.ndarray:
        return array if self.partition is None else array[self.partition]

    def updateOutput(self, input: Any) -> np.ndarray:
        x = check_linear_input(self, input, self.inputsize, 2)
        weight = self._chosen(self.weight)
        self.output = resize(self.output, (len(x), len(weight)), self.dtype)
        np.dot(x, weight.T, out=self.output)
        if self.bias is not None:
            self.output += self._chosen(self.bias[0])
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        return np.dot(g, self._chosen(self.weight), out=self.gradInput)

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = check_linear_input(self, input, self.inputsize, 2)
        g = self._tensor(gradOutput, what="gradOutput")
        rows = np.arange(self.outputsize) if self.partition is None else self.partition
        np.add.at(self.gradWeight, rows, scale * np.dot(g.T, x))
        if self.gradBias is not None:
            np.add.at(self.gradBias[0], rows, scale * g.sum(0))

    def __repr__(self) -> str:
        return f"nn.PartialLinear({self.inputsize} -> {self.outputsize})" + (
            "" if self.bias is not None else " without bias"
        )
