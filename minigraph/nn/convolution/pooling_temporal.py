"""Max pooling over sequences of frames: in a window, and the k largest of each feature."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.convolution.geometry import Sizes, default
from minigraph.nn.convolution.pooling_max import MaxPooling, scatter
from minigraph.nn.module import Module
from minigraph.tensors import resize


class TemporalMaxPooling(MaxPooling):
    """Largest value of each feature in windows of ``kW`` frames that move by ``dW`` (``kW``).

    Input ``(nFrame, frameSize)`` or ``(B, nFrame, frameSize)``, output with
    ``floor((nFrame - kW) / dW) + 1`` frames. A sequence is one plane to ``indices``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.TemporalMaxPooling
    """

    _axes = ("W", "F")
    kF = dF = dilationF = 1
    padF = 0

    def __init__(self, kW: int, dW: Any = None) -> None:
        super().__init__()
        self.kW, self.dW = kW, default(dW, kW)
        self._checkWindow()

    def _planes(self, input: Any, planes: Optional[int] = None, what: str = "input") -> np.ndarray:
        x = self._tensor(input, 2, 3, what=what)
        if x.shape[-2] < self.kW or not x.size:
            raise InputError(
                f"{self!r} needs at least kW = {self.kW} frames, got {what} of shape "
                f"{format_shape(x.shape)}",
                what, f"at least {self.kW} frames", x.shape,
            )
        return x.reshape(1, -1, *x.shape[-2:])

    def _shaped(self, name: str, input: np.ndarray, shape: Sizes) -> np.ndarray:
        buffer = resize(getattr(self, name), (*input.shape[:-2], *shape[1:]), self.dtype)
        setattr(self, name, buffer)
        return buffer.reshape(1, *shape)

    def __repr__(self) -> str:
        return self.typename()


class TemporalDynamicKMaxPooling(Module):
    """The k largest values of each feature, in their order in time.

    Input ``(nFrame, frameSize)`` or ``(B, nFrame, frameSize)``; ``k = max(minK, ceil(factor *
    nFrame))``. Of equal values the earlier is taken.
    Source: Kalchbrenner, Grefenstette, Blunsom, "A Convolutional Neural Network for Modelling
    Sentences", 2014; https://github.com/torch/nn/blob/master/TemporalDynamicKMaxPooling.lua
    """

    _buffers = ("indices",)
    indices: Optional[np.ndarray] = None

    def __init__(self, minK: int, factor: float = 0) -> None:
        super().__init__()
        self.minK, self.factor = minK, default(factor, 0)  # type: ignore[arg-type]
        if minK < 1 or not 0 <= self.factor <= 1:
            raise ArgumentError(
                f"nn.TemporalDynamicKMaxPooling: minK must be at least 1 and factor in 0..1, "
                f"got {minK} and {factor}"
            )

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, 2, 3)
        frames = x.shape[-2]
        k = max(self.minK, math.ceil(self.factor * frames))
        if frames < k:
            raise InputError(
                f"{self!r} picks {k} frames, got {frames} in input of shape {format_shape(x.shape)}",
                "input", f"at least {k} frames", frames,
            )
        order = np.argsort(-x, axis=-2, kind="stable")
        picked = np.sort(order[..., :k, :], axis=-2)
        self.output = np.take_along_axis(x, picked, -2)
        self.indices = picked + 1
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        assert self.indices is not None
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        frames, features = self.gradInput.shape[-2:]
        flat = (self.indices - 1) * features + np.arange(1, features + 1)
        g = self._tensor(gradOutput, what="gradOutput")
        scatter(g, flat, self.gradInput, frames * features, True)
        return self.gradInput
