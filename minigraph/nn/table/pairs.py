"""Measures of a pair of vectors: DotProduct, CosineDistance, PairwiseDistance.

Input ``[a, b]``, both ``(N,)`` or both ``(B, N)``; output ``(1,)`` or ``(B,)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize


class _Pair(Module):
    """Base: checks the pair and hands out rows."""

    def _rows(self, input: Any) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._tensors(self._table(input, length=2))
        self._tensor(first, 1, 2, what="input[1]")
        if second.shape != first.shape:
            raise InputError(
                f"{self!r} expects two tensors of one shape: input[2] has shape "
                f"{format_shape(second.shape)}, input[1] {format_shape(first.shape)}",
                "input[2]", first.shape, second.shape,
            )
        return np.atleast_2d(first), np.atleast_2d(second)

    def _result(self, rows: np.ndarray) -> np.ndarray:
        self.output = resize(self.output, rows.shape[:1], self.dtype)
        return self.output

    def _gradients(self, input: Any, rows: np.ndarray) -> list[np.ndarray]:
        """Return the two gradients' buffers in the shape of ``rows``."""
        old = self.gradInput if isinstance(self.gradInput, list) else [None, None]
        shape = np.shape(input[0])
        self.gradInput = [resize(buffer, shape, self.dtype) for buffer in old]
        return [buffer.reshape(rows.shape) for buffer in self.gradInput]

    def _column(self, gradOutput: Any) -> np.ndarray:
        return self._tensor(gradOutput, what="gradOutput").reshape(-1, 1)


class DotProduct(_Pair):
    """The dot product of two vectors.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.DotProduct
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        a, b = self._rows(input)
        return np.einsum("bn,bn->b", a, b, out=self._result(a))

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        a, b = self._rows(input)
        g = self._column(gradOutput)
        for buffer, other in zip(self._gradients(input, a), (b, a)):
            np.multiply(other, g, out=buffer)
        return self.gradInput


class CosineDistance(_Pair):
    """The cosine of the angle between two vectors.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CosineDistance
    """

    def _terms(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ``a . b``, ``1 / ||a||^2`` and ``1 / ||b||^2``, each a column."""
        dot = np.einsum("bn,bn->b", a, b)[:, None]
        inverses = [1.0 / (np.einsum("bn,bn->b", x, x)[:, None] + 1e-12) for x in (a, b)]
        return dot, inverses[0], inverses[1]

    def updateOutput(self, input: Any) -> np.ndarray:
        a, b = self._rows(input)
        dot, inverseA, inverseB = self._terms(a, b)
        return np.multiply(dot, np.sqrt(inverseA * inverseB), out=self._result(a)[:, None])[:, 0]

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        a, b = self._rows(input)
        dot, inverseA, inverseB = self._terms(a, b)
        factor = np.sqrt(inverseA * inverseB) * self._column(gradOutput)
        first, second = self._gradients(input, a)
        np.multiply(b - dot * inverseA * a, factor, out=first)
        np.multiply(a - dot * inverseB * b, factor, out=second)
        return self.gradInput


class PairwiseDistance(_Pair):
    """The distance of two vectors in the ``p``-norm.

    With ``p`` 1 the gradient where two entries are equal is +1 or -1 at random, from the
    shared random stream, as in Torch7.
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.PairwiseDistance
    """

    def __init__(self, p: float = 2) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not p >= 1:
            raise ArgumentError(f"nn.PairwiseDistance: p must be a number of at least 1, got {p!r}")
        self.norm = p

    def updateOutput(self, input: Any) -> np.ndarray:
        a, b = self._rows(input)
        distances = np.abs(a - b)
        output = self._result(a)
        if np.isinf(self.norm):
            return np.max(distances, axis=1, out=output)
        np.sum(distances**self.norm, axis=1, out=output)
        return np.power(output, 1.0 / self.norm, out=output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        a, b = self._rows(input)
        difference = a - b
        first, second = self._gradients(input, a)
        np.multiply(self._slope(difference), self._column(gradOutput), out=first)
        np.negative(first, out=second)
        return self.gradInput

    def _slope(self, difference: np.ndarray) -> np.ndarray:
        """Return the derivative of each row's norm."""
        p = self.norm
        if p == 1:
            signs = np.sign(difference)
            ties = signs == 0
            signs[ties] = 2.0 * (generator.raw(int(ties.sum())) % 2) - 1.0
            return signs
        size = np.abs(difference)
        if np.isinf(p):
            return np.sign(difference) * (size == size.max(axis=1, keepdims=True))
        # The 1e-6 is Torch's guard against a distance of zero.
        scale = (self.output[:, None] + 1e-6) ** (1 - p)
        if p == 2:
            return difference * scale
        with np.errstate(divide="ignore"):
            powers = np.where(size > 0, size ** (p - 2), 0)
        return difference * powers * scale

    def __repr__(self) -> str:
        return f"nn.PairwiseDistance({self.norm:g})"
