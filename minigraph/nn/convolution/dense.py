"""Convolution with a weight for each input plane, output plane and tap; dilation included."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minigraph.nn.convolution.columns import Columns, by_plane
from minigraph.nn.convolution.weights import Weighted


class Convolution(Weighted, Columns):
    """Base: ``weight`` is ``(nOutputPlane, nInputPlane, *kernel)``, or the matrix with these rows."""

    nInputPlane: int
    nOutputPlane: int
    _padFollows = True

    def _fanIn(self) -> int:
        return self.nInputPlane * prod(self._window.kernel)

    def _matrix(self) -> np.ndarray:
        return self.weight.reshape(self.nOutputPlane, -1)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        places = self._places(x.shape[2:])
        weight = self._matrix()
        out = self._shaped("output", np.asarray(input), (self.nOutputPlane, *places))
        for block in self._blocks(len(x), max(weight.shape) * prod(places)):
            target = out[block]
            width = len(target) * prod(places)
            columns, product = self._matrices((weight.shape[1], width), (len(weight), width))
            np.dot(weight, self._unfold(x[block], places, columns), out=product)
            result = product.reshape(self.nOutputPlane, len(target), *places).swapaxes(0, 1)
            if self.bias is None:
                np.copyto(target, result)
            else:
                np.add(result, self.bias.reshape(-1, *[1] * len(places)), out=target)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        places = self._places(x.shape[2:])
        g = self._planes(gradOutput, self.nOutputPlane, "gradOutput")
        weight = self._matrix().T
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        for block in self._blocks(len(x), max(weight.shape) * prod(places)):
            matrix = by_plane(g[block])
            (columns,) = self._matrices((len(weight), matrix.shape[1]))
            np.dot(weight, matrix, out=columns)
            self._fold(columns, places, gradInput[block])
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._planes(input, self.nInputPlane)
        places = self._places(x.shape[2:])
        g = self._planes(gradOutput, self.nOutputPlane, "gradOutput")
        rows, taps = self._matrix().shape
        for block in self._blocks(len(x), max(rows, taps) * prod(places)):
            matrix = by_plane(g[block])
            product, columns = self._matrices((rows, taps), (taps, matrix.shape[1]))
            np.dot(matrix, self._unfold(x[block], places, columns).T, out=product)
            self._accumulate(product, scale)
            self._accumulateBias(matrix.sum(1), scale)

    def __repr__(self) -> str:
        planes = f"{self.nInputPlane} -> {self.nOutputPlane}"
        return f"{self.typename()}({planes}, {self._windowText()}){self._bare()}"


class SpatialConvolution(Convolution):
    """2-D convolution of ``nInputPlane`` planes into ``nOutputPlane``.

    Input ``(nInputPlane, H, W)`` or ``(B, nInputPlane, H, W)``, output ``(…, nOutputPlane, oH, oW)``
    with ``oW = floor((W + 2*padW - kW) / dW) + 1`` and ``oH`` alike. ``weight`` is
    ``(nOutputPlane, nInputPlane, kH, kW)``, ``bias`` ``(nOutputPlane,)``. Mind the order of the
    arguments: width first. Without ``padH`` the height is padded like the width.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialConvolution
    """

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kW: int, kH: int, dW: int = 1, dH: int = 1,
        padW: int = 0, padH: Any = None,
    ) -> None:
        super().__init__()
        self.nInputPlane, self.nOutputPlane = nInputPlane, nOutputPlane
        self._setWindow((kW, kH), (dW, dH), (padW, padH))
        self._allocate(self._weightShape(), (nOutputPlane,))

    def _weightShape(self) -> tuple[int, ...]:
        return (self.nOutputPlane, self.nInputPlane, *self._window.kernel)


class SpatialConvolutionMM(SpatialConvolution):
    """``SpatialConvolution`` whose ``weight`` is a matrix ``(nOutputPlane, nInputPlane*kH*kW)``.

    Models saved by older versions of Torch7 hold it.
    Source: https://github.com/torch/nn/blob/master/SpatialConvolutionMM.lua
    """

    def _weightShape(self) -> tuple[int, ...]:
        return (self.nOutputPlane, self._fanIn())


class SpatialDilatedConvolution(SpatialConvolution):
    """2-D convolution whose taps are ``dilationW`` and ``dilationH`` apart.

    Shapes and parameters are those of ``SpatialConvolution`` with a kernel of extent
    ``dilationW*(kW-1)+1`` by ``dilationH*(kH-1)+1``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialDilatedConvolution
    """

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kW: int, kH: int, dW: int = 1, dH: int = 1,
        padW: int = 0, padH: Any = None, dilationW: int = 1, dilationH: int = 1,
    ) -> None:
        super().__init__(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH)
        self._setWindow((kW, kH), (dW, dH), (padW, padH), (dilationW, dilationH))

    def __repr__(self) -> str:
        return _with_dilation(super().__repr__(), self._written("dilation"))


def _with_dilation(text: str, dilation: str) -> str:
    start, end = text.rsplit(")", 1)
    return f"{start}, {dilation}){end}"


class VolumetricConvolution(Convolution):
    """3-D convolution of ``nInputPlane`` planes into ``nOutputPlane``.

    Input ``(nInputPlane, T, H, W)`` or with a batch in front, output ``(…, nOutputPlane, oT, oH,
    oW)``, each size ``floor((size + 2*pad - k) / d) + 1``. ``weight`` is ``(nOutputPlane,
    nInputPlane, kT, kH, kW)``. The arguments come in the order time, width, height; ``padW``
    is ``padT`` and ``padH`` is ``padW`` where not given.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricConvolution
    """

    _axes = ("T", "H", "W")

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kT: int, kW: int, kH: int,
        dT: int = 1, dW: int = 1, dH: int = 1, padT: int = 0, padW: Any = None, padH: Any = None,
    ) -> None:
        super().__init__()
        self.nInputPlane, self.nOutputPlane = nInputPlane, nOutputPlane
        self._setWindow((kT, kW, kH), (dT, dW, dH), (padT, padW, padH))
        self._allocate((nOutputPlane, nInputPlane, kT, kH, kW), (nOutputPlane,))


class VolumetricDilatedConvolution(VolumetricConvolution):
    """3-D convolution whose taps are ``dilationT``, ``dilationW`` and ``dilationH`` apart.

    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricDilatedConvolution
    """

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kT: int, kW: int, kH: int,
        dT: int = 1, dW: int = 1, dH: int = 1, padT: int = 0, padW: Any = None, padH: Any = None,
        dilationT: int = 1, dilationW: int = 1, dilationH: int = 1,
    ) -> None:
        super().__init__(nInputPlane, nOutputPlane, kT, kW, kH, dT, dW, dH, padT, padW, padH)
        self._setWindow(
            (kT, kW, kH), (dT, dW, dH), (padT, padW, padH), (dilationT, dilationW, dilationH)
        )

    def __repr__(self) -> str:
        return _with_dilation(super().__repr__(), self._written("dilation"))
