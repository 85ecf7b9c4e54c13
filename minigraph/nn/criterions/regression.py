"""Criterions that compare a tensor of numbers with another: MSECriterion and its relatives."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.criterions.elementwise import Elementwise
from minigraph.tensors import resize


class AbsCriterion(Elementwise):
    """The mean (with ``sizeAverage=False`` the sum) of the absolute differences.

    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.AbsCriterion
    """


class MSECriterion(Elementwise):
    """The mean (with ``sizeAverage=False`` the sum) of the squared differences.

    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MSECriterion
    """


class SmoothL1Criterion(Elementwise):
    """As AbsCriterion, but half the square where the difference is below 1, else 1/2 less.

    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.SmoothL1Criterion
    """


class DistKLDivCriterion(Elementwise):
    """The Kullback-Leibler divergence: t * (log(t) - x), for log-probabilities x.

    Elements whose target is not positive add nothing. The mean, or with ``sizeAverage=False``
    the sum, over all elements.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.DistKLDivCriterion
    """


class WeightedMSECriterion(MSECriterion):
    """MSECriterion with the target multiplied by ``weight`` first, as Torch does.

    ``weight`` has the shape of the target, or of one sample of a batch.
    Source: https://github.com/torch/nn/blob/master/WeightedMSECriterion.lua
    """

    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.weight = self._tensor(weight, what="weight").copy()

    def _pair(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        x, t = super()._pair(input, target)
        if self.weight.shape != x.shape[x.ndim - self.weight.ndim :]:
            raise InputError(
                f"{self!r}: a weight of shape {format_shape(self.weight.shape)} does not fit "
                f"an input of shape {format_shape(x.shape)}",
                "input", self.weight.shape, x.shape,
            )
        return x, t * self.weight


class SpatialAutoCropMSECriterion(MSECriterion):
    """MSECriterion of an image and the middle of a target that may be larger.

    Input ``(C, h, w)`` or ``(B, C, h, w)``; the target's height and width are at least as
    large, its other sizes the same.
    Source: https://github.com/torch/nn/blob/master/SpatialAutoCropMSECriterion.lua
    """

    def _pair(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        x = self._tensor(input, 3, 4)
        t = self._tensor(target, x.ndim, what="target")
        if t.shape[:-2] != x.shape[:-2] or t.shape[-2] < x.shape[-2] or t.shape[-1] < x.shape[-1]:
            raise InputError(
                f"{self!r} expects a target at least as high and wide as the input "
                f"{format_shape(x.shape)} and otherwise of its shape, got {format_shape(t.shape)}",
                "target", x.shape, t.shape,
            )
        (height, width), (top, left) = x.shape[-2:], [
            (large - small) // 2 for large, small in zip(t.shape[-2:], x.shape[-2:])
        ]
        return x, t[..., top : top + height, left : left + width]


class L1Cost(Criterion):
    """The sum of the absolute values of the input; there is no target.

    Source: https://github.com/torch/nn/blob/master/L1Cost.lua
    """

    def updateOutput(self, input: Any, target: Any = None) -> float:
        self.output = float(np.abs(self._tensor(input)).sum())
        return self.output

    def updateGradInput(self, input: Any, target: Any = None) -> np.ndarray:
        x = self._tensor(input)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        return np.sign(x, out=self.gradInput)


class _Weighted(Elementwise):
    """Base of criterions with ``weights`` for the last dimension of the input."""

    def __init__(self, weights: Any = None, sizeAverage: Optional[bool] = True) -> None:
        super().__init__(sizeAverage)
        self.weights = self._vector(weights)


class BCECriterion(_Weighted):
    """The binary cross-entropy of probabilities and targets, both between 0 and 1.

    ``weights`` ``(D,)`` multiply the terms of an input ``(D,)`` or ``(…, D)``; the loss is the
    mean, or with ``sizeAverage=False`` the sum. 1e-12 is added inside the logarithms.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.BCECriterion
    """

    eps = 1e-12


class MultiLabelSoftMarginCriterion(_Weighted):
    """The binary cross-entropy of the sigmoid of scores, one for each label; targets 0 or 1.

    ``weights`` ``(D,)`` multiply the terms of an input ``(D,)`` or ``(…, D)``; the loss is the
    mean, or with ``sizeAverage=False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MultiLabelSoftMarginCriterion
    """
