"""Criterions for distances and pairs: Hinge-, L1Hinge- and CosineEmbedding, MarginRanking, …"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.transfer.functions import log1p_exp, logistic
from minigraph.random import generator
from minigraph.tables import describe
from minigraph.tensors import resize


class HingeEmbeddingCriterion(Criterion):
    """For distances x: x where the target is 1, max(0, margin - x) where it is -1.

    Input of any shape, a target of as many elements. The loss is the mean, with the attribute
    ``sizeAverage`` set to ``False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.HingeEmbeddingCriterion
    """

    sizeAverage: bool = True

    def __init__(self, margin: Optional[float] = 1) -> None:
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: Any, target: Any) -> float:
        x = self._tensor(input)
        similar = self._signs(target, x.size).reshape(x.shape) > 0
        terms = np.where(similar, x, np.maximum(self.margin - x, 0))
        self.output = float(terms.sum()) / (x.size or 1 if self.sizeAverage else 1)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> np.ndarray:
        x = self._tensor(input)
        labels = self._signs(target, x.size).reshape(x.shape)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        np.multiply(labels, (labels > 0) | (x <= self.margin), out=self.gradInput)
        if self.sizeAverage:
            self.gradInput *= 1 / (x.size or 1)
        return self.gradInput


class _Pair(Criterion):
    """Base of criterions of a table of two tensors of one shape."""

    takesTable = True

    def _pair(self, input: Any, *ranks: int) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._table(input, length=2)
        x1 = self._tensor(first, *ranks, what="input[1]")
        x2 = self._tensor(second, *ranks, what="input[2]")
        if x1.shape != x2.shape:
            raise InputError(
                f"{self!r} expects two tensors of one shape, got {describe([x1, x2])}",
                "input[2]", x1.shape, x2.shape,
            )
        return x1, x2

    def _gradients(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the two buffers of ``gradInput``, contents undefined."""
        old = self.gradInput or (None, None)
        self.gradInput = [resize(buffer, shape, self.dtype) for buffer in old]
        return self.gradInput[0], self.gradInput[1]


class L1HingeEmbeddingCriterion(_Pair):
    """For the L1 distance d of two tensors: d if the target is 1, max(0, margin - d) if -1.

    Where the tensors are equal the gradient is 1 or -1 at random, as in Torch.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.L1HingeEmbeddingCriterion
    """

    def __init__(self, margin: Optional[float] = 1) -> None:
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: Any, target: Any) -> float:
        x1, x2 = self._pair(input)
        similar = self._signs(target, 1)[0] > 0
        distance = float(np.abs(x1 - x2).sum())
        self.output = distance if similar else max(0.0, self.margin - distance)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> list[np.ndarray]:
        x1, x2 = self._pair(input)
        similar = self._signs(target, 1)[0] > 0
        first, second = self._gradients(x1.shape)
        np.subtract(x1, x2, out=first)
        far = float(np.abs(first).sum()) > self.margin
        np.sign(first, out=first)
        equal = first == 0
        first[equal] = generator.raw(int(np.count_nonzero(equal))) % 2 * 2.0 - 1
        if not similar:
            first *= 0 if far else -1
        np.negative(first, out=second)
        return self.gradInput


class CosineEmbeddingCriterion(_Pair):
    """For the cosine c of two vectors: 1 - c if the target is 1, max(0, c - margin) if -1.

    Two tensors ``(D,)`` with a number as target, or ``(B, D)`` with targets ``(B,)``. The loss
    is the mean over the samples, with the attribute ``sizeAverage`` set to ``False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.CosineEmbeddingCriterion
    """

    sizeAverage: bool = True

    def __init__(self, margin: Optional[float] = 0) -> None:
        self.margin = 0 if margin is None else margin

    def _cosines(self, input: Any, target: Any) -> tuple[Any, Any, np.ndarray, np.ndarray, np.ndarray]:
        """Return both tensors ``(B, D)`` over their lengths, the lengths, and for each sample
        the sign with which its cosine enters the loss (0 where it does not), and the loss."""
        x1, x2 = (np.atleast_2d(x) for x in self._pair(input, 1, 2))
        labels = self._signs(target, len(x1))
        lengths = np.sqrt(np.stack([(x * x).sum(1) for x in (x1, x2)]) + 1e-12)
        unit1, unit2 = x1 / lengths[0][:, None], x2 / lengths[1][:, None]
        cosines = (unit1 * unit2).sum(1)
        losses = np.where(labels > 0, 1 - cosines, np.maximum(cosines - self.margin, 0))
        return unit1, unit2, lengths, -labels * (losses > 0), losses

    def updateOutput(self, input: Any, target: Any) -> float:
        losses = self._cosines(input, target)[4]
        self.output = float(losses.sum()) / (len(losses) if self.sizeAverage else 1)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> list[np.ndarray]:
        unit1, unit2, lengths, signs, _ = self._cosines(input, target)
        cosines = (unit1 * unit2).sum(1, keepdims=True)
        scale = signs / len(signs) if self.sizeAverage else signs
        first, second = self._gradients(np.shape(input[0]))
        for gradient, own, other, length in (
            (first, unit1, unit2, lengths[0]),
            (second, unit2, unit1, lengths[1]),
        ):
            # d cos / d x1 = (x2/|x2| - cos * x1/|x1|) / |x1|
            rows = gradient.reshape(own.shape)
            np.multiply(own, -cosines, out=rows)
            rows += other
            rows *= (scale / length)[:, None]
        return self.gradInput


class MarginRankingCriterion(_Pair):
    """max(0, -y * (x1 - x2) + margin): the first should be larger if y is 1, smaller if -1.

    Two tensors of one element with a number as target, or ``(B,)`` with targets ``(B,)``. The
    loss is the mean over the batch, with the attribute ``sizeAverage`` set to ``False`` the sum.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MarginRankingCriterion
    """

    sizeAverage: bool = True

    def __init__(self, margin: Optional[float] = 1) -> None:
        self.margin = 1 if margin is None else margin

    def _ranks(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray, int]:
        """Return how far each pair falls short, the labels, and what the sum is divided by."""
        x1, x2 = self._pair(input)
        labels = self._signs(target, x1.size).reshape(x1.shape)
        count = np.shape(target)[0] if np.ndim(target) and self.sizeAverage else 1
        return self.margin - labels * (x1 - x2), labels, count

    def updateOutput(self, input: Any, target: Any) -> float:
        short, _, count = self._ranks(input, target)
        self.output = float(np.maximum(short, 0).sum()) / count
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> list[np.ndarray]:
        short, labels, count = self._ranks(input, target)
        first, second = self._gradients(short.shape)
        np.multiply(labels, short >= 0, out=second)
        second /= count
        np.negative(second, out=first)
        return self.gradInput


class DistanceRatioCriterion(_Pair):
    """-log(exp(-x) / (exp(-x) + exp(-y))) of distances x of similar, y of dissimilar samples.

    Two tensors ``(B,)`` (or ``(B, …)``); there is no target. The loss is the sum over all
    elements divided by B, with ``sizeAverage=False`` the sum.
    Source: https://arxiv.org/abs/1610.00243
    """

    def __init__(self, sizeAverage: Optional[bool] = True) -> None:
        self.sizeAverage = sizeAverage is None or bool(sizeAverage)

    def _differences(self, input: Any) -> tuple[np.ndarray, int]:
        similar, dissimilar = self._pair(input)
        batched = self.sizeAverage and similar.ndim and len(similar)
        return similar - dissimilar, len(similar) if batched else 1

    def updateOutput(self, input: Any, target: Any = None) -> float:
        differences, count = self._differences(input)
        terms = log1p_exp(differences, differences)
        self.output = float(terms.sum()) / count
        return self.output

    def updateGradInput(self, input: Any, target: Any = None) -> list[np.ndarray]:
        differences, count = self._differences(input)
        first, second = self._gradients(differences.shape)
        logistic(differences, first)
        first /= count
        np.negative(first, out=second)
        return self.gradInput
