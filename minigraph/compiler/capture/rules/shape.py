"""Layers that only rearrange a tensor, or pass it on."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import detached, with_slope
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value
from minigraph.nn.simple.shape import axis_of
from minigraph.tables import map_table
from minigraph.tensors import TENSOR_TYPES


@lowers(nn.Reshape, nn.View, nn.Squeeze, nn.Unsqueeze, nn.Collapse)
def _reshape(b: Any, module: Any, x: Value) -> Value:
    return b.reshape(x, b.observed(module).shape)


@lowers(nn.Transpose)
def _transpose(b: Any, module: nn.Transpose, x: Value) -> Value:
    order = list(range(x.ndim))
    for pair in module.permutations:
        first, second = (axis_of(dimension, x.ndim, module) for dimension in pair)
        order[first], order[second] = order[second], order[first]
    return b.transpose(x, order)


@lowers(nn.Convert)
def _convert(b: Any, module: nn.Convert, x: Value) -> Value:
    shape = b.observed(module).shape
    if module.inputShape == module.outputShape:
        return b.reshape(x, shape)
    if x.ndim < len(module.inputShape):
        place = module.inputShape.index("b")
        x = b.reshape(x, (*x.shape[:place], 1, *x.shape[place:]))
    moved = b.transpose(x, module._axes)
    return b.reshape(b.slice(moved, 1, 0, 1) if module.outputShape == "b" else moved, shape)


@lowers(nn.Narrow)
def _narrow(b: Any, module: nn.Narrow, x: Value) -> Value:
    *before, taken = module._slice(x.shape)
    return b.slice(x, len(before), taken.start, taken.stop)


@lowers(nn.Select)
def _select(b: Any, module: nn.Select, x: Value) -> Value:
    *before, index = module._place(x.shape)
    return b.select(x, len(before), index)


@lowers(nn.Replicate)
def _replicate(b: Any, module: nn.Replicate, x: Value) -> Value:
    axis = module._axis(x.ndim)
    return b.expand(b.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])), b.observed(module).shape)


@lowers(nn.Padding)
def _padding(b: Any, module: nn.Padding, x: Value) -> Value:
    axis, position = module._parts(x.shape)
    shape = (*x.shape[:axis], abs(module.pad), *x.shape[axis + 1 :])
    need(module.pad != 0)
    parts = [
        b.slice(x, axis, 0, position) if position else None,
        b.constant(np.broadcast_to(b.dtype.type(module.value), shape)),
        b.slice(x, axis, position, x.shape[axis]) if position < x.shape[axis] else None,
    ]
    return b.concat([part for part in parts if part is not None], axis)


@lowers(nn.Contiguous)
def _contiguous(b: Any, module: nn.Contiguous, x: Value) -> Value:
    return x


@lowers(nn.Copy)
def _copy(b: Any, module: nn.Copy, x: Value) -> Value:
    if b.forward_only and TENSOR_TYPES[module.outtype].kind == "f":
        return x if x.dtype == b.dtype else b.emit("copy", x)
    need(all(TENSOR_TYPES[name] == b.dtype == x.dtype for name in (str(module.intype), module.outtype)))
    return x


@lowers(nn.Constant)
def _constant(b: Any, module: nn.Constant, x: Value) -> Value:
    return b.constant(np.broadcast_to(module.value, b.observed(module).shape))


@lowers(nn.ZeroGrad)
def _zero_grad(b: Any, module: nn.ZeroGrad, x: Any) -> Any:
    return map_table(lambda value: detached(b, value), x)


@lowers(nn.GradientReversal)
def _gradient_reversal(b: Any, module: nn.GradientReversal, x: Value) -> Value:
    return with_slope(b, x, x, -module.lambda_)


@lowers(nn.WhiteNoise)
def _white_noise(b: Any, module: nn.WhiteNoise, x: Value) -> Value:
    need(not module.train)
    return b.add(x, module.mean)
