"""Layers that reduce one dimension: Sum, Mean, Max, Min."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers
from minigraph.compiler.program.ir import Value
from minigraph.nn.simple.dimensions import sample_axis_of


def _axis(module: Any, x: Value) -> int:
    return sample_axis_of(module.dimension, module.nInputDims, x.ndim, module)


@lowers(nn.Sum, nn.Mean)
def _sum(b: Any, module: nn.Sum, x: Value) -> Value:
    axis = _axis(module, x)
    total = b.reshape(b.sum(x, [axis]), b.observed(module).shape)
    return b.div(total, x.shape[axis]) if module.sizeAverage else total


def _extreme(b: Any, module: Any, x: Value, judged: Value) -> Value:
    """Return the entries of ``x`` where ``judged`` is largest; the first of equal ones wins."""
    axis = _axis(module, x)
    order = [k for k in range(x.ndim) if k != axis] + [axis]
    judged = b.transpose(judged, order)
    place = b.emit("argmax", judged)
    return b.reshape(b.emit("pick", b.transpose(x, order), place), b.observed(module).shape)


@lowers(nn.Max)
def _max(b: Any, module: nn.Max, x: Value) -> Value:
    return _extreme(b, module, x, x)


@lowers(nn.Min)
def _min(b: Any, module: nn.Min, x: Value) -> Value:
    return _extreme(b, module, x, b.emit("neg", x))
