"""Layers that normalise each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import with_slope
from minigraph.compiler.capture.rules.registry import lowers
from minigraph.compiler.program.ir import Value


@lowers(nn.Normalize)
def _normalize(b: Any, module: nn.Normalize, x: Value) -> Value:
    p = module.p
    if p == 2:
        square = b.sum(b.mul(x, x), [-1], keepdims=True)
        return b.div(x, b.emit("sqrt", b.add(square, module.eps)))
    size = b.emit("abs", x)
    if np.isinf(p):
        norm = b.add(b.max(size, [-1], keepdims=True), module.eps)
        place = b.emit("argmax", size)
        slope = b.div(b.emit("spread", b.emit("pick", x, place), place, size=x.shape[-1]), norm)
        return b.div(x, with_slope(b, norm, x, slope))
    powers = b.add(b.sum(b.emit("power", size, p), [-1], keepdims=True), module.eps)
    norm = b.emit("power", powers, 1.0 / p)
    guarded = b.add(size, module.eps) if p < 2 else size  # no division by zero
    slope = b.mul(b.div(b.mul(b.emit("power", guarded, p - 2.0), x), powers), norm)
    return b.div(x, with_slope(b, norm, x, slope))


@lowers(nn.LayerNormalization)
def _layer_normalization(b: Any, module: nn.LayerNormalization, x: Value) -> Value:
    rows = b.reshape(x, (x.size // module.nOutput, module.nOutput))
    for each in module.modules:
        rows = b.lower(each, rows)
    return b.reshape(rows, x.shape)
