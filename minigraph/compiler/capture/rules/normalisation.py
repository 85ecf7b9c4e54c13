"""Layers that normalise each sample."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value


@lowers(nn.Normalize)
def _normalize(b: Any, module: nn.Normalize, x: Value) -> Value:
    need(module.p == 2)
    square = b.sum(b.mul(x, x), [-1], keepdims=True)
    return b.div(x, b.emit("sqrt", b.add(square, module.eps)))


@lowers(nn.LayerNormalization)
def _layer_normalization(b: Any, module: nn.LayerNormalization, x: Value) -> Value:
    rows = b.reshape(x, (x.size // module.nOutput, module.nOutput))
    for each in module.modules:
        rows = b.lower(each, rows)
    return b.reshape(rows, x.shape)
