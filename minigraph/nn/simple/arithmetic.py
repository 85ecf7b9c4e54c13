"""Layers that add or multiply by parameters or constants: Add, CAdd, CMul, Mul, *Constant."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize


def _draw(parameter: np.ndarray, stdv: Optional[float]) -> None:
    bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(parameter.size)
    generator.fillUniform(parameter, -bound, bound)


def _parameter_shape(sizes: tuple[Any, ...], owner: str) -> tuple[int, ...]:
    if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)):
        sizes = tuple(sizes[0])
    if not sizes or not all(isinstance(n, (int, np.integer)) and n > 0 for n in sizes):
        raise ArgumentError(f"{owner} needs sizes of at least 1, got {sizes}")
    return tuple(int(n) for n in sizes)


class _Elementwise(Module):
    """Base of CAdd, CMul and Add: one parameter, matched to the input as Torch does.

    A parameter with as many elements as the input is applied element by element, one of a single
    element everywhere; one with as many dimensions is expanded where it has size 1; otherwise
    the input's first dimension is a batch of samples with as many elements as the parameter.
    """

    def _layout(self, parameter: np.ndarray, input: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes in which ``(parameter, input)`` broadcast."""
        if parameter.size == input.size:
            return input.shape, input.shape
        if parameter.size == 1:
            return (1,) * input.ndim, input.shape
        if parameter.ndim == input.ndim:
            if all(p in (1, n) for p, n in zip(parameter.shape, input.shape)):
                return parameter.shape, input.shape
        elif input.ndim and input.size == input.shape[0] * parameter.size:
            return (1, parameter.size), (input.shape[0], parameter.size)
        raise InputError(
            f"{self!r} does not fit an input of shape {format_shape(input.shape)}",
            "input", f"(B, {', '.join(map(str, parameter.shape))})", input.shape,
        )

    def _collect(self, gradient: np.ndarray, parameter: np.ndarray, input: np.ndarray) -> np.ndarray:
        """Sum a gradient of the input's layout to the parameter's shape."""
        small, large = self._layout(parameter, input)
        gradient = gradient.reshape(large)
        axes = tuple(i for i, (p, n) in enumerate(zip(small, large)) if p != n)
        return gradient.sum(axes, keepdims=True).reshape(parameter.shape)

    def _combine(self, ufunc: Any, x: np.ndarray, parameter: np.ndarray, buffer: Any) -> np.ndarray:
        small, large = self._layout(parameter, x)
        out = resize(buffer, x.shape, self.dtype)
        ufunc(x.reshape(large), parameter.reshape(small), out=out.reshape(large))
        return out


class _Addition(_Elementwise):
    bias: np.ndarray
    gradBias: np.ndarray

    def reset(self, stdv: Optional[float] = None) -> Any:
        """Draw from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(number of elements)."""
        _draw(self.bias, stdv)
        return self

    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = self._combine(np.add, self._tensor(input), self.bias, self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, gradOutput.shape, self.dtype)
        np.copyto(self.gradInput, gradOutput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradBias += scale * self._collect(gradOutput, self.bias, gradOutput)


class CAdd(_Addition):
    """Add a learned tensor of the given sizes, expanded over the batch and dimensions of size 1.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.CAdd
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.size = _parameter_shape(sizes, "nn.CAdd")
        self.bias = np.empty(self.size, self.dtype)
        self.gradBias = np.zeros_like(self.bias)
        self.reset()

    def __repr__(self) -> str:
        return f"nn.CAdd({', '.join(map(str, self.size))})"


class Add(_Addition):
    """Add a learned vector ``(inputSize,)`` to every sample, or one number if ``scalar``.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Add
    """

    def __init__(self, inputSize: Any, scalar: bool = False) -> None:
        super().__init__()
        self.scalar = bool(scalar)
        self.bias = np.empty((1,) if scalar else _parameter_shape((inputSize,), "nn.Add"), self.dtype)
        self.gradBias = np.zeros_like(self.bias)
        self.reset()

    def __repr__(self) -> str:
        return f"nn.Add({', '.join(map(str, self.bias.shape))}{', scalar' if self.scalar else ''})"


class CMul(_Elementwise):
    """Multiply by a learned tensor of the given sizes, expanded over the batch and sizes of 1.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.CMul
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.size = _parameter_shape(sizes, "nn.CMul")
        self.weight = np.empty(self.size, self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "CMul":
        """Draw from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(number of elements)."""
        _draw(self.weight, stdv)
        return self

    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = self._combine(np.multiply, self._tensor(input), self.weight, self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = self._combine(np.multiply, gradOutput, self.weight, self.gradInput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._tensor(input)
        product = x * self._tensor(gradOutput, what="gradOutput")
        self.gradWeight += scale * self._collect(product, self.weight, x)

    def __repr__(self) -> str:
        return f"nn.CMul({', '.join(map(str, self.size))})"


class Mul(Module):
    """Multiply by one learned number, ``weight`` ``(1,)``.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Mul
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = np.empty(1, self.dtype)
        self.gradWeight = np.zeros(1, self.dtype)
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "Mul":
        """Draw from uniform(-a, a), a = stdv*sqrt(3) or 1."""
        _draw(self.weight, stdv)
        return self

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = resize(self.output, x.shape, self.dtype)
        return np.multiply(x, self.weight[0], out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, gradOutput.shape, self.dtype)
        return np.multiply(gradOutput, self.weight[0], out=self.gradInput)

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradWeight += scale * np.vdot(self._tensor(input), gradOutput)


class _Constant(Module):
    """Base of AddConstant and MulConstant: a number.

    ``inplace`` is kept, the output has its own buffer.
    """

    def __init__(self, constant_scalar: float, inplace: bool = False) -> None:
        super().__init__()
        if isinstance(constant_scalar, bool) or not isinstance(
            constant_scalar, (int, float, np.integer, np.floating)
        ):
            raise ArgumentError(f"{self.typename()} needs a number, got {constant_scalar!r}")
        self.constant_scalar = float(constant_scalar)
        self.inplace = bool(inplace)

    def __repr__(self) -> str:
        return f"{self.typename()}({self.constant_scalar:g})"


class AddConstant(_Constant):
    """Add a constant number.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.AddConstant
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = resize(self.output, x.shape, self.dtype)
        return np.add(x, self.constant_scalar, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, gradOutput.shape, self.dtype)
        np.copyto(self.gradInput, gradOutput)
        return self.gradInput


class MulConstant(_Constant):
    """Multiply by a constant number.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.MulConstant
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = resize(self.output, x.shape, self.dtype)
        return np.multiply(x, self.constant_scalar, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, gradOutput.shape, self.dtype)
        return np.multiply(gradOutput, self.constant_scalar, out=self.gradInput)
