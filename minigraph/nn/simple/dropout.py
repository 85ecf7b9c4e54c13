"""Dropout, by entry and by feature map: random masks from Torch7's stream."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize


class _Masking(Module):
    """Base: a probability ``p`` and a mask ``noise``, drawn at each forward.

    With ``stochasticInference`` masks are drawn in evaluation too.
    """

    _buffers = ("noise", "_drawn")
    _drawn: Optional[bool] = None
    stochastic_inference: bool = False

    def __init__(self, p: Optional[float], stochasticInference: bool) -> None:
        super().__init__()
        self.stochastic_inference = bool(stochasticInference)
        self.noise: Optional[np.ndarray] = None
        self.setp(0.5 if p is None else p)

    def setp(self, p: float) -> Any:
        """Set the probability (0 <= p < 1) and return the module."""
        if not 0 <= p < 1:
            raise ArgumentError(f"{self.typename()}: p must be at least 0 and below 1, got {p}")
        self.p = p
        return self

    def _draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a new mask of ones (probability ``1 - p``) and zeros."""
        self.noise = resize(self.noise, shape, self.dtype)
        return generator.fillBernoulli(self.noise, 1 - self.p)

    def _masks(self) -> bool:
        """Tell whether a forward draws a mask now, and remember it for the backward."""
        self._drawn = self.train or self.stochastic_inference
        return self._drawn

    def __repr__(self) -> str:
        return f"{self.typename()}({self.p:g})"


class Dropout(_Masking):
    """Zero each entry with probability ``p`` while training; the identity in evaluation.

    The entries kept are scaled by 1/(1-p) in training (with ``v1``, the original version,
    evaluation scales by 1-p instead). One mask is drawn per forward; ``p=0`` draws none.
    ``stochasticInference`` drops in evaluation too. ``inplace`` is kept, the output has its own
    buffer.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Dropout
    """

    v2: bool = True
    inplace: bool = False

    def __init__(
        self,
        p: Optional[float] = 0.5,
        v1: bool = False,
        inplace: bool = False,
        stochasticInference: bool = False,
    ) -> None:
        super().__init__(p, stochasticInference)
        self.v2 = not v1
        self.inplace = bool(inplace)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = resize(self.output, x.shape, self.dtype)
        if self._masks() and self.p > 0:
            noise = self._draw(x.shape)
            if self.v2:
                noise /= 1 - self.p
            np.multiply(x, noise, out=self.output)
        elif self.p > 0 and not self.v2:
            np.multiply(x, 1 - self.p, out=self.output)
        else:
            np.copyto(self.output, x)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, gradOutput.shape, self.dtype)
        if self._drawn and self.p > 0 and self.noise is not None:
            np.multiply(gradOutput, self.noise, out=self.gradInput)
        elif self.p > 0 and not self.v2:
            np.multiply(gradOutput, 1 - self.p, out=self.gradInput)
        else:
            np.copyto(self.gradInput, gradOutput)
        return self.gradInput


class _MapDropout(_Masking):
    """Base of the dropouts of whole feature maps, whose last ``_spatial`` dimensions are space.

    Training keeps or zeroes maps without scaling them; evaluation scales by ``1 - p``.
    """

    _spatial: int

    def __init__(self, p: Optional[float] = 0.5, stochasticInference: bool = False) -> None:
        super().__init__(p, stochasticInference)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, self._spatial + 1, self._spatial + 2)
        self.output = resize(self.output, x.shape, self.dtype)
        if self._masks():
            maps = x.shape[: x.ndim - self._spatial]
            return np.multiply(x, self._draw((*maps, *(1,) * self._spatial)), out=self.output)
        return np.multiply(x, 1 - self.p, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, g.shape, self.dtype)
        factor = self.noise if self._drawn and self.noise is not None else 1 - self.p
        return np.multiply(g, factor, out=self.gradInput)


class SpatialDropout(_MapDropout):
    """Zero each feature map of an image with probability ``p`` while training.

    Input ``(C, H, W)`` or ``(B, C, H, W)``. In evaluation everything is scaled by ``1 - p``.
    ``stochasticInference`` drops in evaluation too.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.SpatialDropout
    """

    _spatial = 2


class VolumetricDropout(_MapDropout):
    """Zero each feature map of a volume with probability ``p`` while training.

    Input ``(C, T, H, W)`` or ``(B, C, T, H, W)``; otherwise as SpatialDropout.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.VolumetricDropout
    """

    _spatial = 3
