"""Containers: their modules, one after the other or side by side."""

from __future__ import annotations

import math
from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value
from minigraph.tensors import TENSOR_TYPES


@lowers(nn.Identity)
def _identity(b: Any, module: nn.Identity, x: Any) -> Any:
    return x


@lowers(nn.Sequential, nn.Maxout)
def _sequential(b: Any, module: nn.Sequential, x: Any) -> Any:
    for each in module.modules:
        x = b.lower(each, x)
    return x


@lowers(nn.Decorator, nn.GPU)
def _decorator(b: Any, module: nn.Decorator, x: Any) -> Any:
    return b.lower(module.modules[0], x)


@lowers(nn.DontCast)
def _dont_cast(b: Any, module: nn.DontCast, x: Any) -> Any:
    alike = module.modules[0].dtype == module.dtype == b.dtype == TENSOR_TYPES[module.moduleType]
    need(alike or b.forward_only)
    return b.lower(module.modules[0], x)


@lowers(nn.WeightNorm)
def _weight_norm(b: Any, module: nn.WeightNorm, x: Any) -> Any:
    need(b.forward_only)  # it keeps the weight in its module
    module.updateWeight()
    return b.lower(module.modules[0], x)


@lowers(nn.NaN, nn.Profile)
def _watching(b: Any, module: nn.Decorator, x: Any) -> Any:
    need(b.forward_only)
    return b.lower(module.modules[0], x)


@lowers(nn.PrintSize, nn.L1Penalty)
def _passing_on(b: Any, module: nn.PrintSize, x: Any) -> Any:
    need(b.forward_only)  # one prints, the other keeps its penalty
    return x


@lowers(nn.ConcatTable)
def _concat_table(b: Any, module: nn.ConcatTable, x: Any) -> Any:
    return [b.lower(each, x) for each in module.modules]


@lowers(nn.ParallelTable)
def _parallel_table(b: Any, module: nn.ParallelTable, x: list[Any]) -> list[Any]:
    return [b.lower(each, entry) for each, entry in zip(module.modules, x)]


@lowers(nn.MapTable)
def _map_table(b: Any, module: nn.MapTable, x: list[Any]) -> list[Any]:
    need(len(module.modules) >= len(x))
    return [b.lower(each, entry) for each, entry in zip(module.modules, x)]


@lowers(nn.Concat)
def _concat(b: Any, module: nn.Concat, x: Any) -> Value:
    parts = [b.lower(each, x) for each in module.modules]
    return b.concat(parts, module._axis(parts, module.dimension))


@lowers(nn.DepthConcat)
def _depth_concat(b: Any, module: nn.DepthConcat, x: Any) -> Value:
    parts = [b.lower(each, x) for each in module.modules]
    axis = module._axis(parts, module.dimension)
    largest = [max(sizes) for sizes in zip(*(part.shape for part in parts))]
    for k in (k for k in range(len(largest)) if k != axis):
        parts = [_centred(b, part, k, largest[k]) for part in parts]
    return b.concat(parts, axis)


def _centred(b: Any, x: Value, axis: int, size: int) -> Value:
    """Put zeros around ``x`` along an axis; where they are odd in number the extra one comes after."""
    room = size - x.shape[axis]
    zeros = [b.zeros((*x.shape[:axis], n, *x.shape[axis + 1 :])) for n in (room // 2, room - room // 2)]
    parts = [part for part in (zeros[0], x, zeros[1]) if part.shape[axis]]
    return parts[0] if len(parts) == 1 else b.concat(parts, axis)


@lowers(nn.Parallel)
def _parallel(b: Any, module: nn.Parallel, x: Value) -> Value:
    axis = module.inputDimension - (module.inputDimension > 0)
    parts = [b.lower(module.modules[k], b.select(x, axis, k)) for k in range(x.shape[axis])]
    return b.concat(parts, module._axis(parts, module.outputDimension))


@lowers(nn.Bottle)
def _bottle(b: Any, module: nn.Bottle, x: Value) -> Value:
    if x.ndim > module.nInputDim:
        split = x.ndim - module.nInputDim + 1
        x = b.reshape(x, (math.prod(x.shape[:split]), *x.shape[split:]))
    return b.reshape(b.lower(module.modules[0], x), b.observed(module).shape)
