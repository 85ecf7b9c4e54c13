"""Margin losses: two classes (1 and -1), one of many classes, or several of many."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.criterions.classification import check_class_weights, class_targets
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.criterions.elementwise import Elementwise
from minigraph.nn.simple.lookup import check_indices
from minigraph.tables import as_numeric
from minigraph.tensors import resize


class MarginCriterion(Elementwise):
    """max(0, margin - x*y), averaged over the elements; targets y are 1 or -1.

    With the attribute ``sizeAverage`` set to ``False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MarginCriterion
    """

    def __init__(self, margin: Optional[float] = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin


class SoftMarginCriterion(Elementwise):
    """log(1 + exp(-x*y)), averaged over the elements, with ``sizeAverage=False`` the sum.

    Targets y are 1 or -1. (Torch7's constructor does not look at the argument.)
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.SoftMarginCriterion
    """


class MultiMarginCriterion(Criterion):
    """The sum over classes i != y of max(0, margin - x[y] + x[i])^p, divided by their number.

    Input ``(C,)`` with a 1-based class as target, or ``(B, C)`` with targets ``(B,)``; ``p`` is
    1 or 2, ``weights`` ``(C,)`` weigh the samples by their class. The loss is the mean over
    the samples, with the attribute ``sizeAverage`` set to ``False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MultiMarginCriterion
    """

    sizeAverage: bool = True

    def __init__(
        self, p: Optional[int] = 1, weights: Any = None, margin: Optional[float] = 1.0
    ) -> None:
        self.p = 1 if p is None else p
        if self.p not in (1, 2):
            raise ArgumentError(f"nn.MultiMarginCriterion: p must be 1 or 2, got {p}")
        self.weights = self._vector(weights)
        self.margin = 1.0 if margin is None else margin

    def _excess(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray, Any]:
        """Return how far each class comes too close ``(B, C)``, the classes, the scale of rows."""
        x = np.atleast_2d(self._tensor(input, 1, 2))
        classes = check_indices(class_targets(self, target, (len(x),)), x.shape[1], repr(self), "target")
        rows = np.arange(len(x))
        excess = x - x[rows, classes][:, None]
        excess += self.margin
        np.maximum(excess, 0, out=excess)
        excess[rows, classes] = 0
        scale = 1 / (x.size if self.sizeAverage else x.shape[1])
        if self.weights is None:
            return excess, classes, scale
        check_class_weights(self, self.weights, x.shape[1])
        return excess, classes, (self.weights[classes] * scale)[:, None]

    def updateOutput(self, input: Any, target: Any) -> float:
        excess, _, scale = self._excess(input, target)
        if self.p == 2:
            excess *= excess
        excess *= scale
        self.output = float(excess.sum())
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        excess, classes, scale = self._excess(input, target)
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        gradient = np.atleast_2d(self.gradInput)
        np.multiply(excess > 0 if self.p == 1 else 2 * excess, scale, out=gradient)
        gradient[np.arange(len(classes)), classes] = -gradient.sum(1)
        return self.gradInput


class MultiLabelMarginCriterion(Criterion):
    """The sum of max(0, 1 - x[y] + x[i]) over the labels y and the other classes i, divided by C.

    Input ``(C,)`` or ``(B, C)``, a target of that shape: the 1-based labels of each sample, up
    to the first 0. The loss is the mean over the samples, with the attribute ``sizeAverage``
    set to ``False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MultiLabelMarginCriterion
    """

    sizeAverage: bool = True

    def _active(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Return for each label its row, its class, the excess of each class; and the scale."""
        x = self._tensor(input, 1, 2)
        labels = as_numeric(target, "target")
        if labels.shape != x.shape:
            raise InputError(
                f"{self!r} expects a target of shape {format_shape(x.shape)} like the input (the "
                f"labels of each sample, then zeros), got {format_shape(labels.shape)}",
                "target", x.shape, labels.shape,
            )
        x, labels = np.atleast_2d(x), np.atleast_2d(labels)
        check_indices(labels[labels != 0], x.shape[1], repr(self), "target")
        kept = np.logical_and.accumulate(labels != 0, axis=1)
        rows = np.nonzero(kept)[0]
        classes = labels[kept].astype(np.int64) - 1
        others = np.ones(x.shape, bool)
        others[rows, classes] = False
        excess = 1 - x[rows, classes][:, None] + x[rows]
        np.maximum(excess, 0, out=excess)
        excess *= others[rows]
        return rows, classes, excess, 1 / (x.size if self.sizeAverage else x.shape[1])

    def updateOutput(self, input: Any, target: Any) -> float:
        _, _, excess, scale = self._active(input, target)
        self.output = float(excess.sum()) * scale
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        rows, classes, excess, scale = self._active(input, target)
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        gradient = np.atleast_2d(self.gradInput)
        pushed = excess > 0
        np.add.at(gradient, rows, pushed)
        np.subtract.at(gradient, (rows, classes), pushed.sum(1))
        self.gradInput *= scale
        return self.gradInput
