"""Containers: their modules, one after the other or side by side."""

from __future__ import annotations

import math
from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value


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
