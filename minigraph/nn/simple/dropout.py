"""Dropout: random masks from Torch7's stream."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize


class Dropout(Module):
    """Zero each entry with probability ``p`` while training; the identity in evaluation.

    The entries kept are scaled by 1/(1-p) in training (with ``v1``, the original version,
    evaluation scales by 1-p instead). One mask is drawn per forward; ``p=0`` draws none.
    ``inplace`` writes over the input.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Dropout
    """

    _buffers = ("noise",)

    def __init__(self, p: float = 0.5, v1: bool = False, inplace: bool = False) -> None:
        super().__init__()
        self.v2 = not v1
        self.inplace = bool(inplace)
        self.noise: Optional[np.ndarray] = None
        self.setp(0.5 if p is None else p)

    def setp(self, p: float) -> "Dropout":
        """Set the probability (0 <= p < 1) and return the module."""
        if not 0 <= p < 1:
            raise ArgumentError(f"nn.Dropout: p must be at least 0 and below 1, got {p}")
        self.p = p
        return self

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = x if self.inplace else resize(self.output, x.shape, self.dtype)
        if self.train and self.p > 0:
            noise = self.noise = resize(self.noise, x.shape, self.dtype)
            generator.fillBernoulli(noise, 1 - self.p)
            if self.v2:
                noise /= 1 - self.p
            np.multiply(x, noise, out=self.output)
        elif self.p > 0 and not self.v2:
            np.multiply(x, 1 - self.p, out=self.output)
        elif self.output is not x:
            np.copyto(self.output, x)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradOutput = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, gradOutput.shape, self.dtype)
        if self.train and self.p > 0 and self.noise is not None:
            np.multiply(gradOutput, self.noise, out=self.gradInput)
        elif self.p > 0 and not self.v2:
            np.multiply(gradOutput, 1 - self.p, out=self.gradInput)
        else:
            np.copyto(self.gradInput, gradOutput)
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.Dropout({self.p:g})"
