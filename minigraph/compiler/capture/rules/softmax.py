"""SoftMax and its relatives."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers
from minigraph.compiler.program.ir import Value


def along(b: Any, primitive: str, x: Value, axis: int) -> Value:
    """Emit a primitive of the last axis along another one."""
    order = [k for k in range(x.ndim) if k != axis] + [axis]
    made = b.emit(primitive, b.transpose(x, order))
    return b.transpose(made, [order.index(k) for k in range(x.ndim)])


@lowers(nn.SoftMax, nn.SpatialSoftMax)
def _softmax(b: Any, module: nn.SoftMax, x: Value) -> Value:
    return along(b, "softmax", x, 0 if x.ndim in (1, 3) else 1)


@lowers(nn.SoftMin)
def _softmin(b: Any, module: nn.SoftMin, x: Value) -> Value:
    return along(b, "softmax", b.emit("neg", x), 0 if x.ndim in (1, 3) else 1)


@lowers(nn.LogSoftMax, nn.SpatialLogSoftMax)
def log_softmax(b: Any, module: Any, x: Value) -> Value:
    """Write the logarithm of the softmax over the classes, as LogSoftMax has them."""
    return along(b, "log_softmax", x, 0 if x.ndim in (1, 3) else 1)
