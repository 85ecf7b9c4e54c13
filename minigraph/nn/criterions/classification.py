"""Criterions for classes: ClassNLLCriterion and CrossEntropyCriterion."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.simple.lookup import check_indices
from minigraph.nn.transfer.softmax import LogSoftMax
from minigraph.tensors import resize


class ClassNLLCriterion(Criterion):
    """The negative log-likelihood of 1-based classes, given log-probabilities.

    Input ``(C,)`` with a number as target, or ``(B, C)`` with targets ``(B,)``. ``weights``
    ``(C,)`` weigh the classes; the loss is the (weighted) mean, or with
    ``sizeAverage=False`` the sum. Targets equal to ``ignoreIndex`` count nothing.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.ClassNLLCriterion
    """

    def __init__(
        self,
        weights: Optional[np.ndarray] = None,
        sizeAverage: Optional[bool] = True,
        ignoreIndex: int = -100,
    ) -> None:
        self.weights = None if weights is None else self._tensor(weights, 1, what="weights")
        self.sizeAverage = True if sizeAverage is None else bool(sizeAverage)
        self.ignoreIndex = ignoreIndex

    def _classes(self, x: np.ndarray, target: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ``(rows, columns, weights)`` of the targets that count, for ``x`` ``(B, C)``."""
        labels = np.atleast_1d(np.asarray(target))
        if labels.ndim == 2 and 1 in labels.shape:
            labels = labels.ravel()
        if labels.shape != (len(x),):
            raise InputError(
                f"{self!r} expects {len(x)} target(s), one for each row of the input "
                f"{format_shape(x.shape)}, got shape {format_shape(labels.shape)}",
                "target", (len(x),), labels.shape,
            )
        rows = np.flatnonzero(labels != self.ignoreIndex)
        columns = check_indices(labels[rows], x.shape[1], repr(self), "target")
        if self.weights is None:
            return rows, columns, np.ones(len(rows), self.dtype)
        if len(self.weights) != x.shape[1]:
            raise ArgumentError(
                f"{self!r} has {len(self.weights)} class weights, the input {x.shape[1]} classes"
            )
        return rows, columns, self.weights[columns]

    def updateOutput(self, input: Any, target: Any) -> float:
        x = np.atleast_2d(self._tensor(input, 1, 2))
        rows, columns, weights = self._classes(x, target)
        loss = -float(np.dot(weights, x[rows, columns]))
        total = float(weights.sum())
        self.output = loss / total if self.sizeAverage and total else loss
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        x = self._tensor(input, 1, 2)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        self.gradInput.fill(0)
        gradient = np.atleast_2d(self.gradInput)
        rows, columns, weights = self._classes(gradient, target)
        total = weights.sum() if self.sizeAverage else 1.0
        gradient[rows, columns] = -weights / (total or 1.0)
        return self.gradInput


class CrossEntropyCriterion(Criterion):
    """LogSoftMax and ClassNLLCriterion in one: scores in, 1-based classes as target.

    Arguments as in ClassNLLCriterion; dimensions of size 1 are dropped from the input.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.CrossEntropyCriterion
    """

    def __init__(
        self, weights: Optional[np.ndarray] = None, sizeAverage: Optional[bool] = True
    ) -> None:
        self.lsm = LogSoftMax()
        self.nll = ClassNLLCriterion(weights, sizeAverage)

    def _scores(self, input: Any, target: Any) -> np.ndarray:
        x = self._tensor(input)
        single = np.ndim(target) == 0 or np.size(target) == 1
        return x.squeeze() if single or x.ndim != 2 else x

    def updateOutput(self, input: Any, target: Any) -> float:
        self.output = self.nll.updateOutput(self.lsm.updateOutput(self._scores(input, target)), target)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        gradient = self.nll.updateGradInput(self.lsm.output, target)
        gradient = self.lsm.updateGradInput(self._scores(input, target), gradient)
        self.gradInput = gradient.reshape(np.shape(input))
        return self.gradInput
