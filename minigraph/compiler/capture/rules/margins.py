"""Criterions with a margin, and criterions of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.criterions import log1p_exp, loss, rows, signs
from minigraph.compiler.capture.rules.gradient import detached, with_slope
from minigraph.compiler.capture.rules.registry import need
from minigraph.compiler.capture.rules.transfer import rectified
from minigraph.compiler.program.ir import Value


def _total(b: Any, terms: Value, count: float) -> Value:
    total = b.sum(terms, range(terms.ndim))
    return total if count == 1 else b.div(total, count)


# -- classes -----------------------------------------------------------------------------------------


def _over_classes(b: Any, criterion: Any, x: Value, excess: Value) -> Value:
    """The sum divided by the number of classes, averaged over the samples or added up."""
    return _total(b, excess, x.size if criterion.sizeAverage else x.shape[-1])


@loss(nn.MultiMarginCriterion)
def _multi_margin(b: Any, criterion: nn.MultiMarginCriterion, x: Value, t: Value) -> Value:
    x = rows(b, x)
    index = b.emit("to_index", b.reshape(t, (x.shape[0],)), count=x.shape[1])
    own = b.reshape(b.emit("pick", x, index), (x.shape[0], 1))
    excess = rectified(b, b.add(b.sub(x, own), criterion.margin))
    excess = b.where(b.emit("spread", 1.0, index, size=x.shape[1]), 0.0, excess)
    if criterion.p == 2:
        excess = b.mul(excess, excess)
    if criterion.weights is not None:
        excess = b.mul(excess, b.emit("take", b.constant(np.reshape(criterion.weights, (-1, 1))), index))
    return _over_classes(b, criterion, x, excess)


@loss(nn.MultiLabelMarginCriterion)
def _multi_label_margin(b: Any, criterion: nn.MultiLabelMarginCriterion, x: Value, t: Value) -> Value:
    x, labels = rows(b, x), rows(b, t)
    samples, classes = x.shape
    none = b.emit("equal", labels, 0.0)
    index = b.emit("to_index", b.where(none, 1.0, labels), count=classes)
    # A label counts if there is no zero up to it.
    kept = b.emit("equal", b.matmul(none, b.constant(np.tri(classes).T)), 0.0)
    marked = b.max(b.emit("spread", kept, index, size=classes), [1], keepdims=True)
    wide = b.expand(b.reshape(x, (samples, 1, classes)), (samples, classes, classes))
    own = b.reshape(b.emit("pick", wide, index), (samples, classes, 1))
    excess = rectified(b, b.add(b.sub(wide, own), 1.0))
    counted = detached(b, b.mul(b.sub(1.0, marked), b.reshape(kept, (samples, classes, 1))))
    return _over_classes(b, criterion, x, b.mul(excess, counted))


# -- distances and pairs -----------------------------------------------------------------------------


@loss(nn.HingeEmbeddingCriterion)
def _hinge_embedding(b: Any, criterion: nn.HingeEmbeddingCriterion, x: Value, t: Value) -> Value:
    similar = b.emit("greater", signs(b, t, x), 0.0)
    near = b.where(b.emit("less_equal", x, criterion.margin), b.sub(criterion.margin, x), 0.0)
    return _total(b, b.where(similar, x, near), x.size or 1 if criterion.sizeAverage else 1)


@loss(nn.L1HingeEmbeddingCriterion)
def _l1_hinge_embedding(b: Any, criterion: nn.L1HingeEmbeddingCriterion, x: list[Value], t: Value) -> Value:
    need(b.forward_only)  # where entries are equal Torch draws the gradient at random
    distance = b.reshape(_total(b, b.emit("abs", b.sub(*x)), 1), (1,))
    similar = b.emit("greater", signs(b, t, distance), 0.0)
    near = b.emit("maximum", b.sub(criterion.margin, distance), 0.0)
    return b.reshape(b.where(similar, distance, near), ())


@loss(nn.CosineEmbeddingCriterion)
def _cosine_embedding(b: Any, criterion: nn.CosineEmbeddingCriterion, x: list[Value], t: Value) -> Value:
    units = []
    for each in (rows(b, entry) for entry in x):
        square = b.add(b.sum(b.mul(each, each), [-1], keepdims=True), 1e-12)
        units.append(b.div(each, b.emit("sqrt", square)))
    cosines = b.sum(b.mul(*units), [-1])
    similar = b.emit("greater", signs(b, t, cosines), 0.0)
    terms = rectified(b, b.where(similar, b.sub(1.0, cosines), b.sub(cosines, criterion.margin)))
    return _total(b, terms, terms.size if criterion.sizeAverage else 1)


@loss(nn.MarginRankingCriterion)
def _margin_ranking(b: Any, criterion: nn.MarginRankingCriterion, x: list[Value], t: Value) -> Value:
    difference = b.sub(*x)
    short = b.sub(criterion.margin, b.mul(signs(b, t, difference), difference))
    terms = b.where(b.emit("less", short, 0.0), 0.0, short)
    return _total(b, terms, t.shape[0] if t.ndim and criterion.sizeAverage else 1)


@loss(nn.DistanceRatioCriterion)
def _distance_ratio(b: Any, criterion: nn.DistanceRatioCriterion, x: list[Value], t: Any) -> Value:
    difference = b.sub(*x)
    terms = with_slope(b, log1p_exp(b, difference), difference, b.emit("sigmoid", difference))
    return _total(b, terms, (difference.ndim and criterion.sizeAverage and difference.shape[0]) or 1)
