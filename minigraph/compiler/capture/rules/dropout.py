"""Dropout, by entry and by feature map. Masks are asked for last: what is drawn stays drawn."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers
from minigraph.compiler.program.ir import Value


@lowers(nn.Dropout)
def _dropout(b: Any, module: nn.Dropout, x: Value) -> Value:
    if module.p == 0:
        return x
    if module.train or module.stochastic_inference:
        mask = b.draw(x.shape, 1 - module.p)
        return b.mul(x, b.div(mask, 1 - module.p) if module.v2 else mask)
    return x if module.v2 else b.mul(x, 1 - module.p)


@lowers(nn.SpatialDropout, nn.VolumetricDropout)
def _map_dropout(b: Any, module: Any, x: Value) -> Value:
    if module.train or module.stochastic_inference:
        maps = x.shape[: x.ndim - module._spatial]
        return b.mul(x, b.draw((*maps, *(1,) * module._spatial), 1 - module.p))
    return b.mul(x, 1 - module.p)
