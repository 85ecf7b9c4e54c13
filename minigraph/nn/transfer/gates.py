"""GatedLinearUnit, and GradientReversal, which changes only the gradient."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, check_dimension, format_shape
from minigraph.nn.module import Module
from minigraph.nn.transfer.functions import logistic
from minigraph.tensors import resize


class GatedLinearUnit(Module):
    """The first half of the input times the sigmoid of the second half.

    The input is halved along the 1-based ``dim``, the last one by default; its size there must
    be even. Source: https://arxiv.org/abs/1612.08083
    """

    _buffers = ("_gate",)
    _gate: Any = None

    def __init__(self, dim: Optional[int] = None) -> None:
        super().__init__()
        self.dim = None if dim is None else check_dimension(dim, "nn.GatedLinearUnit: dim")
        if self.dim is not None and self.dim < 0:
            raise ArgumentError(f"nn.GatedLinearUnit: dim must be positive, got {dim}")

    def _halves(self, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axis = (self.dim or array.ndim) - 1
        if not 0 <= axis < array.ndim or array.shape[axis] % 2:
            raise InputError(
                f"{self!r} halves dimension {axis + 1}, which must have an even size; "
                f"got an input of shape {format_shape(array.shape)}",
                "input", f"an even size in dimension {axis + 1}", array.shape,
            )
        first, second = np.split(array, 2, axis)
        return first, second

    def updateOutput(self, input: Any) -> np.ndarray:
        first, second = self._halves(self._tensor(input))
        self.output = resize(self.output, first.shape, self.dtype)
        self._gate = resize(self._gate, first.shape, self.dtype)
        logistic(second, self._gate)
        return np.multiply(first, self._gate, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._tensor(input)
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        ofFirst, ofSecond = self._halves(self.gradInput)
        np.multiply(g, self._gate, out=ofFirst)
        # d(a*s(b))/db = a*s(b)*(1 - s(b)), and a*s(b) is the output
        np.subtract(1, self._gate, out=ofSecond)
        ofSecond *= self.output
        ofSecond *= g
        return self.gradInput


class GradientReversal(Module):
    """The identity, whose gradient is turned round: ``-lambda * gradOutput``.

    Torch's attribute ``lambda`` (1 by default) is ``lambda_`` here.
    Source: https://arxiv.org/abs/1409.7495
    """

    _torchVersion = 2

    def __init__(self, lambda_: Optional[float] = None) -> None:
        super().__init__()
        self.setLambda(1 if lambda_ is None else lambda_)

    @property
    def _backFactor(self) -> float:
        return -self.lambda_

    def setLambda(self, lambda_: float) -> "GradientReversal":
        """Set the factor of the reversed gradient and return the module."""
        self.lambda_ = lambda_
        return self

    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = self._tensor(input)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, g.shape, self.dtype)
        return np.multiply(g, -self.lambda_, out=self.gradInput)
