"""SpatialCrossMapLRN: each entry is divided by the strength of its neighbours in other planes."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.tensors import resize


class SpatialCrossMapLRN(Module):
    """``y = x / (k + alpha/size * Σ x_l²) ** beta`` over ``size`` planes around each plane.

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output alike; at the first and last planes the sum has
    fewer terms. ``size`` is odd (Torch7 fails for even ones, which have no middle). By default
    ``alpha`` is 0.0001, ``beta`` 0.75 and ``k`` 1.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialCrossMapLRN
    """

    _buffers = ("scale",)
    scale: Optional[np.ndarray] = None

    def __init__(
        self, size: int, alpha: Optional[float] = 0.0001, beta: Optional[float] = 0.75,
        k: Optional[float] = 1,
    ) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise ArgumentError(f"nn.SpatialCrossMapLRN: size must be odd and positive, got {size}")
        self.size = size
        self.alpha = 0.0001 if alpha is None else alpha
        self.beta = 0.75 if beta is None else beta
        self.k = 1 if k is None else k

    def _neighbours(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write into ``out`` the sum over ``size`` planes around each plane of ``x``."""
        planes = x.shape[-3]
        np.copyto(out, x)
        for shift in range(1, min(self.size // 2, planes - 1) + 1):
            out[..., shift:, :, :] += x[..., :-shift, :, :]
            out[..., :-shift, :, :] += x[..., shift:, :, :]
        return out

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, 3, 4)
        self.scale = self._neighbours(x * x, resize(self.scale, x.shape, self.dtype))
        self.scale *= self.alpha / self.size
        self.scale += self.k
        self.output = resize(self.output, x.shape, self.dtype)
        np.power(self.scale, -self.beta, out=self.output)
        self.output *= x
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._tensor(input, 3, 4)
        g = self._tensor(gradOutput, what="gradOutput")
        assert self.scale is not None
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        self._neighbours(g * self.output / self.scale, self.gradInput)
        self.gradInput *= x
        self.gradInput *= -2.0 * self.alpha * self.beta / self.size
        self.gradInput += g * self.scale**-self.beta
        return self.gradInput
