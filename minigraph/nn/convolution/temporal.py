"""Convolution over sequences of frames: ``(nFrame, frameSize)``, time first."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.convolution.geometry import default
from minigraph.nn.convolution.weights import Weighted
from minigraph.tensors import resize, scratch


class Temporal(Weighted):
    """Base: a window of ``kW`` frames that moves by ``dW`` over ``(T, F)`` or ``(B, T, F)``."""

    inputFrameSize: int
    kW: int
    dW: int

    def _checkSteps(self) -> None:
        if min(self.kW, self.dW, self.inputFrameSize) < 1:
            raise ArgumentError(
                f"{self.typename()}: frame size {self.inputFrameSize}, kW {self.kW} and dW {self.dW} "
                "must be at least 1"
            )

    def _frames(self, input: Any, what: str = "input") -> np.ndarray:
        """Return ``input`` as ``(B, T, F)``, F and T checked."""
        x = self._tensor(input, 2, 3, what=what)
        size = self.inputFrameSize
        if x.shape[-1] != size:
            raise InputError(
                f"{self!r} expects {what} of frame size {size}, (nFrame, {size}) or "
                f"(B, nFrame, {size}), got shape {format_shape(x.shape)}",
                what, size, x.shape[-1],
            )
        if x.shape[-2] < self.kW:
            raise InputError(
                f"{self!r} needs at least kW = {self.kW} frames, got {x.shape[-2]} in "
                f"{what} of shape {format_shape(x.shape)}",
                what, f"at least {self.kW} frames", x.shape[-2],
            )
        return x if x.ndim == 3 else x[None]

    def _count(self, frames: int) -> int:
        return (frames - self.kW) // self.dW + 1

    def _slices(self, count: int) -> list[slice]:
        """Return, for each position in the window, the frames it meets."""
        return [slice(k, k + (count - 1) * self.dW + 1, self.dW) for k in range(self.kW)]


class TemporalConvolution(Temporal):
    """Convolution of frames of ``inputFrameSize`` into frames of ``outputFrameSize``.

    Input ``(nFrame, inputFrameSize)`` or ``(B, nFrame, inputFrameSize)``; the output has
    ``floor((nFrame - kW) / dW) + 1`` frames. ``weight`` is ``(outputFrameSize,
    kW*inputFrameSize)``, the window's first frame first; ``bias`` ``(outputFrameSize,)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.TemporalConvolution
    """

    _buffers = ("_columns",)
    _columns: Optional[np.ndarray] = None

    def __init__(
        self, inputFrameSize: int, outputFrameSize: int, kW: int, dW: int = 1
    ) -> None:
        super().__init__()
        self.inputFrameSize, self.outputFrameSize = inputFrameSize, outputFrameSize
        self.kW, self.dW = kW, default(dW, 1)
        self._checkSteps()
        self._allocate((outputFrameSize, inputFrameSize * kW), (outputFrameSize,))

    def _fanIn(self) -> int:
        return self.kW * self.inputFrameSize

    def _unfold(self, x: np.ndarray) -> np.ndarray:
        """Return the windows as rows, ``(B*places, kW*inputFrameSize)``."""
        batch, frames, size = x.shape
        count = self._count(frames)
        steps = x.strides
        view = as_strided(
            x, (batch, count, self.kW, size), (steps[0], steps[1] * self.dW, *steps[1:]),
            writeable=False,
        )
        self._columns = resize(self._columns, (batch * count, self.kW * size), self.dtype)
        np.copyto(self._columns.reshape(view.shape), view)
        return self._columns

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._frames(input)
        columns = self._unfold(x)
        shape = (*np.shape(input)[:-2], self._count(x.shape[1]), self.outputFrameSize)
        self.output = resize(self.output, shape, self.dtype)
        np.dot(columns, self.weight.T, out=self.output.reshape(-1, self.outputFrameSize))
        if self.bias is not None:
            self.output += self.bias
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._frames(input)
        g = self._tensor(gradOutput, what="gradOutput").reshape(-1, self.outputFrameSize)
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        count = self._count(x.shape[1])
        self._columns = resize(self._columns, (len(g), self.weight.shape[1]), self.dtype)
        np.dot(g, self.weight, out=self._columns)
        parts = self._columns.reshape(len(x), count, self.kW, self.inputFrameSize)
        frames = self.gradInput.reshape(x.shape)
        for k, where in enumerate(self._slices(count)):
            frames[:, where] += parts[:, :, k]
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        columns = self._unfold(self._frames(input))
        g = self._tensor(gradOutput, what="gradOutput").reshape(-1, self.outputFrameSize)
        product = scratch(self.weight.shape, self.dtype)
        np.dot(g.T, columns, out=product)
        self._accumulate(product, scale)
        self._accumulateBias(g.sum(0), scale)


class TemporalRowConvolution(Temporal):
    """Convolution of each of ``inputFrameSize`` features over time with a kernel of its own.

    Input ``(nFrame, inputFrameSize)`` or ``(B, nFrame, inputFrameSize)``; with ``featFirst``
    features come before frames, in the output too. ``weight`` is ``(inputFrameSize, 1, kW)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.TemporalRowConvolutionMM
    """

    def __init__(
        self, inputFrameSize: int, kW: int, dW: int = 1, featFirst: bool = False
    ) -> None:
        super().__init__()
        self.inputFrameSize, self.kW, self.dW = inputFrameSize, kW, default(dW, 1)
        self.featFirst = bool(featFirst)
        self.bias = None
        self._checkSteps()
        self._allocate((inputFrameSize, 1, kW), (inputFrameSize,))

    def _fanIn(self) -> int:
        return self.kW * self.inputFrameSize

    def _timeFirst(self, array: np.ndarray) -> np.ndarray:
        return array.swapaxes(-1, -2) if self.featFirst else array

    def _rows(self, input: Any) -> np.ndarray:
        return self._frames(self._timeFirst(self._tensor(input, 2, 3)))

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._rows(input)
        count = self._count(x.shape[1])
        shape = (self.inputFrameSize, count) if self.featFirst else (count, self.inputFrameSize)
        self.output = resize(self.output, (*np.shape(input)[:-2], *shape), self.dtype)
        out = self._timeFirst(self.output)
        out[...] = 0 if self.bias is None else self.bias
        for k, where in enumerate(self._slices(count)):
            out += (x[:, where] * self.weight[:, 0, k]).reshape(out.shape)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._rows(input)
        g = self._timeFirst(self._tensor(gradOutput, what="gradOutput"))
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        out = self._timeFirst(self.gradInput)
        for k, where in enumerate(self._slices(self._count(x.shape[1]))):
            out[..., where, :] += g * self.weight[:, 0, k]
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._rows(input)
        g = self._timeFirst(self._tensor(gradOutput, what="gradOutput"))
        g = g.reshape(len(x), -1, self.inputFrameSize)
        for k, where in enumerate(self._slices(g.shape[1])):
            self.gradWeight[:, 0, k] += scale * np.einsum("btf,btf->f", x[:, where], g)
        self._accumulateBias(g.sum((0, 1)), scale)

    def __repr__(self) -> str:
        step = f", {self.dW}" if self.dW != 1 else ""
        return f"{self.typename()}({self.inputFrameSize}, {self.kW}{step}){self._bare()}"


class TemporalSubSampling(Temporal):
    """Sum of ``kW`` frames, times a weight and plus a bias for each feature.

    Input ``(nFrame, inputFrameSize)`` or ``(B, nFrame, inputFrameSize)``, output with
    ``floor((nFrame - kW) / dW) + 1`` frames. ``weight`` and ``bias`` are ``(inputFrameSize,)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.TemporalSubSampling
    """

    _buffers = ("_sums",)
    _sums: Optional[np.ndarray] = None

    def __init__(self, inputFrameSize: int, kW: int, dW: int = 1) -> None:
        super().__init__()
        self.inputFrameSize, self.kW, self.dW = inputFrameSize, kW, default(dW, 1)
        self._checkSteps()
        self._allocate((inputFrameSize,), (inputFrameSize,))

    def _fanIn(self) -> int:
        return self.kW

    def _windowSums(self, input: Any) -> np.ndarray:
        x = self._frames(input)
        count = self._count(x.shape[1])
        self._sums = resize(self._sums, (len(x), count, self.inputFrameSize), self.dtype)
        self._sums.fill(0)
        for where in self._slices(count):
            self._sums += x[:, where]
        return self._sums

    def updateOutput(self, input: Any) -> np.ndarray:
        sums = self._windowSums(input)
        self.output = resize(self.output, (*np.shape(input)[:-2], *sums.shape[1:]), self.dtype)
        out = self.output.reshape(sums.shape)
        np.multiply(sums, self.weight, out=out)
        if self.bias is not None:
            out += self.bias
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._frames(input)
        g = self._tensor(gradOutput, what="gradOutput") * self.weight
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        for where in self._slices(self._count(x.shape[1])):
            self.gradInput[..., where, :] += g
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        sums = self._windowSums(input)
        g = self._tensor(gradOutput, what="gradOutput").reshape(sums.shape)
        self._accumulate(np.einsum("btf,btf->f", sums, g), scale)
        self._accumulateBias(g.sum((0, 1)), scale)
