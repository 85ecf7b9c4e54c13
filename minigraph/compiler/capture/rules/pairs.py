"""Layers of two tensors: products, measures, mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import with_slope
from minigraph.compiler.capture.rules.registry import is_value, lowers, need
from minigraph.compiler.program.ir import Value
from minigraph.nn.simple.shape import axis_of


@lowers(nn.MM)
def _matrix_product(b: Any, module: nn.MM, x: list[Value]) -> Value:
    return b.matmul(*x, module.transA, module.transB)


@lowers(nn.MV)
def _matrix_vector(b: Any, module: nn.MV, x: list[Value]) -> Value:
    matrix, vector = x
    product = b.matmul(matrix, b.reshape(vector, (*vector.shape, 1)), module.trans, False)
    return b.reshape(product, product.shape[:-1])


def _dot(b: Any, first: Value, second: Value) -> Value:
    """The products of the rows of two tensors, with the last axis kept."""
    return b.sum(b.mul(first, second), [-1], keepdims=True)


@lowers(nn.DotProduct)
def _dot_product(b: Any, module: nn.DotProduct, x: list[Value]) -> Value:
    return b.reshape(_dot(b, *x), b.observed(module).shape)


@lowers(nn.CosineDistance)
def _cosine(b: Any, module: nn.CosineDistance, x: list[Value]) -> Value:
    squares = [b.add(_dot(b, each, each), 1e-12) for each in x]
    cosine = b.div(_dot(b, *x), b.emit("sqrt", b.mul(*squares)))
    return b.reshape(cosine, b.observed(module).shape)


@lowers(nn.PairwiseDistance)
def _distance(b: Any, module: nn.PairwiseDistance, x: list[Value]) -> Value:
    p, difference = module.norm, b.sub(*x)
    need(p != 1 or b.forward_only)  # where entries are equal Torch draws the gradient at random
    if p == 2:
        distance = b.emit("sqrt", _dot(b, difference, difference))
        slope = b.div(difference, b.add(distance, 1e-6))  # Torch's guard against a distance of zero
    elif np.isinf(p):
        size = b.emit("abs", difference)
        distance = b.max(size, [-1], keepdims=True)
        slope = b.mul(b.emit("sign", difference), b.emit("equal", size, distance))
    else:
        size = b.emit("abs", difference)
        distance = b.emit("power", b.sum(b.emit("power", size, p), [-1], keepdims=True), 1.0 / p)
        some = b.where(size, size, 1.0)  # no division by zero: its factor is 0
        powers = b.mul(b.emit("power", some, p - 2.0), difference)
        slope = b.mul(powers, b.emit("power", b.add(distance, 1e-6), 1.0 - p))
    return b.reshape(with_slope(b, distance, difference, slope), b.observed(module).shape)


@lowers(nn.MixtureTable)
def _mixture(b: Any, module: nn.MixtureTable, x: list[Any]) -> Value:
    gater, experts = x
    batch = gater.shape[:-1]
    if not is_value(experts):
        gates = [b.slice(gater, -1, k, k + 1) for k in range(len(experts))]
        shapes = [(*batch, *(1,) * (expert.ndim - len(batch))) for expert in experts]
        return b.total(
            b.mul(b.reshape(gate, shape), expert) for gate, shape, expert in zip(gates, shapes, experts)
        )
    axis = axis_of(module.dim or gater.ndim, experts.ndim, module)
    others = [k for k in range(experts.ndim) if k != axis]
    # The batch first, then the experts, as the gater has them.
    experts = b.transpose(experts, [*others[: len(batch)], axis, *others[len(batch) :]])
    gates = b.reshape(gater, (*gater.shape, *(1,) * (experts.ndim - gater.ndim)))
    return b.sum(b.mul(gates, experts), [len(batch)])
