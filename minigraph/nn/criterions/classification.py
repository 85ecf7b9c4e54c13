"""Criterions for classes: ClassNLLCriterion, CrossEntropyCriterion, SpatialClassNLLCriterion."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, MinigraphError, format_shape
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.simple.lookup import check_indices
from minigraph.nn.transfer.softmax import LogSoftMax
from minigraph.tables import as_numeric
from minigraph.tensors import resize


def class_targets(criterion: Criterion, target: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the targets in this shape, one for each sample; a number stands for one sample.

    ``(B, 1)`` and ``(1, B)`` are taken for ``(B,)``. Raises InputError for another shape.
    """
    labels = as_numeric(target, "target")
    if labels.shape == shape:
        return labels
    vector = labels.ndim < 2 or (labels.ndim == 2 and 1 in labels.shape)
    if len(shape) == 1 and vector and labels.size == shape[0]:
        return labels.reshape(shape)
    meant = "one target" if shape == (1,) else f"targets of shape {format_shape(shape)}"
    raise InputError(
        f"{criterion!r} expects {meant}, got shape {format_shape(labels.shape)}",
        "target", shape, labels.shape,
    )


def check_class_weights(criterion: Criterion, weights: np.ndarray, count: int) -> None:
    """Raise ArgumentError unless there is a weight for each of the ``count`` classes."""
    if len(weights) != count:
        raise ArgumentError(
            f"{criterion!r} has {len(weights)} class weights, the input {count} classes"
        )


class ClassNLLCriterion(Criterion):
    """The negative log-likelihood of 1-based classes, given log-probabilities.

    Input ``(C,)`` with a number as target, or ``(B, C)`` with targets ``(B,)``. ``weights``
    ``(C,)`` weigh the classes; the loss is the (weighted) mean, or with
    ``sizeAverage=False`` the sum. Targets equal to ``ignoreIndex`` count nothing.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.ClassNLLCriterion
    """

    sizeAverage: bool = True
    ignoreIndex: int = -100

    def __init__(
        self, weights: Any = None, sizeAverage: Optional[bool] = True, ignoreIndex: Optional[int] = -100
    ) -> None:
        self.weights = self._vector(weights)
        self.sizeAverage = sizeAverage is None or bool(sizeAverage)
        self.ignoreIndex = -100 if ignoreIndex is None else ignoreIndex

    def _samples(self, input: Any) -> np.ndarray:
        """Return the input with the samples along all dimensions but the second."""
        return np.atleast_2d(self._tensor(input, 1, 2))

    def _picked(self, x: np.ndarray, target: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return where in ``x`` the classes that count are, and their weights."""
        labels = class_targets(self, target, (x.shape[0], *x.shape[2:]))
        first, *others = np.nonzero(labels != self.ignoreIndex)
        classes = check_indices(labels[(first, *others)], x.shape[1], repr(self), "target")
        if self.weights is None:
            return (first, classes, *others), np.ones(len(classes), self.dtype)
        check_class_weights(self, self.weights, x.shape[1])
        return (first, classes, *others), self.weights[classes]

    def updateOutput(self, input: Any, target: Any) -> float:
        x = self._samples(input)
        where, weights = self._picked(x, target)
        loss = -float(np.dot(weights, x[where]))
        total = float(weights.sum())
        self.output = loss / total if self.sizeAverage and total else loss
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        x = self._samples(input)
        where, weights = self._picked(x, target)
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        total = float(weights.sum())
        if total > 0:  # else Torch leaves the gradient zero
            scale = -1 / total if self.sizeAverage else -1
            self.gradInput.reshape(x.shape)[where] = weights * scale
        return self.gradInput


class SpatialClassNLLCriterion(ClassNLLCriterion):
    """ClassNLLCriterion for every place of an image.

    Input ``(B, C, H, W)`` with targets ``(B, H, W)``; arguments as in ClassNLLCriterion.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.SpatialClassNLLCriterion
    """

    def _samples(self, input: Any) -> np.ndarray:
        return self._tensor(input, 4)


class CrossEntropyCriterion(Criterion):
    """LogSoftMax and ClassNLLCriterion in one: scores in, 1-based classes as target.

    Arguments as in ClassNLLCriterion; dimensions of size 1 are dropped from the input.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.CrossEntropyCriterion
    """

    def __init__(self, weights: Any = None, sizeAverage: Optional[bool] = True) -> None:
        self.lsm = LogSoftMax()
        self.nll = ClassNLLCriterion(weights, sizeAverage)

    @property
    def sizeAverage(self) -> bool:
        """Whether the loss is a mean: what ``nll.sizeAverage`` says, which may be set as well."""
        return self.nll.sizeAverage

    @sizeAverage.setter
    def sizeAverage(self, mean: bool) -> None:
        self.nll.sizeAverage = mean

    def _scores(self, input: Any, target: Any) -> np.ndarray:
        x = self._tensor(input)
        single = np.ndim(target) == 0 or np.size(target) == 1
        return np.atleast_1d(x.squeeze()) if single or x.ndim != 2 else x

    def updateOutput(self, input: Any, target: Any) -> float:
        logarithms = self.lsm.updateOutput(self._scores(input, target))
        try:
            self.output = self.nll.updateOutput(logarithms, target)
        except MinigraphError as error:
            error.context.append(f"in {self!r}")
            raise
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        gradient = self.nll.updateGradInput(self.lsm.output, target)
        gradient = self.lsm.updateGradInput(self._scores(input, target), gradient)
        self.gradInput = gradient.reshape(np.shape(input))
        return self.gradInput
