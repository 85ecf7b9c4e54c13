"""Normalize: samples of unit norm."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.tensors import resize


class Normalize(Module):
    """Divide each sample by its ``p``-norm.

    Input ``(N,)`` or ``(B, N)``; ``p`` is positive, infinity included. ``eps`` (1e-10) is added
    to the sum under the root (to the norm itself for infinity).
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Normalize
    """

    _buffers = ("_powers", "_norms")
    _powers: Optional[np.ndarray] = None
    _norms: Optional[np.ndarray] = None

    def __init__(self, p: float, eps: float = 1e-10) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not p > 0:
            raise ArgumentError(f"nn.Normalize: p must be a positive number, got {p!r}")
        self.p = p
        self.eps = 1e-10 if eps is None else eps

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, 1, 2)
        rows = np.atleast_2d(x)
        if np.isinf(self.p):
            self._norms = np.abs(rows).max(axis=1, keepdims=True) + self.eps
        else:
            powers = rows * rows if self.p == 2 else np.abs(rows) ** self.p
            self._powers = powers.sum(axis=1, keepdims=True) + self.eps
            self._norms = self._powers ** (1.0 / self.p)
        self.output = resize(self.output, x.shape, self.dtype)
        np.divide(rows, self._norms, out=self.output.reshape(rows.shape))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        rows = np.atleast_2d(self._tensor(input, 1, 2))
        g = np.atleast_2d(self._tensor(gradOutput, what="gradOutput"))
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        gradient = self.gradInput.reshape(rows.shape)
        norms: Any = self._norms
        along = (rows * g).sum(axis=1, keepdims=True)
        np.multiply(self._direction(rows), -along, out=gradient)
        gradient += g
        gradient /= norms
        return self.gradInput

    def _direction(self, rows: np.ndarray) -> np.ndarray:
        """Return the derivative of the norm divided by the norm."""
        norms: Any = self._norms
        if np.isinf(self.p):
            largest = np.abs(rows).argmax(axis=1)[:, None]
            direction = np.zeros_like(rows)
            chosen = np.take_along_axis(rows, largest, 1) / norms**2
            np.put_along_axis(direction, largest, chosen, 1)
            return direction
        if self.p == 2:
            return rows / self._powers
        size = np.abs(rows)
        if self.p < 2:
            size = size + self.eps  # no division by zero
        return size ** (self.p - 2) * rows / self._powers

    def __repr__(self) -> str:
        return f"nn.Normalize({self.p:g})"
