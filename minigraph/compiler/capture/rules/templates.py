"""Layers that compare the input with learned templates: Euclidean, WeightedEuclidean, Cosine, Kmeans."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import with_slope
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value


def _rows(b: Any, x: Value) -> Value:
    return b.reshape(x, (1, *x.shape)) if x.ndim == 1 else x


@lowers(nn.Euclidean, nn.WeightedEuclidean)
def _euclidean(b: Any, module: nn.Euclidean, x: Value) -> Value:
    rows = _rows(b, x)
    difference = b.sub(b.reshape(rows, (*rows.shape, 1)), b.parameter(module, "weight"))
    if isinstance(module, nn.WeightedEuclidean):
        difference = b.mul(difference, b.parameter(module, "diagCov"))
    distance = b.emit("sqrt", b.sum(b.mul(difference, difference), [-2], keepdims=True))
    slope = b.div(difference, b.add(distance, 1e-7))  # Torch's guard against a distance of zero
    return b.reshape(with_slope(b, distance, difference, slope), b.observed(module).shape)


def _lengths(b: Any, vectors: Value) -> Value:
    """The lengths of rows, a column; a little more, against a division by zero, also in the slope."""
    lengths = b.add(b.emit("sqrt", b.sum(b.mul(vectors, vectors), [-1], keepdims=True)), 1e-12)
    return with_slope(b, lengths, vectors, b.div(vectors, lengths))


@lowers(nn.Cosine)
def _cosine(b: Any, module: nn.Cosine, x: Value) -> Value:
    rows, weight = _rows(b, x), b.parameter(module, "weight")
    product = b.div(b.product(rows, weight), b.reshape(_lengths(b, weight), (1, weight.shape[0])))
    return b.reshape(b.div(product, _lengths(b, rows)), b.observed(module).shape)


@lowers(nn.Kmeans)
def _nearest(b: Any, module: nn.Kmeans, x: Value) -> Value:
    need(b.forward_only)  # it has a criterion of its own, and keeps the loss
    difference = b.sub(b.reshape(x, (x.shape[0], 1, x.shape[1])), b.parameter(module, "weight"))
    closeness = b.emit("neg", b.sum(b.mul(difference, difference), [-1]))
    return b.add(b.emit("argmax", closeness), 1.0)
