"""Pointwise transfer functions: one table of functions and derivatives, one class to run them.

``TABLE`` holds for each layer how to compute ``y = f(x)`` and how to turn ``gradOutput`` into
``gradInput``; both write into a buffer they are given. The classes below only say which
arguments a layer has.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.tensors import resize

Array = np.ndarray


class Pointwise(NamedTuple):
    """A function and its derivative; ``m`` is the layer, for its arguments.

    ``forward(m, x, out)`` writes f(x) into ``out``. ``backward(m, g, x, y, out)`` writes
    ``g * f'(x)`` into ``out``, where ``y`` is f(x).
    """

    forward: Callable[[Any, Array, Array], Any]
    backward: Callable[[Any, Array, Array, Array, Array], Any]


def _sigmoid(m: Any, x: Array, out: Array) -> None:
    np.negative(x, out=out)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    np.divide(1, out, out=out)


def _sigmoid_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.subtract(1, y, out=out)
    out *= y
    out *= g


def _tanh_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
    out *= g


def _elu(m: Any, x: Array, out: Array) -> None:
    negative = x <= 0
    small = np.expm1(x, where=negative, out=np.zeros_like(x))
    np.copyto(out, x)
    np.copyto(out, m.alpha * small, where=negative)


def _softplus(m: Any, x: Array, out: Array) -> None:
    scaled = x * m.beta
    np.copyto(out, np.log1p(np.exp(np.minimum(scaled, m.threshold))) / m.beta)
    np.copyto(out, x, where=scaled > m.threshold)


def _softplus_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    scaled = y * m.beta
    np.multiply(g, -np.expm1(-scaled), out=out)
    np.copyto(out, g, where=scaled > m.threshold)


def _softsign(m: Any, x: Array, out: Array) -> None:
    np.divide(x, np.abs(x) + 1, out=out)


def _softsign_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    slope = np.abs(x) + 1
    slope *= slope
    np.divide(g, slope, out=out)


TABLE: dict[str, Pointwise] = {
    "Sigmoid": Pointwise(_sigmoid, _sigmoid_backward),
    "Tanh": Pointwise(lambda m, x, out: np.tanh(x, out=out), _tanh_backward),
    "ReLU": Pointwise(
        lambda m, x, out: np.maximum(x, 0, out=out),
        lambda m, g, x, y, out: np.multiply(g, y > 0, out=out),
    ),
    "ELU": Pointwise(
        _elu,
        lambda m, g, x, y, out: np.multiply(g, np.where(y <= 0, y + m.alpha, 1), out=out),
    ),
    "SoftPlus": Pointwise(_softplus, _softplus_backward),
    "SoftSign": Pointwise(_softsign, _softsign_backward),
}


class Transfer(Module):
    """Base of the pointwise layers: any shape in, the same shape out.

    With ``inplace`` the output is written over the input (whoever else reads that input then
    sees the output); gradients are never written over ``gradOutput``.
    """

    inplace: bool = False

    def updateOutput(self, input: Any) -> Array:
        x = self._tensor(input)
        self.output = x if self.inplace else resize(self.output, x.shape, self.dtype)
        TABLE[type(self).__name__].forward(self, x, self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Array:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, self.output.shape, self.dtype)
        TABLE[type(self).__name__].backward(
            self, g, self._tensor(input), self.output, self.gradInput
        )
        return self.gradInput


class Sigmoid(Transfer):
    """1 / (1 + exp(-x)).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.Sigmoid
    """


class Tanh(Transfer):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.Tanh
    """


class ReLU(Transfer):
    """max(0, x).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.ReLU
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)


class ELU(Transfer):
    """x where positive, else alpha * (exp(x) - 1).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.ELU
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = 1.0 if alpha is None else alpha
        self.inplace = bool(inplace)

    def __repr__(self) -> str:
        return f"nn.ELU({self.alpha:g})"


class SoftPlus(Transfer):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x exceeds 20.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftPlus
    """

    threshold = 20.0

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = 1.0 if beta is None else beta
        if self.beta <= 0:
            raise ArgumentError(f"nn.SoftPlus: beta must be positive, got {beta}")


class SoftSign(Transfer):
    """x / (1 + |x|).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftSign
    """
