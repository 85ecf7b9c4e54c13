"""Pooling by p-norms: over windows of an image, and over neighbouring features."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.containers import Sequential
from minigraph.nn.convolution.geometry import default
from minigraph.nn.convolution.pooling_average import SpatialAveragePooling
from minigraph.nn.module import Module
from minigraph.nn.simple.arithmetic import MulConstant
from minigraph.nn.transfer.pointwise import Power, Sqrt, Square
from minigraph.tensors import resize


class FeatureLPPooling(Module):
    """The p-norm ``(Σ x**power)**(1/power)`` of ``width`` neighbouring features, ``stride`` apart.

    Features are the first dimension, or the second with ``batch_mode`` (a batch in front); up
    to two further dimensions may follow. The output has ``(F - width) // stride + 1`` features.
    A window whose norm is 0 passes no gradient. ``width`` is in 2..16, ``stride`` in 1..4.
    Source: https://github.com/torch/nn/blob/master/FeatureLPPooling.lua
    """

    def __init__(
        self, width: int, stride: int, power: float, batch_mode: Optional[bool] = None
    ) -> None:
        super().__init__()
        if not 2 <= width <= 16 or not 1 <= stride <= 4:
            raise ArgumentError(
                f"nn.FeatureLPPooling: width must be in 2..16 and stride in 1..4, "
                f"got {width} and {stride}"
            )
        self.width, self.stride, self.power = width, stride, power
        self.batch_mode = bool(batch_mode)

    def _input(self, input: Any) -> np.ndarray:
        ranks = (2, 3, 4) if self.batch_mode else (1, 2, 3)
        x = self._tensor(input, *ranks)
        features = x.shape[int(self.batch_mode)]
        if features < self.width:
            raise InputError(
                f"{self!r} pools {self.width} features, got {features} in input of shape "
                f"{format_shape(x.shape)}",
                "input", f"at least {self.width} features", features,
            )
        return x

    def _slices(self, features: int) -> list[tuple[slice, ...]]:
        """Return, for each position in the window, the index of the features it meets."""
        count = (features - self.width) // self.stride + 1
        before = (slice(None),) * int(self.batch_mode)
        return [
            (*before, slice(k, k + (count - 1) * self.stride + 1, self.stride))
            for k in range(self.width)
        ]

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._input(input)
        slices = self._slices(x.shape[int(self.batch_mode)])
        self.output = resize(self.output, x[slices[0]].shape, self.dtype)
        self.output.fill(0)
        powers = x**self.power
        for where in slices:
            self.output += powers[where]
        np.power(self.output, 1.0 / self.power, out=self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._input(input)
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        self.gradInput.fill(0)
        alive = self.output != 0
        norm = np.where(alive, self.output, 1)
        for where in self._slices(x.shape[int(self.batch_mode)]):
            self.gradInput[where] += np.where(alive, g * (x[where] / norm) ** (self.power - 1), 0)
        return self.gradInput

    def __repr__(self) -> str:
        return (
            f"{self.typename()}(w{self.width} s{self.stride} power {self.power:g} "
            f"batch {int(self.batch_mode)})"
        )


class SpatialLPPooling(Sequential):
    """The p-norm of windows of ``kW`` by ``kH`` that move by ``dW`` and ``dH`` (the kernel's size).

    A ``Sequential`` of power, mean, product and root. Input ``(C, H, W)`` or ``(B, C, H, W)``;
    ``nInputPlane`` is not used.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialLPPooling
    """

    def __init__(
        self, nInputPlane: int, pnorm: float, kW: int, kH: int, dW: Any = None, dH: Any = None
    ) -> None:
        super().__init__()
        self.kW, self.kH = kW, kH
        self.dW, self.dH = default(dW, kW), default(dH, kH)
        self.add(Square() if pnorm == 2 else Power(pnorm))
        self.add(SpatialAveragePooling(kW, kH, self.dW, self.dH))
        self.add(MulConstant(kW * kH))
        self.add(Sqrt() if pnorm == 2 else Power(1 / pnorm))
