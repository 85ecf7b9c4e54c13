"""Criterions that compare a tensor with a target of its shape: MSECriterion and BCECriterion."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.criterions.criterion import Criterion
from minigraph.tensors import resize


class MSECriterion(Criterion):
    """The mean (with ``sizeAverage=False`` the sum) of the squared differences.

    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MSECriterion
    """

    def __init__(self, sizeAverage: Optional[bool] = True) -> None:
        self.sizeAverage = True if sizeAverage is None else bool(sizeAverage)

    def updateOutput(self, input: Any, target: Any) -> float:
        x = self._tensor(input)
        difference = (x - self._like(target, x)).ravel()
        self.output = float(np.dot(difference, difference)) / (x.size if self.sizeAverage else 1)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        x = self._tensor(input)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        np.subtract(x, self._like(target, x), out=self.gradInput)
        self.gradInput *= 2.0 / x.size if self.sizeAverage else 2.0
        return self.gradInput


class BCECriterion(Criterion):
    """The binary cross-entropy of probabilities and targets between 0 and 1.

    ``weights`` multiply the terms (any shape that broadcasts to the input's); the loss is the
    mean, or with ``sizeAverage=False`` the sum. 1e-12 is added inside the logarithms.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.BCECriterion
    """

    eps = 1e-12

    def __init__(
        self, weights: Optional[np.ndarray] = None, sizeAverage: Optional[bool] = True
    ) -> None:
        self.weights = None if weights is None else self._tensor(weights, what="weights")
        self.sizeAverage = True if sizeAverage is None else bool(sizeAverage)

    def _arguments_of(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray, Any]:
        x = self._tensor(input)
        weights: Any = 1.0
        if self.weights is not None:
            try:
                weights = np.broadcast_to(self.weights, x.shape)
            except ValueError:
                raise InputError(
                    f"{self!r}: weights of shape {format_shape(self.weights.shape)} do not fit "
                    f"an input of shape {format_shape(x.shape)}",
                    "weights", x.shape, self.weights.shape,
                ) from None
        return x, self._like(target, x), weights

    def updateOutput(self, input: Any, target: Any) -> float:
        x, t, weights = self._arguments_of(input, target)
        terms = np.log(x + self.eps) * t + np.log(1.0 - x + self.eps) * (1.0 - t)
        self.output = -float((terms * weights).sum()) / (x.size if self.sizeAverage else 1)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        x, t, weights = self._arguments_of(input, target)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        np.divide(x - t, (1.0 - x + self.eps) * (x + self.eps), out=self.gradInput)
        self.gradInput *= weights / x.size if self.sizeAverage else weights
        return self.gradInput
