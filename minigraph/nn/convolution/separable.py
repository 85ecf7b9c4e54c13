"""Layers that are a linear map along each axis: a matrix product for each, of a whole batch."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.convolution.gathered import adaptive_ranges
from minigraph.nn.convolution.geometry import Sizes, Sliding


def apply_maps(maps: Sequence[np.ndarray], x: np.ndarray, out: np.ndarray) -> None:
    """Multiply each of the last axes of ``x`` by its matrix, into ``out``."""
    axis = x.ndim - 1
    x = np.matmul(x, maps[-1].T)
    for matrix in maps[-2::-1]:
        axis -= 1
        rows = np.matmul(matrix, x.reshape(*x.shape[: axis + 1], -1))
        x = rows.reshape(*x.shape[:axis], len(matrix), *x.shape[axis + 1 :])
    out[...] = x


class Separable(Sliding):
    """Base: each axis of a plane is multiplied by a matrix of its own, ``self._maps(size)``."""

    def _maps(self, size: Sizes) -> list[np.ndarray]:
        """Return the matrices ``(output size, input size)`` along each axis."""
        raise TypeError(f"{self.typename()} does not define _maps(size)")

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        maps = self._maps(x.shape[2:])
        size = (x.shape[1], *map(len, maps))
        apply_maps(maps, x, self._shaped("output", np.asarray(input), size))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._planes(gradOutput, what="gradOutput")
        maps = [matrix.T for matrix in self._maps(x.shape[2:])]
        apply_maps(maps, g, self._shaped("gradInput", np.asarray(input), x.shape[1:]))
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
