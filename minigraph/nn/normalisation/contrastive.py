"""Local contrast: subtract the mean of a neighbourhood, divide by its standard deviation.

A neighbourhood is a kernel's extent, over all planes. At the border, where the kernel meets
nothing, the mean is corrected by what it gives for an input of ones.

Source: Jarrett, Kavukcuoglu, Ranzato, LeCun, "What is the Best Multi-Stage Architecture for
Object Recognition?", 2009.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.containers import Sequential
from minigraph.nn.convolution.connection import SpatialConvolutionMap, tables
from minigraph.nn.convolution.dense import SpatialConvolution
from minigraph.nn.convolution.padding import SpatialZeroPadding
from minigraph.nn.module import Module
from minigraph.nn.simple.shape import Replicate
from minigraph.nn.transfer.pointwise import Sqrt, Square, Threshold
from minigraph.tables import refuse_mask
from minigraph.tensors import resize


class Neighbourhood(Module):
    """Base: a kernel, normalised to sum 1 over all planes, and its mean estimators."""

    _buffers: tuple[str, ...] = ("coef",)
    coef: Optional[np.ndarray] = None

    def __init__(self, nInputPlane: Optional[int] = 1, kernel: Any = None) -> None:
        super().__init__()
        self.nInputPlane = 1 if nInputPlane is None else nInputPlane
        refuse_mask(kernel, "kernel")
        array = np.ones((9, 9)) if kernel is None else np.array(kernel, float)
        if array.ndim not in (1, 2) or not all(n % 2 for n in array.shape):
            raise ArgumentError(
                f"{self.typename()}: the kernel must have one or two dimensions of odd size, "
                f"got shape {format_shape(array.shape)}"
            )
        if array.sum() == 0 or self.nInputPlane < 1:
            raise ArgumentError(
                f"{self.typename()} needs at least one plane and a kernel whose sum is not 0"
            )
        planes = self.nInputPlane if array.ndim == 2 else math.sqrt(self.nInputPlane)
        self.kernel = (array / (array.sum() * planes)).astype(self.dtype)

    def _estimator(self) -> Sequential:
        """Return the layers that compute the weighted mean around each place, for every plane."""
        planes, kernel = self.nInputPlane, self.kernel
        height, width = kernel.shape if kernel.ndim == 2 else (len(kernel), len(kernel))
        net = Sequential()
        net.add(SpatialZeroPadding(width // 2, width // 2, height // 2, height // 2))
        if kernel.ndim == 2:
            last = SpatialConvolution(planes, 1, width, height)
        else:
            rows = SpatialConvolutionMap(tables.oneToOne(planes), width, 1)
            rows.weight[...] = kernel
            _zero(rows.bias)
            net.add(rows)
            last = SpatialConvolution(planes, 1, 1, height)
        last.weight[...] = kernel if kernel.ndim == 2 else kernel[:, None]
        _zero(last.bias)
        net.add(last)
        net.add(Replicate(planes, 1, 3))
        return net

    def _input(self, input: Any) -> np.ndarray:
        x = self._tensor(input, 3, 4)
        if x.shape[-3] != self.nInputPlane:
            raise InputError(
                f"{self!r} expects input of {self.nInputPlane} plane(s), got {x.shape[-3]} in "
                f"shape {format_shape(x.shape)}",
                "input", self.nInputPlane, x.shape[-3],
            )
        return x

    def _correction(self, estimator: Sequential, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mean of ones, ``(nInputPlane, H, W)``; kept for inputs of the same size."""
        if self.coef is None or self.coef.shape != shape[-3:]:
            self.coef = _estimate(estimator, np.ones(shape[-3:], self.dtype)).copy()
        return self.coef


def _estimate(estimator: Sequential, x: np.ndarray) -> np.ndarray:
    """Return the estimate for each entry of ``x``; as in Torch, it comes with a dimension more."""
    return estimator.updateOutput(x).reshape(x.shape)


def _estimate_gradient(estimator: Sequential, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return estimator.updateGradInput(x, g.reshape(estimator.output.shape))


def _zero(bias: Optional[np.ndarray]) -> None:
    assert bias is not None
    bias.fill(0)


class SpatialSubtractiveNormalization(Neighbourhood):
    """Subtract from each entry the weighted mean of its neighbourhood in all planes.

    Input ``(nInputPlane, H, W)`` or ``(B, nInputPlane, H, W)``, output alike. ``kernel`` (9 by 9
    ones by default) is ``(kH, kW)``, or ``(k,)`` for the product of a row and a column; odd sizes.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialSubtractiveNormalization
    """

    def __init__(self, nInputPlane: Optional[int] = 1, kernel: Any = None) -> None:
        super().__init__(nInputPlane, kernel)
        self.meanestimator = self._estimator()

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._input(input)
        coef = self._correction(self.meanestimator, x.shape)
        self.output = resize(self.output, x.shape, self.dtype)
        np.divide(_estimate(self.meanestimator, x), coef, out=self.output)
        np.subtract(x, self.output, out=self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._input(input)
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        slope = _estimate_gradient(self.meanestimator, x, g / self.coef)
        np.subtract(g, slope, out=self.gradInput)
        return self.gradInput

    def clearState(self) -> "SpatialSubtractiveNormalization":
        self.meanestimator.clearState()
        return super().clearState()


class SpatialDivisiveNormalization(Neighbourhood):
    """Divide each entry by the standard deviation of its neighbourhood in all planes.

    That is the root of the weighted mean of squares; where it does not exceed ``threshold``
    (1e-4) it is replaced by ``thresval`` (``threshold`` by default). Input, output and
    ``kernel`` are as in ``SpatialSubtractiveNormalization``.
    Source: https://github.com/torch/nn/blob/master/SpatialDivisiveNormalization.lua
    """

    _buffers = (*Neighbourhood._buffers, "_deviation", "_divisor")
    _deviation: Optional[np.ndarray] = None
    _divisor: Any = None

    def __init__(
        self, nInputPlane: Optional[int] = 1, kernel: Any = None,
        threshold: Optional[float] = None, thresval: Optional[float] = None,
    ) -> None:
        super().__init__(nInputPlane, kernel)
        self.threshold = 1e-4 if threshold is None else threshold
        self.thresval = self.threshold if thresval is None else thresval
        self.meanestimator = self._estimator()
        self.stdestimator = self._estimator()
        self.stdestimator.insert(Square(), 1)
        self.stdestimator.add(Sqrt())
        self.thresholder = Threshold(self.threshold, self.thresval)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._input(input)
        coef = self._correction(self.meanestimator, x.shape)
        self._deviation = resize(self._deviation, x.shape, self.dtype)
        np.divide(_estimate(self.stdestimator, x), coef, out=self._deviation)
        self._divisor = self.thresholder.updateOutput(self._deviation)
        self.output = resize(self.output, x.shape, self.dtype)
        np.divide(x, self._divisor, out=self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._input(input)
        g = self._tensor(gradOutput, what="gradOutput")
        slope = -g * self.output / self._divisor
        slope = self.thresholder.updateGradInput(self._deviation, slope) / self.coef
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        np.divide(g, self._divisor, out=self.gradInput)
        self.gradInput += _estimate_gradient(self.stdestimator, x, slope)
        return self.gradInput

    def clearState(self) -> "SpatialDivisiveNormalization":
        for part in (self.meanestimator, self.stdestimator, self.thresholder):
            part.clearState()
        return super().clearState()


class SpatialContrastiveNormalization(Module):
    """``SpatialSubtractiveNormalization`` followed by ``SpatialDivisiveNormalization``.

    Source: https://github.com/torch/nn/blob/master/SpatialContrastiveNormalization.lua
    """

    def __init__(
        self, nInputPlane: Optional[int] = 1, kernel: Any = None,
        threshold: Optional[float] = None, thresval: Optional[float] = None,
    ) -> None:
        super().__init__()
        subtract = SpatialSubtractiveNormalization(nInputPlane, kernel)
        divide = SpatialDivisiveNormalization(nInputPlane, kernel, threshold, thresval)
        self.nInputPlane, self.kernel = divide.nInputPlane, divide.kernel
        self.threshold, self.thresval = divide.threshold, divide.thresval
        self.normalizer = Sequential().add(subtract).add(divide)

    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = self.normalizer.forward(self._tensor(input, 3, 4))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._tensor(input, 3, 4)
        self.gradInput = self.normalizer.updateGradInput(x, self._tensor(gradOutput, what="gradOutput"))
        return self.gradInput

    def clearState(self) -> "SpatialContrastiveNormalization":
        self.normalizer.clearState()
        return super().clearState()
