"""What layers with a kernel of weights and a bias for each output plane share."""

from __future__ import annotations

import math
from typing import Any, Optional, TypeVar

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.random import generator

Self = TypeVar("Self", bound="Weighted")


class Weighted(Module):
    """Base of layers with ``weight`` and an optional ``bias``, both drawn uniformly."""

    weight: np.ndarray
    bias: Optional[np.ndarray] = None
    gradWeight: np.ndarray
    gradBias: Optional[np.ndarray] = None

    def _allocate(self, weight: tuple[int, ...], bias: tuple[int, ...]) -> None:
        """Make the parameters and their gradients (zero) and draw the parameters."""
        if min(*weight, *bias) < 1:
            raise ArgumentError(
                f"{self.typename()}: sizes must be at least 1, got weights of {weight}"
            )
        self.weight = np.empty(weight, self.dtype)
        self.gradWeight = np.zeros(weight, self.dtype)
        self.bias = np.empty(bias, self.dtype)
        self.gradBias = np.zeros(bias, self.dtype)
        self.reset()

    def _fanIn(self) -> int:
        """Return the number of inputs that an output is made of."""
        raise TypeError(f"{self.typename()} does not define _fanIn()")

    def noBias(self: Self) -> Self:
        """Remove the bias and return the module."""
        self.bias = self.gradBias = None
        return self

    def reset(self: Self, stdv: Optional[float] = None) -> Self:
        """Draw the parameters from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(inputs of an output)."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self._fanIn())
        generator.fillUniform(self.weight, -bound, bound)
        if self.bias is not None:
            generator.fillUniform(self.bias, -bound, bound)
        return self

    def _accumulate(self, product: np.ndarray, scale: Any) -> None:
        """Add ``scale`` times the gradient of the weights, in any shape of their size."""
        if scale != 1.0:
            product = product * scale
        self.gradWeight += product.reshape(self.gradWeight.shape)

    def _accumulateBias(self, total: np.ndarray, scale: Any) -> None:
        if self.gradBias is not None:
            self.gradBias += (total * scale).reshape(self.gradBias.shape)

    def _bare(self) -> str:
        return "" if self.bias is not None else " without bias"
