"""Criterions as nodes: the loss of ``[prediction, target]``, shape ``(1,)``.

``LOSSES[criterion class](b, criterion, x, t)`` writes the loss as a value without axes. Nothing goes
back to a target.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import detached, with_slope
from minigraph.compiler.capture.rules.registry import NotLowered, inherited, is_value, lowers, need
from minigraph.compiler.capture.rules.softmax import log_softmax
from minigraph.compiler.capture.rules.transfer import clipped
from minigraph.compiler.program.ir import Value
from minigraph.tables import map_table

#: (writer, criterion, input, target) -> the loss.
Loss = Callable[[Any, Any, Any, Any], Value]
LOSSES: dict[type, Loss] = {}


def loss(*classes: type) -> Callable[[Loss], Loss]:
    """Enter the decorated function as the loss of these classes of criterions."""

    def enter(written: Loss) -> Loss:
        LOSSES.update(dict.fromkeys(classes, written))
        return written

    return enter


def write_loss(b: Any, criterion: Any, x: Any, t: Any) -> Value:
    """Write the loss of any criterion that there is an entry for, else raise NotLowered."""
    written = inherited(LOSSES, type(criterion))
    if written is None:
        raise NotLowered
    return written(b, criterion, x, t)


@lowers(nn.ModuleFromCriterion, nn.CriterionTable)
def _criterion(b: Any, module: nn.ModuleFromCriterion, x: Any) -> Value:
    prediction, target, _ = module.parts(x)
    return b.reshape(write_loss(b, module.criterion, prediction, target), (1,))


# -- a term for each element -----------------------------------------------------------------------


def _like(b: Any, t: Value, x: Value) -> Value:
    return detached(b, b.reshape(t, x.shape))


def _mean(b: Any, criterion: Any, terms: Value) -> Value:
    """The mean of the terms, or their sum."""
    total = b.sum(terms, range(terms.ndim))
    return b.div(total, terms.size or 1) if criterion.sizeAverage else total


@loss(nn.MSECriterion)
def _squares(b: Any, criterion: nn.MSECriterion, x: Value, t: Value) -> Value:
    difference = b.sub(x, _like(b, t, x))
    return _mean(b, criterion, b.mul(difference, difference))


@loss(nn.SpatialAutoCropMSECriterion)
def _cropped_squares(b: Any, criterion: nn.SpatialAutoCropMSECriterion, x: Value, t: Value) -> Value:
    for axis in (-2, -1):
        start = (t.shape[axis] - x.shape[axis]) // 2
        t = b.slice(t, axis, start, start + x.shape[axis])
    return _squares(b, criterion, x, t)


@loss(nn.ClassSimplexCriterion)
def _corner_squares(b: Any, criterion: nn.ClassSimplexCriterion, x: Value, t: Value) -> Value:
    labels = b.reshape(t, (x.size // x.shape[-1],))
    index = b.emit("to_index", labels, count=criterion.nClasses)
    return _squares(b, criterion, x, b.emit("take", b.constant(criterion.simplex), index))


@loss(nn.WeightedMSECriterion)
def _weighted_squares(b: Any, criterion: nn.WeightedMSECriterion, x: Value, t: Value) -> Value:
    difference = b.sub(x, b.mul(_like(b, t, x), b.constant(criterion.weight)))
    return _mean(b, criterion, b.mul(difference, difference))


@loss(nn.AbsCriterion)
def _distances(b: Any, criterion: nn.AbsCriterion, x: Value, t: Value) -> Value:
    difference = b.sub(x, _like(b, t, x))
    return _mean(b, criterion, b.mul(difference, b.where(b.emit("less", difference, 0.0), -1.0, 1.0)))


@loss(nn.SmoothL1Criterion)
def _smooth_distances(b: Any, criterion: nn.SmoothL1Criterion, x: Value, t: Value) -> Value:
    # with c = clip(d, -1, 1), which is the slope: c * d - c * c / 2
    difference = b.sub(x, _like(b, t, x))
    slope = detached(b, clipped(b, difference, -1.0, 1.0))
    return _mean(b, criterion, b.mul(slope, b.sub(difference, b.mul(slope, 0.5))))


@loss(nn.DistKLDivCriterion)
def _divergences(b: Any, criterion: nn.DistKLDivCriterion, x: Value, t: Value) -> Value:
    t = _like(b, t, x)
    some = b.emit("greater", t, 0.0)
    logarithms = b.sub(b.emit("log", b.where(some, t, 1.0)), x)
    return _mean(b, criterion, b.mul(b.where(some, t, 0.0), b.where(some, logarithms, 0.0)))


def _in_range(b: Any, value: Value, low: float, high: float) -> Value:
    """Return ``value``; a run in which some of it is out of range is left to the network itself."""
    return b.emit("in_range", value, low=low, high=high)


def _weigh(b: Any, criterion: Any, values: Value) -> Value:
    return values if criterion.weights is None else b.mul(values, b.constant(criterion.weights))


@loss(nn.BCECriterion)
def _cross_entropies(b: Any, criterion: nn.BCECriterion, x: Value, t: Value) -> Value:
    x, t = _in_range(b, x, 0, 1), _in_range(b, _like(b, t, x), 0, 1)
    first, second = b.add(x, criterion.eps), b.add(b.sub(1.0, x), criterion.eps)
    terms = b.sub(b.mul(b.sub(t, 1.0), b.emit("log", second)), b.mul(t, b.emit("log", first)))
    # As Torch has it: without the small number where it makes no difference.
    slopes = b.div(b.div(b.sub(x, t), first), second)
    return _mean(b, criterion, with_slope(b, _weigh(b, criterion, terms), x, _weigh(b, criterion, slopes)))


def log1p_exp(b: Any, x: Value) -> Value:
    """log(1 + exp(x)) without overflow."""
    tail = b.emit("log1p", b.emit("exp", b.emit("neg", b.emit("abs", x))))
    return b.add(b.emit("maximum", x, 0.0), tail)


@loss(nn.MultiLabelSoftMarginCriterion)
def _logit_cross_entropies(
    b: Any, criterion: nn.MultiLabelSoftMarginCriterion, x: Value, t: Value
) -> Value:
    t = _in_range(b, _like(b, t, x), 0, 1)
    terms = b.sub(log1p_exp(b, x), b.mul(x, t))
    slopes = b.sub(b.emit("sigmoid", x), t)
    return _mean(b, criterion, with_slope(b, _weigh(b, criterion, terms), x, _weigh(b, criterion, slopes)))


def signs(b: Any, t: Value, x: Value) -> Value:
    """Return targets that are 1 or -1."""
    t = _like(b, t, x)
    size = _in_range(b, b.emit("abs", t), 1, 1)
    return b.mul(b.emit("sign", t), size)


@loss(nn.MarginCriterion)
def _hinges(b: Any, criterion: nn.MarginCriterion, x: Value, t: Value) -> Value:
    product = b.mul(x, signs(b, t, x))
    inside = b.emit("less", product, criterion.margin)
    return _mean(b, criterion, b.where(inside, b.sub(criterion.margin, product), 0.0))


@loss(nn.SoftMarginCriterion)
def _soft_margins(b: Any, criterion: nn.SoftMarginCriterion, x: Value, t: Value) -> Value:
    labels = signs(b, t, x)
    bad = b.emit("neg", b.mul(x, labels))
    slopes = b.emit("neg", b.mul(b.emit("sigmoid", bad), labels))
    return _mean(b, criterion, with_slope(b, log1p_exp(b, bad), x, slopes))


@loss(nn.L1Cost)
def _cost(b: Any, criterion: nn.L1Cost, x: Value, t: Any) -> Value:
    return b.sum(b.emit("abs", x), range(x.ndim))


# -- classes ---------------------------------------------------------------------------------------


def _nll(
    b: Any, logarithms: Value, t: Value, weights: Optional[np.ndarray], mean: bool, ignored: int
) -> Value:
    """Write the negative log-likelihood of 1-based classes, the last axis of ``logarithms``."""
    labels = b.reshape(t, logarithms.shape[:-1])
    counts = b.sub(1.0, b.emit("equal", labels, ignored))
    classes = logarithms.shape[-1]
    index = b.emit("to_index", b.where(counts, labels, 1.0), count=classes)
    if weights is not None:
        taken = b.emit("take", b.constant(np.reshape(weights, (-1, 1))), index)
        counts = b.mul(counts, b.reshape(taken, labels.shape))
    everything = range(labels.ndim)
    likely = b.emit("neg", b.sum(b.mul(b.emit("pick", logarithms, index), counts), everything))
    if not mean:
        return likely
    total = b.sum(counts, everything)
    return b.div(likely, b.where(total, total, 1.0))


def rows(b: Any, x: Value) -> Value:
    """Return a tensor with a batch in front, of one sample if there is none."""
    return b.reshape(x, (1, *x.shape)) if x.ndim == 1 else x


@loss(nn.ClassNLLCriterion)
def _class_nll(b: Any, criterion: nn.ClassNLLCriterion, x: Value, t: Value) -> Value:
    return _nll(b, rows(b, x), t, criterion.weights, criterion.sizeAverage, criterion.ignoreIndex)


@loss(nn.SpatialClassNLLCriterion)
def _spatial_nll(b: Any, criterion: nn.SpatialClassNLLCriterion, x: Value, t: Value) -> Value:
    places = b.transpose(x, (0, 2, 3, 1))
    return _nll(b, places, t, criterion.weights, criterion.sizeAverage, criterion.ignoreIndex)


@loss(nn.CrossEntropyCriterion)
def _cross_entropy(b: Any, criterion: nn.CrossEntropyCriterion, x: Value, t: Value) -> Value:
    if t.size == 1 or x.ndim != 2:
        x = b.reshape(x, [size for size in x.shape if size != 1] or (1,))
    need(x.ndim <= 2)
    nll = criterion.nll
    logarithms = rows(b, log_softmax(b, criterion.lsm, x))
    return _nll(b, logarithms, t, nll.weights, criterion.sizeAverage, nll.ignoreIndex)


# -- sums of criterions ------------------------------------------------------------------------------


def _weighted(b: Any, criterion: Any, inputs: list[Any], targets: list[Any]) -> Value:
    if not criterion.criterions:
        return b.constant(0.0)
    return b.total(
        b.mul(write_loss(b, part, x, t), weight)
        for part, weight, x, t in zip(criterion.criterions, criterion.weights, inputs, targets)
    )


@loss(nn.MultiCriterion)
def _multi(b: Any, criterion: nn.MultiCriterion, x: Any, t: Any) -> Value:
    count = len(criterion.criterions)
    return _weighted(b, criterion, [x] * count, [t] * count)


@loss(nn.ParallelCriterion)
def _parallel(b: Any, criterion: nn.ParallelCriterion, x: list[Any], t: Any) -> Value:
    need(criterion.repeatTarget or not is_value(t))
    targets = [t] * len(x) if criterion.repeatTarget or t is None else t
    return _weighted(b, criterion, x, targets)


@loss(nn.ModuleCriterion)
def _of_modules(b: Any, criterion: nn.ModuleCriterion, x: Any, t: Any) -> Value:
    if criterion.inputModule is not None:
        # What its parameters' gradients become is the criterion's own: a network has no part in it.
        need(b.forward_only or not criterion.inputModule.parameters()[0])
        x = b.lower(criterion.inputModule, x)
    if criterion.targetModule is not None and t is not None:
        t = map_table(lambda value: detached(b, value), b.lower(criterion.targetModule, t))
    return write_loss(b, criterion.criterion, x, t)
