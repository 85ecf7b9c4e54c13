"""SpatialConvolutionLocal: a convolution whose weights differ from place to place."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.convolution.columns import Columns
from minigraph.nn.convolution.weights import Weighted


class SpatialConvolutionLocal(Weighted, Columns):
    """2-D convolution of inputs of size ``iH`` by ``iW``, with its own weights at each place.

    Input ``(nInputPlane, iH, iW)`` or ``(B, nInputPlane, iH, iW)``, output ``(…, nOutputPlane, oH,
    oW)``. ``weight`` is ``(oH, oW, nOutputPlane, nInputPlane, kH, kW)``, ``bias``
    ``(nOutputPlane, oH, oW)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialConvolutionLocal
    """

    kW: int
    kH: int
    _padFollows = True

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, iW: int, iH: int, kW: int, kH: int,
        dW: int = 1, dH: int = 1, padW: int = 0, padH: Any = None,
    ) -> None:
        super().__init__()
        self.nInputPlane, self.nOutputPlane = nInputPlane, nOutputPlane
        self.iW, self.iH = iW, iH
        self._setWindow((kW, kH), (dW, dH), (padW, padH))
        self.oH, self.oW = self._places((iH, iW))
        self._allocate(
            (self.oH, self.oW, nOutputPlane, nInputPlane, kH, kW),
            (nOutputPlane, self.oH, self.oW),
        )

    def _fanIn(self) -> int:
        return self.nInputPlane * self.kH * self.kW

    def _weights(self) -> np.ndarray:
        return self.weight.reshape(self.oH * self.oW, self.nOutputPlane, -1)

    def _input(self, input: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        if x.shape[2:] != (self.iH, self.iW):
            raise InputError(
                f"{self!r} expects input of height {self.iH} and width {self.iW}, "
                f"got shape {format_shape(np.shape(input))}",
                "input", (self.iH, self.iW), x.shape[2:],
            )
        return x

    def _columnsByPlace(self, x: np.ndarray) -> np.ndarray:
        """Return the columns as ``(places, nInputPlane*kH*kW, B)``."""
        columns = self._unfold(x, (self.oH, self.oW))
        return columns.reshape(len(columns), len(x), -1).transpose(2, 0, 1)

    def _gradByPlace(self, gradOutput: Any) -> np.ndarray:
        """Return ``gradOutput`` as ``(places, nOutputPlane, B)``."""
        g = self._planes(gradOutput, self.nOutputPlane, "gradOutput")
        return np.ascontiguousarray(g.reshape(*g.shape[:2], -1).transpose(2, 1, 0))

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._input(input)
        out = self._shaped("output", np.asarray(input), (self.nOutputPlane, self.oH, self.oW))
        product = np.matmul(self._weights(), self._columnsByPlace(x)).transpose(2, 1, 0)
        np.copyto(out, product.reshape(out.shape))
        if self.bias is not None:
            out += self.bias
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._input(input)
        g = self._gradByPlace(gradOutput)
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        product = np.matmul(self._weights().swapaxes(1, 2), g).transpose(1, 2, 0)
        (columns,) = self._matrices((len(product), product.size // len(product)))
        np.copyto(columns.reshape(product.shape), product)
        self._fold(columns, (self.oH, self.oW), gradInput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._input(input)
        g = self._gradByPlace(gradOutput)
        self._accumulate(np.matmul(g, self._columnsByPlace(x).swapaxes(1, 2)), scale)
        self._accumulateBias(g.sum(2).T, scale)

    def __repr__(self) -> str:
        planes = f"{self.nInputPlane} -> {self.nOutputPlane}, {self.iW}x{self.iH}"
        return f"{self.typename()}({planes}, {self._windowText()})"
