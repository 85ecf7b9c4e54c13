"""SparseLinear: a Linear whose input is given as pairs of index and value."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.lookup import check_indices
from minigraph.random import generator
from minigraph.tables import is_table, zeros_like
from minigraph.tensors import resize


class Entries(NamedTuple):
    """The entries of a sparse batch: their samples, their keys (0-based) and values, the batch size."""

    samples: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    batch: int

    def through(self, weight: np.ndarray, values: np.ndarray, bias: np.ndarray, buffer: Any) -> np.ndarray:
        """Return ``bias`` plus, for each sample, the sum of its values times rows of ``weight``."""
        output = resize(buffer, (self.batch, len(bias)), bias.dtype)
        output[...] = bias
        np.add.at(output, self.samples, weight[self.keys] * values[:, None])
        return output


class SparseLinear(Module):
    """``y = W x + b`` for a sparse ``x`` given as rows ``(index, value)``, indices from 1.

    Input ``(N, 2)`` for one sample, a table of such tensors for a batch, or ``(B, N, 2)``;
    output ``(outputSize,)`` or ``(B, outputSize)``. Rows of value 0 are skipped whatever their
    index, so they can pad. ``weight`` is ``(outputSize, inputSize)``, drawn as Linear's; the
    bias is drawn alike and made a million times smaller. With ``doGradInput`` the gradient of
    the input is dense in the same form, ``(inputSize, 2)`` for each sample; without it is zero.
    A ``weightDecay`` set on the module is added to the gradient at each backward.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.SparseLinear
    """

    weightDecay: float = 0.0

    def __init__(self, inputSize: int, outputSize: int, doGradInput: bool = False) -> None:
        super().__init__()
        if min(inputSize, outputSize) < 1:
            raise ArgumentError(
                f"nn.SparseLinear({inputSize}, {outputSize}): sizes must be at least 1"
            )
        self.doGradInput = bool(doGradInput)
        self.weight = np.empty((outputSize, inputSize), self.dtype)
        self.bias = np.empty(outputSize, self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.gradBias = np.zeros_like(self.bias)
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "SparseLinear":
        """Draw from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(inputSize); the bias times 1e-6."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.weight.shape[1])
        generator.fillUniform(self.weight, -bound, bound)
        generator.fillUniform(self.bias, -bound, bound)
        self.bias *= 0.000001
        return self

    def _entries(self, input: Any) -> Entries:
        if is_table(input):
            parts = [
                self._tensor(part, 2, what=f"input[{position}]")
                for position, part in enumerate(input, 1)
            ]
        else:
            x = self._tensor(input, 2, 3)
            parts = list(x) if x.ndim == 3 else [x]
        for position, part in enumerate(parts, 1):
            if part.shape[1] != 2:
                raise InputError(
                    f"{self!r} expects rows (index, value), shape (N, 2), for sample {position}, "
                    f"got {format_shape(part.shape)}",
                    f"input[{position}]", "(N, 2)", part.shape,
                )
        pairs = np.concatenate(parts) if parts else np.empty((0, 2), self.dtype)
        samples = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        filled = pairs[:, 1] != 0
        columns = check_indices(pairs[filled, 0], self.weight.shape[1], repr(self))
        return Entries(samples[filled], columns, pairs[filled, 1], len(parts))

    def _single(self, input: Any) -> bool:
        return not is_table(input) and np.ndim(input) == 2

    def updateOutput(self, input: Any) -> np.ndarray:
        entries = self._entries(input)
        self.output = entries.through(self.weight.T, entries.values, self.bias, self.output)
        if self._single(input):
            self.output = self.output[0]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        if not self.doGradInput:
            self.gradInput = zeros_like(input, self.gradInput)
            return self.gradInput
        g = np.atleast_2d(self._tensor(gradOutput, what="gradOutput"))
        inputSize = self.weight.shape[1]
        dense = np.empty((len(g), inputSize, 2), self.dtype)
        dense[:, :, 0] = np.arange(1, inputSize + 1)
        dense[:, :, 1] = np.dot(g, self.weight)
        self.gradInput = list(dense) if is_table(input) else dense[0] if self._single(input) else dense
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        entries = self._entries(input)
        g = np.atleast_2d(self._tensor(gradOutput, what="gradOutput"))
        products = g[entries.samples] * (scale * entries.values)[:, None]
        np.add.at(self.gradWeight.T, entries.keys, products)
        self.gradBias += scale * g.sum(0)
        if self.weightDecay:
            self.gradWeight += self.weightDecay * self.weight

    def __repr__(self) -> str:
        outputSize, inputSize = self.weight.shape
        return f"nn.SparseLinear({inputSize} -> {outputSize})"
