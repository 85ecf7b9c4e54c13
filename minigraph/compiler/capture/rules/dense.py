"""Layers with weights: Linear and what is added or multiplied entry by entry."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value


@lowers(nn.Linear)
def _linear(b: Any, module: nn.Linear, x: Value) -> Value:
    y = b.product(x, b.parameter(module, "weight"))
    return y if module.bias is None else b.add(y, b.parameter(module, "bias"))


@lowers(nn.LinearWeightNorm)
def _weight_norm(b: Any, module: nn.LinearWeightNorm, x: Value) -> Value:
    need(b.forward_only)  # it keeps its weight
    return b.lower(module.toLinear(), x)


@lowers(nn.PartialLinear)
def _partial_linear(b: Any, module: nn.PartialLinear, x: Value) -> Value:
    if module.partition is None:
        y = b.product(x, b.parameter(module, "weight"))
        return y if module.bias is None else b.add(y, b.parameter(module, "bias"))
    need(b.forward_only)  # a program multiplies by whole weights
    y = b.product(x, b.constant(module.weight[module.partition]))
    return y if module.bias is None else b.add(y, b.constant(module.bias[0, module.partition]))


@lowers(nn.Bilinear)
def _bilinear(b: Any, module: nn.Bilinear, x: list[Value]) -> Value:
    # The products of all pairs of entries, as one row, times the weight as a matrix.
    need(module.weight.flags.c_contiguous and module.gradWeight.flags.c_contiguous)
    outputs, first, second = module.weight.shape
    samples = x[0].shape[0]
    pairs = b.mul(b.reshape(x[0], (samples, first, 1)), b.reshape(x[1], (samples, 1, second)))
    weight = b.parameter(module, "weight", shape=(outputs, first * second))
    y = b.product(b.reshape(pairs, (samples, first * second)), weight)
    return y if module.bias is None else b.add(y, b.parameter(module, "bias"))


def _combine(b: Any, module: Any, primitive: str, attribute: str, x: Value) -> Value:
    """Combine ``x`` and a parameter in the shapes in which Torch lets them meet."""
    parameter = b.parameter(module, attribute)
    if parameter.size == x.size:
        shape = parameter.shape
    elif parameter.size == 1 or parameter.ndim == x.ndim:
        shape = (*(1,) * (parameter.ndim - x.ndim), *x.shape)
    else:
        shape = (x.shape[0], *parameter.shape)
    return b.reshape(b.emit(primitive, b.reshape(x, shape), parameter), x.shape)


@lowers(nn.Add, nn.CAdd)
def _add(b: Any, module: Any, x: Value) -> Value:
    return _combine(b, module, "add", "bias", x)


@lowers(nn.Mul, nn.CMul)
def _mul(b: Any, module: Any, x: Value) -> Value:
    return _combine(b, module, "mul", "weight", x)


@lowers(nn.AddConstant)
def _add_constant(b: Any, module: nn.AddConstant, x: Value) -> Value:
    return b.add(x, module.constant_scalar)


@lowers(nn.MulConstant)
def _multiply_constant(b: Any, module: nn.MulConstant, x: Value) -> Value:
    return b.mul(x, module.constant_scalar)
