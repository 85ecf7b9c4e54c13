"""Layers that are a linear map along each axis: two matrix products for a whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.convolution.gathered import adaptive_ranges
from minigraph.nn.convolution.geometry import Sizes, Sliding


class Separable(Sliding):
    """Base: output ``= V x Hᵀ`` for every plane ``x``, with ``V, H = self._maps(size)``."""

    def _maps(self, size: Sizes) -> list[np.ndarray]:
        """Return the matrices ``(output size, input size)`` along height and width."""
        raise TypeError(f"{self.typename()} does not define _maps(size)")

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        vertical, horizontal = self._maps(x.shape[2:])
        size = (x.shape[1], len(vertical), len(horizontal))
        out = self._shaped("output", np.asarray(input), size)
        np.matmul(vertical, np.matmul(x, horizontal.T), out=out)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._planes(gradOutput, what="gradOutput")
        vertical, horizontal = self._maps(x.shape[2:])
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        np.matmul(vertical.T, np.matmul(g, horizontal), out=gradInput)
        return self.gradInput


class SpatialAdaptiveAveragePooling(Separable):
    """Mean of each of ``W`` by ``H`` regions that cover the input evenly.

    Input ``(C, h, w)`` or ``(B, C, h, w)``, output ``(…, C, H, W)``; the regions are those of
    ``SpatialAdaptiveMaxPooling``.
    Source: https://github.com/torch/nn/blob/master/SpatialAdaptiveAveragePooling.lua
    """

    def __init__(self, W: int, H: int) -> None:
        super().__init__()
        if min(W, H) < 1:
            raise ArgumentError(
                f"nn.SpatialAdaptiveAveragePooling({W}, {H}): sizes must be at least 1"
            )
        self.W, self.H = W, H

    def _maps(self, size: Sizes) -> list[np.ndarray]:
        maps = []
        for n, count in zip(size, (self.H, self.W)):
            starts, ends = adaptive_ranges(n, count)
            entries = np.arange(n)
            inside = (entries >= starts[:, None]) & (entries < ends[:, None])
            maps.append((inside / (ends - starts)[:, None]).astype(self.dtype))
        return maps
