"""Linear: the fully connected layer."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize, scratch


def check_linear_input(owner: Module, input: Any, size: int, *ranks: int) -> np.ndarray:
    """Return the input as an array of one of these ranks whose last dimension is ``size``."""
    x = owner._tensor(input, *ranks)
    if x.shape[-1] != size:
        expected = f"({size},)" if x.ndim == 1 else f"(B, {size})"
        raise InputError(
            f"{owner!r} expects input of shape {expected}, got {format_shape(x.shape)}",
            "input", expected, x.shape,
        )
    return x


class Linear(Module):
    """``y = W x + b`` with ``weight`` ``(outputSize, inputSize)`` and ``bias`` ``(outputSize,)``.

    Input ``(inputSize,)`` or ``(B, inputSize)``, output ``(outputSize,)`` or
    ``(B, outputSize)``. ``bias=False`` leaves the bias out. Parameters are drawn from
    uniform(-1/sqrt(inputSize), 1/sqrt(inputSize)).
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Linear
    """

    def __init__(self, inputSize: int, outputSize: int, bias: bool = True) -> None:
        super().__init__()
        if min(inputSize, outputSize) < 1:
            raise ArgumentError(f"nn.Linear({inputSize}, {outputSize}): sizes must be at least 1")
        self.weight = np.empty((outputSize, inputSize), self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.bias = np.empty(outputSize, self.dtype) if bias else None
        self.gradBias = np.zeros(outputSize, self.dtype) if bias else None
        self.reset()

    def noBias(self) -> "Linear":
        """Remove the bias and return the module."""
        self.bias = self.gradBias = None
        return self

    def reset(self, stdv: Optional[float] = None) -> "Linear":
        """Draw the parameters from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(inputSize)."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.weight.shape[1])
        generator.fillUniform(self.weight, -bound, bound)
        if self.bias is not None:
            generator.fillUniform(self.bias, -bound, bound)
        return self

    def _input(self, input: Any) -> np.ndarray:
        return check_linear_input(self, input, self.weight.shape[1], 1, 2)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._input(input)
        self.output = resize(self.output, (*x.shape[:-1], self.weight.shape[0]), self.dtype)
        np.dot(x, self.weight.T, out=self.output)
        if self.bias is not None:
            self.output += self.bias
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        np.dot(gradOutput, self.weight, out=self.gradInput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._input(input)
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        product = scratch(self.weight.shape, self.dtype)
        if x.ndim == 1:
            np.multiply(gradOutput[:, None], x, out=product)
        else:
            np.dot(gradOutput.T, x, out=product)
        if scale != 1.0:
            product *= scale
        self.gradWeight += product
        if self.gradBias is not None:
            total = gradOutput if x.ndim == 1 else gradOutput.sum(0)
            self.gradBias += total if scale == 1.0 else total * scale

    def __repr__(self) -> str:
        outputSize, inputSize = self.weight.shape
        return f"nn.Linear({inputSize} -> {outputSize})" + (
            "" if self.bias is not None else " without bias"
        )
