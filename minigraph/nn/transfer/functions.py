"""The table of pointwise functions and their derivatives.

``TABLE`` holds for each layer how to compute ``y = f(x)`` and how to turn ``gradOutput`` into
``gradInput``; both write into a buffer they are given. At a kink the derivative is the one that
Torch7's THNN takes (``>`` or ``>=`` matters there). A layer that can work in place finds its
derivative from what is left: then ``x`` and ``y`` are one array.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from minigraph.random import generator
from minigraph.tensors import scratch

Array = np.ndarray


class Pointwise(NamedTuple):
    """A function and its derivative; ``m`` is the layer, for its arguments.

    ``forward(m, x, out)`` writes f(x) into ``out`` (which may be ``x``). ``backward(m, g, x, y,
    out)`` writes ``g * f'(x)`` into ``out``, where ``y`` is f(x); ``out`` is none of the others.
    """

    forward: Callable[[Any, Array, Array], Any]
    backward: Callable[[Any, Array, Array, Array, Array], Any]


@np.errstate(over="ignore")
def logistic(x: Array, out: Array) -> Array:
    """Write 1 / (1 + exp(-x)) into ``out``, without a warning where exp overflows."""
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.divide(1, out, out=out)


def _sigmoid_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.subtract(1, y, out=out)
    out *= y
    out *= g


def log1p_exp(x: Array, out: Array) -> Array:
    """Write log(1 + exp(x)) into ``out``, which may be ``x``, without overflow."""
    high = np.maximum(x, 0, out=scratch(x.shape, x.dtype))
    np.abs(x, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    return np.add(out, high, out=out)


def _logsigmoid(m: Any, x: Array, out: Array) -> None:
    np.negative(x, out=out)
    log1p_exp(out, out)
    np.negative(out, out=out)


def _logsigmoid_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.expm1(y, out=out)
    np.negative(out, out=out)
    out *= g


def _tanh_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
    out *= g


def _tanhshrink(m: Any, x: Array, out: Array) -> None:
    np.tanh(x, out=out)
    np.subtract(x, out, out=out)


def _tanhshrink_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.tanh(x, out=out)
    out *= out
    out *= g


def _elu(m: Any, x: Array, out: Array) -> None:
    high = np.maximum(x, 0, out=scratch(x.shape, x.dtype))
    np.minimum(x, 0, out=out)
    np.expm1(out, out=out)
    out *= m.alpha
    out += high


def _elu_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    negative = x <= 0
    np.minimum(y, max(0, -m.alpha), out=out)  # changes only what ``negative`` wipes out
    out += m.alpha
    out *= negative
    out += ~negative
    out *= g


def _softplus(m: Any, x: Array, out: Array) -> None:
    np.multiply(x, m.beta, out=out)
    linear = out > m.threshold
    np.minimum(out, m.threshold, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    out /= m.beta
    if linear.any():
        np.copyto(out, x, where=linear)


def _softplus_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.multiply(y, -m.beta, out=out)
    linear = out < -m.threshold
    np.expm1(out, out=out)
    np.negative(out, out=out)
    out *= g
    if linear.any():
        np.copyto(out, g, where=linear)


def _softsign(m: Any, x: Array, out: Array) -> None:
    np.abs(x, out=out)
    out += 1
    np.divide(x, out, out=out)


def _softsign_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.abs(x, out=out)
    out += 1
    out *= out
    np.divide(g, out, out=out)


def _clip(m: Any, x: Array, out: Array) -> None:
    np.clip(x, m.min_val, m.max_val, out=out)


def _clip_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    # Torch passes the gradient at the bounds themselves.
    np.multiply(g, (x >= m.min_val) & (x <= m.max_val), out=out)


def _hardshrink(m: Any, x: Array, out: Array) -> None:
    np.multiply(x, np.abs(x) > m.lambda_, out=out)


def _softshrink(m: Any, x: Array, out: Array) -> None:
    np.clip(x, -m.lambda_, m.lambda_, out=out)
    np.subtract(x, out, out=out)


def _shrink_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.abs(x, out=out)
    np.multiply(g, out > m.lambda_, out=out)


def _threshold(m: Any, x: Array, out: Array) -> None:
    np.copyto(out, np.where(x > m.threshold, x, x.dtype.type(m.val)))


def _threshold_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.multiply(g, x > m.threshold, out=out)


def _leak(x: Array, slope: Any, out: Array) -> None:
    """Write x where positive, else slope * x; ``slope`` broadcasts to x."""
    high = np.maximum(x, 0, out=scratch(x.shape, x.dtype))
    np.minimum(x, 0, out=out)
    out *= slope
    out += high


def _leak_backward(g: Array, x: Array, slope: Any, out: Array) -> None:
    negative = x <= 0
    np.multiply(negative, slope, out=out)
    out += ~negative
    out *= g


def _rrelu(m: Any, x: Array, out: Array) -> None:
    if not m.train:
        _leak(x, (m.lower + m.upper) / 2, out)
        return
    noise, negative = m.newNoise(x), x <= 0
    noise.fill(1)
    count = int(np.count_nonzero(negative))
    noise[negative] = generator.uniforms(count) * (m.upper - m.lower) + m.lower
    np.multiply(x, noise, out=out)


def _rrelu_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    # As in Torch7, bounds that are (almost) equal take the mean slope, without the noise.
    if m.train and m.upper - m.lower > 1e-6:
        np.multiply(g, m.noise, out=out)
    else:
        _leak_backward(g, x, (m.lower + m.upper) / 2, out)


def _abs_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.greater_equal(x, 0, out=out)
    out *= 2
    out -= 1
    out *= g


def _square_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    np.multiply(x, 2, out=out)
    out *= g


def _sqrt_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    zero = y == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(g, y, out=out)
    out *= 0.5
    if zero.any():  # where the slope is infinite, Torch passes nothing back
        np.copyto(out, 0, where=zero)


def _raise(x: Array, power: float, out: Array) -> None:
    """Write x ** power; small whole powers as products, fifty times as fast as ``np.power``."""
    if power in (1, 2, 3, 4):
        np.copyto(out, x)
        for _ in range(int(power) - 1):
            out *= x
    else:
        np.power(x, power, out=out)


def _power_backward(m: Any, g: Array, x: Array, y: Array, out: Array) -> None:
    _raise(x, m.pow - 1, out)
    out *= m.pow
    out *= g


TABLE: dict[str, Pointwise] = {
    "Abs": Pointwise(lambda m, x, out: np.abs(x, out=out), _abs_backward),
    "ELU": Pointwise(_elu, _elu_backward),
    "Exp": Pointwise(
        lambda m, x, out: np.exp(x, out=out),
        lambda m, g, x, y, out: np.multiply(g, y, out=out),
    ),
    "HardShrink": Pointwise(_hardshrink, _shrink_backward),
    "HardTanh": Pointwise(_clip, _clip_backward),
    "LeakyReLU": Pointwise(
        lambda m, x, out: _leak(x, m.negval, out),
        lambda m, g, x, y, out: _leak_backward(g, x, m.negval, out),
    ),
    "Log": Pointwise(
        lambda m, x, out: np.log(x, out=out),
        lambda m, g, x, y, out: np.divide(g, x, out=out),
    ),
    "LogSigmoid": Pointwise(_logsigmoid, _logsigmoid_backward),
    "PReLU": Pointwise(
        lambda m, x, out: _leak(x, m.slopes(x), out),
        lambda m, g, x, y, out: _leak_backward(g, x, m.slopes(x), out),
    ),
    "Power": Pointwise(lambda m, x, out: _raise(x, m.pow, out), _power_backward),
    "RReLU": Pointwise(_rrelu, _rrelu_backward),
    "ReLU": Pointwise(
        lambda m, x, out: np.maximum(x, 0, out=out),
        lambda m, g, x, y, out: np.multiply(g, y > 0, out=out),
    ),
    "Sigmoid": Pointwise(lambda m, x, out: logistic(x, out), _sigmoid_backward),
    "SoftPlus": Pointwise(_softplus, _softplus_backward),
    "SoftShrink": Pointwise(_softshrink, _shrink_backward),
    "SoftSign": Pointwise(_softsign, _softsign_backward),
    "Sqrt": Pointwise(lambda m, x, out: np.sqrt(x, out=out), _sqrt_backward),
    "Square": Pointwise(lambda m, x, out: np.multiply(x, x, out=out), _square_backward),
    "Tanh": Pointwise(lambda m, x, out: np.tanh(x, out=out), _tanh_backward),
    "TanhShrink": Pointwise(_tanhshrink, _tanhshrink_backward),
    "Threshold": Pointwise(_threshold, _threshold_backward),
}
