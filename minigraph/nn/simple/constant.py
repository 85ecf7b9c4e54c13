"""Layers that change what flows rather than compute: Constant, ZeroGrad, L1Penalty, WhiteNoise."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tables import as_numeric, zeros_like
from minigraph.tensors import resize


class Constant(Module):
    """Output ``value`` (a number or a tensor) whatever the input; the input's gradient is zero.

    With ``nInputDim``, the dimensions of one sample, an input with more has a batch in front
    and the value is repeated for each sample.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Constant
    """

    def __init__(self, value: Any, nInputDim: Optional[int] = None) -> None:
        super().__init__()
        if value is None or isinstance(value, (str, dict)):
            raise ArgumentError(f"nn.Constant needs a number or a tensor, got {value!r}")
        self.value = np.atleast_1d(as_numeric(value, "value")).astype(self.dtype)
        self.nInputDim = nInputDim

    def updateOutput(self, input: Any) -> np.ndarray:
        shape = self.value.shape
        if self.nInputDim is not None and np.ndim(input) > self.nInputDim:
            shape = (len(input), *shape)
        self.output = resize(self.output, shape, self.dtype)
        self.output[...] = self.value
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = zeros_like(input, self.gradInput)
        return self.gradInput


class ZeroGrad(Module):
    """Pass the input on and let no gradient back: it is zero.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.ZeroGrad
    """

    _backFactor = 0.0

    def updateOutput(self, input: Any) -> Any:
        self.output = input
        return input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = zeros_like(input, self.gradInput)
        return self.gradInput


class L1Penalty(Module):
    """Pass the input on and add the gradient of ``l1weight`` times its L1 norm on the way back.

    The penalty of the last forward is in ``loss``. ``sizeAverage`` divides it by the number of
    entries. With ``provideOutput=False`` only the penalty's gradient goes back.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.L1Penalty
    """

    loss: float = 0.0

    def __init__(self, l1weight: float, sizeAverage: bool = False, provideOutput: bool = True) -> None:
        super().__init__()
        self.l1weight = l1weight
        self.sizeAverage = bool(sizeAverage)
        self.provideOutput = provideOutput is not False

    @property
    def _backFactor(self) -> float:
        return 1.0 if self.provideOutput else 0.0

    @property
    def _penalty(self) -> float:
        return self.loss

    def _weight(self, size: int) -> Any:
        return self.l1weight / size if self.sizeAverage else self.l1weight

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.loss = float(self._weight(x.size) * np.abs(x).sum())
        self.output = x
        return x

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._tensor(input)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        np.sign(x, out=self.gradInput)
        self.gradInput *= self._weight(x.size)
        if self.provideOutput:
            self.gradInput += self._tensor(gradOutput, what="gradOutput")
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.L1Penalty({self.l1weight:g})"


class WhiteNoise(Module):
    """Add normal noise of this ``mean`` (0) and ``std`` (0.1) while training, the mean in evaluation.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.WhiteNoise
    """

    _buffers = ("noise",)

    def __init__(self, mean: float = 0.0, std: float = 0.1) -> None:
        super().__init__()
        self.mean = 0.0 if mean is None else mean
        self.std = 0.1 if std is None else std
        if not self.std > 0:
            raise ArgumentError(f"nn.WhiteNoise: std must be positive, got {std}")
        self.noise: Optional[np.ndarray] = None

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = resize(self.output, x.shape, self.dtype)
        if self.train:
            self.noise = resize(self.noise, x.shape, self.dtype)
            generator.fillNormal(self.noise, self.mean, self.std)
            return np.add(x, self.noise, out=self.output)
        return np.add(x, self.mean, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, g.shape, self.dtype)
        np.copyto(self.gradInput, g)
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.WhiteNoise mean: {self.mean:f}, std: {self.std:f}"
