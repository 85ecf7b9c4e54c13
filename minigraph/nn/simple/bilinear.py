"""Bilinear: a form of two inputs."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize


class Bilinear(Module):
    """``y_k = x1 W_k x2 + b_k`` for each row of a batch, ``[x1, x2]``.

    ``x1`` is ``(B, inputSize1)``, ``x2`` ``(B, inputSize2)``, the output ``(B, outputSize)``;
    ``weight`` is ``(outputSize, inputSize1, inputSize2)``. ``bias=False`` leaves the bias out.
    Parameters are drawn from uniform(-1/sqrt(inputSize1), 1/sqrt(inputSize1)).
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Bilinear
    """

    def __init__(self, inputSize1: int, inputSize2: int, outputSize: int, bias: bool = True) -> None:
        super().__init__()
        sizes = (outputSize, inputSize1, inputSize2)
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
            raise ArgumentError(f"nn.Bilinear: sizes must be integers of at least 1, got {sizes}")
        self.weight = np.empty(sizes, self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.bias = None if bias is False else np.empty(outputSize, self.dtype)
        self.gradBias = None if bias is False else np.zeros(outputSize, self.dtype)
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "Bilinear":
        """Draw the parameters from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(inputSize1)."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.weight.shape[1])
        generator.fillUniform(self.weight, -bound, bound)
        if self.bias is not None:
            generator.fillUniform(self.bias, -bound, bound)
        return self

    def _pair(self, input: Any) -> list[np.ndarray]:
        pair = self._tensors(self._table(input, length=2))
        for position, (x, size) in enumerate(zip(pair, self.weight.shape[1:]), 1):
            if x.ndim != 2 or x.shape[1] != size or len(x) != len(pair[0]):
                rows = "B" if position == 1 else str(len(pair[0]))
                raise InputError(
                    f"{self!r} expects input[{position}] of shape ({rows}, {size}), "
                    f"got {format_shape(x.shape)}",
                    f"input[{position}]", f"({rows}, {size})", x.shape,
                )
        return pair

    def _mixed(self, weighted: np.ndarray) -> np.ndarray:
        """Return ``(B, outputSize, inputSize2)``: every row of the first input through ``weight``."""
        outputs, first, second = self.weight.shape
        flat = self.weight.transpose(1, 0, 2).reshape(first, outputs * second)
        return np.dot(weighted, flat).reshape(len(weighted), outputs, second)

    def updateOutput(self, input: Any) -> np.ndarray:
        x1, x2 = self._pair(input)
        self.output = resize(self.output, (len(x1), len(self.weight)), self.dtype)
        np.einsum("bkj,bj->bk", self._mixed(x1), x2, out=self.output)
        if self.bias is not None:
            self.output += self.bias
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        x1, x2 = self._pair(input)
        g = self._tensor(gradOutput, what="gradOutput")
        old = self.gradInput if isinstance(self.gradInput, list) else [None, None]
        self.gradInput = [resize(b, x.shape, self.dtype) for b, x in zip(old, (x1, x2))]
        outer = np.multiply(g[:, :, None], x2[:, None, :]).reshape(len(g), -1)
        flat = self.weight.transpose(0, 2, 1).reshape(-1, x1.shape[1])
        np.dot(outer, flat, out=self.gradInput[0])
        np.einsum("bkj,bk->bj", self._mixed(x1), g, out=self.gradInput[1])
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x1, x2 = self._pair(input)
        g = self._tensor(gradOutput, what="gradOutput")
        outer = np.multiply(g[:, :, None], x1[:, None, :]).reshape(len(g), -1)
        self.gradWeight += scale * np.dot(outer.T, x2).reshape(self.weight.shape)
        if self.gradBias is not None:
            self.gradBias += scale * g.sum(0)

    def __repr__(self) -> str:
        outputs, first, second = self.weight.shape
        return f"nn.Bilinear({first}x{second} -> {outputs})" + (
            "" if self.bias is not None else " without bias"
        )
