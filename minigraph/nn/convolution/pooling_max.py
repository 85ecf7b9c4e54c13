"""Max pooling in a sliding window, over images and volumes; and the gradient it scatters back."""

from __future__ import annotations

from math import prod
from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError
from minigraph.nn.convolution.geometry import Sizes, Sliding
from minigraph.nn.convolution.rounding import Rounding
from minigraph.tensors import resize


class Pooling(Sliding):
    """Base of pooling layers that keep, in ``indices``, where each output came from.

    ``indices`` is int64, shaped like the output: the position of the maximum in its plane,
    row by row, counted from 1 as in Torch.
    """

    _buffers: tuple[str, ...] = ("indices",)
    indices: Optional[np.ndarray] = None

    def _disjoint(self) -> bool:
        """Tell whether no input can be the maximum of two windows, so that gradients need no sum."""
        return False

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        assert self.indices is not None
        scatter(g, self.indices, self.gradInput, prod(x.shape[2:]), self._disjoint())
        return self.gradInput


def scatter(
    values: np.ndarray, indices: np.ndarray, out: np.ndarray, entries: int, disjoint: bool
) -> None:
    """Write into ``out``, planes of ``entries``, the sum of the values whose index points there.

    ``disjoint`` says that no two indices of a plane are equal.
    """
    rows = indices.reshape(out.size // entries, -1)
    flat = (rows + (np.arange(len(rows)) * entries - 1)[:, None]).ravel()
    target = out.reshape(-1)
    if disjoint:
        out.fill(0)
        target[flat] = values.ravel()
    else:
        target[...] = np.bincount(flat, values.ravel(), minlength=out.size)


class MaxPooling(Rounding, Pooling):
    """Base: the largest value in a window that slides over ``_axes``; the first one if several."""

    _buffers = (*Pooling._buffers, "_around", "_better", "_winner", "_number")
    _around: Optional[np.ndarray] = None
    _better: Optional[np.ndarray] = None
    _winner: Optional[np.ndarray] = None
    _number: Optional[np.ndarray] = None
    _stepsByKernel = True

    iheight = iwidth = itime = 0

    def _disjoint(self) -> bool:
        window = self._window
        return all(span <= stride for span, stride in zip(window.span, window.stride))

    def _firstTaps(self, size: Sizes, places: Sizes) -> np.ndarray:
        """Return the number of each window's first tap that is not in the padding."""
        first: Any = 0
        kernel, strides, pads, dilations = self._window
        for n, k, count, stride, pad, dilation in zip(
            size, kernel, places, strides, pads, dilations
        ):
            taps = np.arange(count)[:, None] * stride - pad + np.arange(k) * dilation
            inside = (taps >= 0) & (taps < n)
            if not inside.any(1).all():
                raise InputError(
                    f"{self!r}: a window meets nothing but padding in an input of size {size}",
                    "input", "a value in every window", size,
                )
            first = np.add.outer(first * k, inside.argmax(1)) if np.ndim(first) else inside.argmax(1)
        return np.asarray(first)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        size = x.shape[2:]
        places = self._places(size, self.ceil_mode)
        window = self._window
        winner: Any = 0
        if any(window.pad):
            winner = self._firstTaps(size, places)
        padded = self._padded(x, window.reach(places), "_around", -np.inf)
        out = self._shaped("output", np.asarray(input), (x.shape[1], *places))
        self.indices = resize(self.indices, self.output.shape, np.dtype(np.int64))
        code = np.dtype(np.uint8 if prod(window.kernel) <= 256 else np.int64)
        self._winner = resize(self._winner, out.shape, code)
        self._number = resize(self._number, out.shape, code)
        self._better = resize(self._better, out.shape, np.dtype(bool))
        self._winner[...] = winner
        for number, (_, values) in enumerate(window.taps(padded, places)):
            if number == 0:
                np.copyto(out, values)
                continue
            np.greater(values, out, out=self._better)
            np.maximum(values, out, out=out)
            # A later winner has a larger number; this is much faster than a masked copy.
            np.multiply(self._better.view(np.uint8), code.type(number), out=self._number)
            np.maximum(self._winner, self._number, out=self._winner)
        self._locate(size, places)
        self.itime, self.iheight, self.iwidth = (0, *size)[-3:]
        return self.output

    def _locate(self, size: Sizes, places: Sizes) -> None:
        """Turn the numbers of the winning taps into positions in the plane."""
        window = self._window
        corner: Any = 1
        offsets: Any = np.zeros(1, np.int64)
        for axis, count in enumerate(places):
            entries = prod(size[axis + 1 :])
            starts = np.arange(count) * window.stride[axis] - window.pad[axis]
            corner = np.add.outer(corner, starts * entries)
            steps = np.arange(window.kernel[axis]) * (window.dilation[axis] * entries)
            offsets = np.add.outer(offsets, steps).ravel()
        assert self.indices is not None and self._winner is not None
        indices = self.indices.reshape(self._winner.shape)
        np.take(offsets, self._winner, out=indices, mode="clip")
        indices += corner


class SpatialMaxPooling(MaxPooling):
    """Largest value in windows of ``kW`` by ``kH`` that move by ``dW`` and ``dH`` (the kernel's size).

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output ``(…, C, oH, oW)`` with ``oW = floor((W + 2*padW -
    kW) / dW) + 1``; after ``ceil()`` rounded up. ``indices`` tells where each value came from.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialMaxPooling
    """

    def __init__(
        self, kW: int, kH: int, dW: Any = None, dH: Any = None, padW: int = 0, padH: int = 0
    ) -> None:
        super().__init__()
        self._setWindow((kW, kH), (dW, dH), (padW, padH))


class SpatialDilatedMaxPooling(SpatialMaxPooling):
    """``SpatialMaxPooling`` whose taps are ``dilationW`` and ``dilationH`` apart.

    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialDilatedMaxPooling
    """

    def __init__(
        self, kW: int, kH: int, dW: Any = None, dH: Any = None, padW: int = 0, padH: int = 0,
        dilationW: int = 1, dilationH: int = 1,
    ) -> None:
        super().__init__(kW, kH, dW, dH, padW, padH)
        self._setWindow((kW, kH), (dW, dH), (padW, padH), (dilationW, dilationH))

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self._written('dilation')})"


class VolumetricMaxPooling(MaxPooling):
    """Largest value in windows of ``kT`` by ``kW`` by ``kH``; the arguments come in that order.

    Input ``(C, T, H, W)`` or ``(B, C, T, H, W)``; sizes as in ``SpatialMaxPooling``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricMaxPooling
    """

    _torchVersion = 2

    _axes = ("T", "H", "W")

    def __init__(
        self, kT: int, kW: int, kH: int, dT: Any = None, dW: Any = None, dH: Any = None,
        padT: int = 0, padW: int = 0, padH: int = 0,
    ) -> None:
        super().__init__()
        self._setWindow((kT, kW, kH), (dT, dW, dH), (padT, padW, padH))


class VolumetricDilatedMaxPooling(VolumetricMaxPooling):
    """``VolumetricMaxPooling`` whose taps are ``dilationT``, ``dilationW``, ``dilationH`` apart.

    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricDilatedMaxPooling
    """

    def __init__(
        self, kT: int, kW: int, kH: int, dT: Any = None, dW: Any = None, dH: Any = None,
        padT: int = 0, padW: int = 0, padH: int = 0,
        dilationT: int = 1, dilationW: int = 1, dilationH: int = 1,
    ) -> None:
        super().__init__(kT, kW, kH, dT, dW, dH, padT, padW, padH)
        self._setWindow(
            (kT, kW, kH), (dT, dW, dH), (padT, padW, padH), (dilationT, dilationW, dilationH)
        )

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self._written('dilation')})"
