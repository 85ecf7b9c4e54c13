"""Layers that take indexes: LookupTable, OneHot."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import with_slope
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value


@lowers(nn.LookupTable)
def _lookup(b: Any, module: nn.LookupTable, x: Value) -> Value:
    # Limited norms change the weight in a forward pass; frequencies are of the whole of one call.
    need(module.maxNorm is None and not module.shouldScaleGradByFreq)
    index = b.emit("to_index", x, count=len(module.weight))
    rows = b.emit("take", b.parameter(module, "weight"), index)
    if not module.paddingValue:
        return rows
    kept = b.sub(1.0, b.emit("equal", x, module.paddingValue))
    return with_slope(b, rows, rows, b.reshape(kept, (*kept.shape, 1)))


@lowers(nn.OneHot)
def _one_hot(b: Any, module: nn.OneHot, x: Value) -> Value:
    index = b.emit("to_index", x, count=module.outputSize)
    return b.emit("spread", 1.0, index, size=module.outputSize)
