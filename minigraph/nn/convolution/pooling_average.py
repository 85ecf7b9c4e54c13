"""Average pooling and sub-sampling: sums in a sliding window, one axis after the other."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any, Optional, TypeVar

import numpy as np

from minigraph.nn.convolution.geometry import Sizes, Sliding
from minigraph.nn.convolution.rounding import Rounding
from minigraph.nn.convolution.weights import Weighted

Self = TypeVar("Self", bound="AveragePooling")


class Sums(Sliding):
    """Base of layers that compute the sum in each window and spread gradients over windows."""

    _buffers: tuple[str, ...] = ("_around",)
    _around: Optional[np.ndarray] = None

    def _sum(self, x: np.ndarray, places: Sizes, out: np.ndarray) -> None:
        """Write the sums of the windows over ``x`` ``(B, C, *size)`` into ``out``."""
        values = self._padded(x, self._window.reach(places), "_around")
        for axis in reversed(range(len(places))):
            before = (slice(None),) * (2 + axis)
            first, *others = (values[(*before, where)] for where in self._along(axis, places))
            target = out if axis == 0 else np.empty(first.shape, self.dtype)
            np.copyto(target, first)
            for other in others:
                target += other
            values = target

    def _along(self, axis: int, places: Sizes) -> list[slice]:
        """Return the slices that the taps along one axis meet."""
        window = self._window
        return [
            slice(k, k + (places[axis] - 1) * window.stride[axis] + 1, window.stride[axis])
            for k in range(window.kernel[axis])
        ]

    def _spread(self, g: np.ndarray, size: Sizes, out: np.ndarray) -> None:
        """Write into ``out`` ``(B, C, *size)`` for each entry the sum of its windows' ``g``."""
        window = self._window
        places = g.shape[2:]
        reach = window.reach(places)
        for axis in range(len(places)):
            length = max(window.pad[axis] + size[axis], reach[axis])
            wide = np.zeros((*g.shape[: 2 + axis], length, *g.shape[3 + axis :]), self.dtype)
            for where in self._along(axis, places):
                wide[(slice(None),) * (2 + axis) + (where,)] += g
            g = wide
        np.copyto(out, g[self._inside(window.pad, size)])


class AveragePooling(Rounding, Sums):
    """Base: the mean of a window; what it counts of the padding can be set."""

    count_include_pad = True
    #: Models saved by older versions have ``divide`` False: the sum instead of the mean.
    divide = True

    def setCountIncludePad(self: Self) -> Self:
        """Divide by the entries of the padded input in the window (the default); return the module."""
        self.count_include_pad = True
        return self

    def setCountExcludePad(self: Self) -> Self:
        """Divide by the entries of the input itself in the window; return the module."""
        self.count_include_pad = False
        return self

    def _share(self, size: Sizes, places: Sizes) -> np.ndarray:
        """Return one over the number of entries that each window counts."""
        kernel, stride, pad, _ = self._window
        counts = []
        for n, count, k, d, p in zip(size, places, kernel, stride, pad):
            starts = np.arange(count) * d - p
            ends = np.minimum(starts + k, n + p)
            if not self.count_include_pad:
                starts, ends = np.maximum(starts, 0), np.minimum(ends, n)
            counts.append(ends - starts)
        share = 1.0 / reduce(np.multiply.outer, counts)
        return (share if self.divide else share * prod(kernel)).astype(self.dtype)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        places = self._places(x.shape[2:], self.ceil_mode)
        out = self._shaped("output", np.asarray(input), (x.shape[1], *places))
        self._sum(x, places, out)
        out *= self._share(x.shape[2:], places)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._planes(gradOutput, what="gradOutput")
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        self._spread(g * self._share(x.shape[2:], g.shape[2:]), x.shape[2:], gradInput)
        return self.gradInput


class SpatialAveragePooling(AveragePooling):
    """Mean of windows of ``kW`` by ``kH`` that move by ``dW`` and ``dH`` (1 by default).

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output ``(…, C, oH, oW)`` with ``oW = floor((W + 2*padW -
    kW) / dW) + 1``; after ``ceil()`` rounded up.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialAveragePooling
    """

    def __init__(
        self, kW: int, kH: int, dW: int = 1, dH: int = 1, padW: int = 0, padH: int = 0
    ) -> None:
        super().__init__()
        self._setWindow((kW, kH), (dW, dH), (padW, padH))


class VolumetricAveragePooling(AveragePooling):
    """Mean of windows of ``kT`` by ``kW`` by ``kH`` that move by the kernel's size by default.

    Input ``(C, T, H, W)`` or ``(B, C, T, H, W)``; sizes as in ``SpatialAveragePooling``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricAveragePooling
    """

    _axes = ("T", "H", "W")
    _stepsByKernel = True

    def __init__(
        self, kT: int, kW: int, kH: int, dT: Any = None, dW: Any = None, dH: Any = None,
        padT: int = 0, padW: int = 0, padH: int = 0,
    ) -> None:
        super().__init__()
        self._setWindow((kT, kW, kH), (dT, dW, dH), (padT, padW, padH))


class SpatialSubSampling(Weighted, Sums):
    """Sum of windows of ``kW`` by ``kH``, times a weight and plus a bias for each plane.

    Input ``(nInputPlane, H, W)`` or ``(B, nInputPlane, H, W)``, output with ``floor((W - kW) / dW) +
    1`` columns and rows alike. ``weight`` and ``bias`` are ``(nInputPlane,)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialSubSampling
    """

    _buffers = (*Sums._buffers, "_sums")
    _sums: Optional[np.ndarray] = None

    kW: int
    kH: int

    def __init__(self, nInputPlane: int, kW: int, kH: int, dW: int = 1, dH: int = 1) -> None:
        super().__init__()
        self.nInputPlane = nInputPlane
        self._setWindow((kW, kH), (dW, dH))
        self._allocate((nInputPlane,), (nInputPlane,))

    def _fanIn(self) -> int:
        return self.kW * self.kH

    def _windowSums(self, input: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        places = self._places(x.shape[2:])
        sums = self._shaped("_sums", np.asarray(input), (self.nInputPlane, *places))
        self._sum(x, places, sums)
        return sums

    def updateOutput(self, input: Any) -> np.ndarray:
        sums = self._windowSums(input)
        out = self._shaped("output", np.asarray(input), sums.shape[1:])
        np.multiply(sums, self.weight[:, None, None], out=out)
        if self.bias is not None:
            out += self.bias[:, None, None]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input, self.nInputPlane)
        g = self._planes(gradOutput, self.nInputPlane, "gradOutput")
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        self._spread(g * self.weight[:, None, None], x.shape[2:], gradInput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        g = self._planes(gradOutput, self.nInputPlane, "gradOutput")
        self._accumulate(np.einsum("bchw,bchw->c", self._windowSums(input), g), scale)
        self._accumulateBias(g.sum((0, 2, 3)), scale)
