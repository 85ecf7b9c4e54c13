"""Criterions that add one term for each element: one table of terms, slopes and checks.

``TABLE`` holds for each criterion how to write the terms of its loss and their derivatives into
a buffer. The loss is the mean of the terms, or with ``sizeAverage=False`` their sum.
"""

from __future__ import annotations

from typing import Any, Callable, ClassVar, NamedTuple, Optional

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.transfer.functions import log1p_exp, logistic
from minigraph.tensors import resize, scratch

Array = np.ndarray


class Loss(NamedTuple):
    """The terms of a loss; ``m`` is the criterion, ``x`` the input, ``t`` the target.

    ``terms(m, x, t, out)`` writes one term for each element into ``out``, ``slopes(m, x, t,
    out)`` their derivatives with respect to ``x``; ``check(m, x, t)`` raises InputError for
    values out of range.
    """

    terms: Callable[[Any, Array, Array, Array], Any]
    slopes: Callable[[Any, Array, Array, Array], Any]
    check: Callable[[Any, Array, Array], Any] = lambda m, x, t: None


def _squares(m: Any, x: Array, t: Array, out: Array) -> None:
    np.subtract(x, t, out=out)
    out *= out


def _squares_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.subtract(x, t, out=out)
    out *= 2


def _distances(m: Any, x: Array, t: Array, out: Array) -> None:
    np.subtract(x, t, out=out)
    np.abs(out, out=out)


def _distances_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.greater_equal(x, t, out=out)
    out *= 2
    out -= 1


def _smooth_distances(m: Any, x: Array, t: Array, out: Array) -> None:
    # with c = min(|d|, 1): c * (|d| - c/2) is d*d/2 below 1 and |d| - 1/2 from there on
    _distances(m, x, t, out)
    clipped = np.minimum(out, 1, out=scratch(x.shape, x.dtype))
    out *= 2
    out -= clipped
    out *= clipped
    out *= 0.5


def _smooth_distances_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.subtract(x, t, out=out)
    np.clip(out, -1, 1, out=out)


def _soft_margins(m: Any, x: Array, t: Array, out: Array) -> None:
    np.multiply(x, t, out=out)
    np.negative(out, out=out)
    log1p_exp(out, out)


def _soft_margins_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.multiply(x, t, out=out)
    np.negative(out, out=out)
    logistic(out, out)
    out *= t
    np.negative(out, out=out)


def _hinges(m: Any, x: Array, t: Array, out: Array) -> None:
    np.multiply(x, t, out=out)
    np.subtract(m.margin, out, out=out)
    np.maximum(out, 0, out=out)


def _hinges_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.multiply(x, t, out=out)
    np.multiply(out < m.margin, t, out=out)
    np.negative(out, out=out)


def _divergences(m: Any, x: Array, t: Array, out: Array) -> None:
    np.fmax(t, 0, out=out)
    none = out == 0
    logarithms = np.add(out, none, out=scratch(x.shape, x.dtype))
    np.log(logarithms, out=logarithms)
    logarithms -= x
    if none.any():  # without a target there is no term, even if the input is -inf
        logarithms[none] = 0
    out *= logarithms


def _divergences_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.fmax(t, 0, out=out)
    np.negative(out, out=out)


def _cross_entropies(m: Any, x: Array, t: Array, out: Array) -> None:
    np.subtract(1, x, out=out)
    out += m.eps
    np.log(out, out=out)
    out *= np.subtract(t, 1, out=scratch(x.shape, x.dtype))
    logarithms = np.add(x, m.eps, out=scratch(x.shape, x.dtype))
    np.log(logarithms, out=logarithms)
    logarithms *= t
    out -= logarithms


def _cross_entropies_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    np.subtract(x, t, out=out)
    out /= np.add(x, m.eps, out=scratch(x.shape, x.dtype))
    complement = np.subtract(1, x, out=scratch(x.shape, x.dtype))
    complement += m.eps
    out /= complement


def _logit_cross_entropies(m: Any, x: Array, t: Array, out: Array) -> None:
    log1p_exp(x, out)
    out -= np.multiply(x, t, out=scratch(x.shape, x.dtype))


def _logit_cross_entropies_slopes(m: Any, x: Array, t: Array, out: Array) -> None:
    logistic(x, out)
    out -= t


def _check_unit(m: Any, values: Array, what: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        bad = values[~((values >= 0) & (values <= 1))][0]
        raise InputError(f"{m!r}: {what} holds {bad:g}, the valid range is 0..1", what, "0..1", bad)


def _check_probabilities(m: Any, x: Array, t: Array) -> None:
    _check_unit(m, x, "input")
    _check_unit(m, t, "target")


TABLE: dict[str, Loss] = {
    "AbsCriterion": Loss(_distances, _distances_slopes),
    "BCECriterion": Loss(_cross_entropies, _cross_entropies_slopes, _check_probabilities),
    "DistKLDivCriterion": Loss(_divergences, _divergences_slopes),
    "MSECriterion": Loss(_squares, _squares_slopes),
    "MarginCriterion": Loss(_hinges, _hinges_slopes, lambda m, x, t: m._signs(t, t.size)),
    "MultiLabelSoftMarginCriterion": Loss(
        _logit_cross_entropies,
        _logit_cross_entropies_slopes,
        lambda m, x, t: _check_unit(m, t, "target"),
    ),
    "SmoothL1Criterion": Loss(_smooth_distances, _smooth_distances_slopes),
    "SoftMarginCriterion": Loss(
        _soft_margins, _soft_margins_slopes, lambda m, x, t: m._signs(t, t.size)
    ),
}


class Elementwise(Criterion):
    """Base of the criterions of ``TABLE``: input of any shape, target of as many elements.

    A subclass named like an entry of ``TABLE`` runs that entry, any other its parent's.
    """

    _buffers = ("_terms",)
    _terms: Optional[Array] = None
    _loss: ClassVar[Loss]
    sizeAverage: bool = True
    weights: Optional[Array] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__name__ in TABLE and cls.__module__.startswith("minigraph."):
            cls._loss = TABLE[cls.__name__]

    def __init__(self, sizeAverage: Optional[bool] = True) -> None:
        self.sizeAverage = sizeAverage is None or bool(sizeAverage)

    def _pair(self, input: Any, target: Any) -> tuple[Array, Array]:
        """Return input and target as arrays of one shape, checked."""
        x = self._tensor(input)
        t = self._like(target, x)
        self._loss.check(self, x, t)
        return x, t

    def _weigh(self, values: Array) -> None:
        if self.weights is None:
            return
        try:
            values *= self.weights
        except ValueError:
            raise InputError(
                f"{self!r}: weights of shape {format_shape(self.weights.shape)} do not fit "
                f"an input of shape {format_shape(values.shape)}",
                "weights", values.shape, self.weights.shape,
            ) from None

    def updateOutput(self, input: Any, target: Any) -> float:
        x, t = self._pair(input, target)
        terms = self._terms = resize(self._terms, x.shape, self.dtype)
        self._loss.terms(self, x, t, terms)
        self._weigh(terms)
        self.output = float(terms.sum()) / (x.size or 1 if self.sizeAverage else 1)
        return self.output

    def updateGradInput(self, input: Any, target: Any) -> Array:
        x, t = self._pair(input, target)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        self._loss.slopes(self, x, t, self.gradInput)
        self._weigh(self.gradInput)
        if self.sizeAverage:
            self.gradInput *= 1 / (x.size or 1)
        return self.gradInput
