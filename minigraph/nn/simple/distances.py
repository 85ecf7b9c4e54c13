"""Layers that compare the input with learned templates: Euclidean, WeightedEuclidean, Cosine."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Arrays, Module
from minigraph.nn.simple.linear import check_linear_input
from minigraph.random import generator
from minigraph.tensors import resize


class _Templates(Module):
    """Base: ``outputSize`` templates of ``inputSize`` numbers.

    Input ``(inputSize,)`` or ``(B, inputSize)``, output ``(outputSize,)`` or ``(B, outputSize)``.
    """

    #: The axis of ``weight`` along which a template runs.
    _along = 0

    def __init__(self, inputSize: int, outputSize: int) -> None:
        super().__init__()
        if min(inputSize, outputSize) < 1:
            raise ArgumentError(
                f"{self.typename()}({inputSize}, {outputSize}): sizes must be at least 1"
            )
        shape = (inputSize, outputSize) if self._along == 0 else (outputSize, inputSize)
        self.weight = np.empty(shape, self.dtype)
        self.gradWeight = np.zeros_like(self.weight)

    def reset(self, stdv: Optional[float] = None) -> Any:
        """Draw the templates from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(weight.shape[0])."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.weight.shape[0])
        generator.fillUniform(self.weight, -bound, bound)
        return self

    def _rows(self, input: Any) -> np.ndarray:
        """Return the input as ``(B, inputSize)``."""
        x = check_linear_input(self, input, self.weight.shape[self._along], 1, 2)
        return np.atleast_2d(x)

    def _gradRows(self, gradOutput: Any) -> np.ndarray:
        return np.atleast_2d(self._tensor(gradOutput, what="gradOutput"))

    def _shaped(self, buffer: Any, input: Any, size: int) -> np.ndarray:
        return resize(buffer, (*np.shape(input)[:-1], size), self.dtype)

    def __repr__(self) -> str:
        sizes = self.weight.shape if self._along == 0 else self.weight.shape[::-1]
        return f"{self.typename()}({sizes[0]} -> {sizes[1]})"


class Euclidean(_Templates):
    """The distance of the input to each of ``outputSize`` templates, the columns of ``weight``.

    ``weight`` is ``(inputSize, outputSize)``; ``y_j = ||w_j - x||``.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Euclidean
    """

    _buffers = ("_difference",)
    _difference: Optional[np.ndarray] = None

    def __init__(self, inputSize: int, outputSize: int) -> None:
        super().__init__(inputSize, outputSize)
        self._extend()
        self.reset()

    def _extend(self) -> None:
        """Make further parameters."""

    def _scaled(self, differences: np.ndarray) -> np.ndarray:
        """Return the differences, scaled per template and coordinate."""
        return differences

    def updateOutput(self, input: Any) -> np.ndarray:
        rows = self._rows(input)
        shape = (len(rows), *self.weight.shape)
        self._difference = resize(self._difference, shape, self.dtype)
        np.subtract(rows[:, :, None], self.weight, out=self._difference)
        scaled = self._scaled(self._difference)
        self.output = self._shaped(self.output, input, shape[2])
        np.sqrt(np.einsum("bio,bio->bo", scaled, scaled), out=self.output.reshape(len(rows), -1))
        return self.output

    def _slopes(self, gradOutput: Any) -> np.ndarray:
        """Return ``(B, inputSize, outputSize)``: gradOutput times the unit vectors to the input."""
        scaled = self._scaled(self._differences())
        distances = self.output.reshape(len(scaled), 1, -1) + 1e-7  # no division by zero
        return self._gradRows(gradOutput)[:, None, :] / distances * scaled

    def _differences(self) -> np.ndarray:
        assert self._difference is not None
        return self._difference

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        slopes = self._scaled(self._slopes(gradOutput))
        np.sum(slopes, axis=2, out=self.gradInput.reshape(slopes.shape[:2]))
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        self.gradWeight -= scale * self._scaled(self._slopes(gradOutput)).sum(0)


class WeightedEuclidean(Euclidean):
    """Like Euclidean, with a learned scale for each coordinate of each template.

    ``weight`` and ``diagCov`` are ``(inputSize, outputSize)``; ``y_j = ||c_j * (w_j - x)||``.
    ``diagCov`` starts at 1.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.WeightedEuclidean
    """

    def _extend(self) -> None:
        self.diagCov = np.ones_like(self.weight)
        self.gradDiagCov = np.zeros_like(self.weight)

    def reset(self, stdv: Optional[float] = None) -> "WeightedEuclidean":
        """Draw the templates as Euclidean does and set the scales to 1."""
        super().reset(stdv)
        self.diagCov.fill(1)
        return self

    def parameters(self) -> tuple[Arrays, Arrays]:
        return [self.weight, self.diagCov], [self.gradWeight, self.gradDiagCov]

    def _scaled(self, differences: np.ndarray) -> np.ndarray:
        return differences * self.diagCov

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        super().accGradParameters(input, gradOutput, scale)
        slopes = self._slopes(gradOutput)
        self.gradDiagCov += scale * np.einsum("bio,bio->io", slopes, self._differences())


class Cosine(_Templates):
    """The cosine of the angle between the input and each of ``outputSize`` templates.

    ``weight`` is ``(outputSize, inputSize)``; ``y_j = (x . w_j) / (||w_j|| ||x||)``.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Cosine
    """

    _along = 1

    def __init__(self, inputSize: int, outputSize: int) -> None:
        super().__init__(inputSize, outputSize)
        self.reset()

    def _norms(self, input: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the input's rows ``(B, I)``, their norms ``(B, 1)`` and the templates' ``(O,)``."""
        rows = self._rows(input)
        lengths = np.sqrt(np.einsum("bi,bi->b", rows, rows))[:, None] + 1e-12
        return rows, lengths, np.sqrt(np.einsum("oi,oi->o", self.weight, self.weight)) + 1e-12

    def updateOutput(self, input: Any) -> np.ndarray:
        rows, lengths, norms = self._norms(input)
        self.output = self._shaped(self.output, input, len(self.weight))
        cosines = self.output.reshape(len(rows), -1)
        np.dot(rows, self.weight.T, out=cosines)
        cosines /= norms
        cosines /= lengths
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        rows, lengths, norms = self._norms(input)
        g = self._gradRows(gradOutput)
        along = (g * self.output.reshape(g.shape)).sum(1, keepdims=True) / lengths
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        gradient = self.gradInput.reshape(rows.shape)
        np.dot(g / norms, self.weight, out=gradient)
        gradient -= along * rows
        gradient /= lengths
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        rows, lengths, norms = self._norms(input)
        g = self._gradRows(gradOutput)
        along = (g * self.output.reshape(g.shape)).sum(0) / norms
        gradient = np.dot(g.T, rows / lengths)
        gradient -= along[:, None] * self.weight
        gradient /= norms[:, None]
        self.gradWeight += scale * gradient
