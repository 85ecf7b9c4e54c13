"""SpatialDepthWiseConvolution: each input plane is convolved alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.nn.convolution.columns import Columns
from minigraph.nn.convolution.weights import Weighted


class SpatialDepthWiseConvolution(Weighted, Columns):
    """2-D convolution of each of ``nInputPlane`` planes into ``nOutputPlane`` planes of its own.

    Input ``(nInputPlane, H, W)`` or ``(B, nInputPlane, H, W)``, output with
    ``nInputPlane * nOutputPlane`` planes, those of the first input plane first. ``weight`` is
    ``(nOutputPlane, nInputPlane, kH, kW)``, which is what Torch7 makes of it at the first forward,
    ``bias`` ``(nOutputPlane, nInputPlane)``.
    Source: https://github.com/torch/nn/blob/master/SpatialDepthWiseConvolution.lua
    """

    kW: int
    kH: int
    _padFollows = True

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kW: int, kH: int, dW: int = 1, dH: int = 1,
        padW: int = 0, padH: Any = None,
    ) -> None:
        super().__init__()
        self.nInputPlane, self.nOutputPlane = nInputPlane, nOutputPlane
        self._setWindow((kW, kH), (dW, dH), (padW, padH))
        self._allocate((nOutputPlane, nInputPlane, kH, kW), (nOutputPlane, nInputPlane))

    def _fanIn(self) -> int:
        return self.nInputPlane * self.kH * self.kW

    def _weights(self) -> np.ndarray:
        """Return the weights as ``(nInputPlane, nOutputPlane, kH*kW)``."""
        return self.weight.reshape(self.nOutputPlane, self.nInputPlane, -1).swapaxes(0, 1)

    def _columnsByPlane(self, x: np.ndarray) -> np.ndarray:
        """Return the columns as ``(nInputPlane, kH*kW, B*places)``."""
        columns = self._unfold(x, self._places(x.shape[2:]))
        return columns.reshape(self.nInputPlane, self.kH * self.kW, -1)

    def _gradByPlane(self, gradOutput: Any) -> np.ndarray:
        """Return ``gradOutput`` as ``(nInputPlane, nOutputPlane, B*places)``."""
        planes = self.nInputPlane * self.nOutputPlane
        g = self._planes(gradOutput, planes, "gradOutput")
        return g.swapaxes(0, 1).reshape(self.nInputPlane, self.nOutputPlane, -1)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        places = self._places(x.shape[2:])
        planes = self.nInputPlane * self.nOutputPlane
        out = self._shaped("output", np.asarray(input), (planes, *places))
        product = np.matmul(self._weights(), self._columnsByPlane(x))
        if self.bias is not None:
            product += self.bias.T[:, :, None]
        np.copyto(out, product.reshape(planes, len(x), *places).swapaxes(0, 1))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        g = self._gradByPlane(gradOutput)
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        columns = np.matmul(self._weights().swapaxes(1, 2), g)
        self._fold(columns, self._places(x.shape[2:]), gradInput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._planes(input, self.nInputPlane)
        g = self._gradByPlane(gradOutput)
        product = np.matmul(g, self._columnsByPlane(x).swapaxes(1, 2))
        self._accumulate(product.swapaxes(0, 1), scale)
        self._accumulateBias(g.sum(2).T, scale)

    def __repr__(self) -> str:
        planes = f"{self.nInputPlane} -> {self.nOutputPlane}"
        return f"{self.typename()}({planes}, {self._windowText()}){self._bare()}"
