"""Layers of sparse input. Going backwards they keep what they were given, which only they can."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.registry import is_value, lowers, need
from minigraph.compiler.program.ir import Value


def _chosen(b: Any, weight: Any, keys: Value, values: Value) -> Value:
    """The rows of ``weight`` at 1-based keys times their values."""
    rows = b.emit("take", b.constant(weight), b.emit("to_index", keys, count=len(weight)))
    return b.mul(rows, b.reshape(values, (*values.shape, 1)))


def _below(b: Any, rows: list[Value]) -> Value:
    return b.concat([b.reshape(row, (1, *row.shape)) for row in rows], 0)


@lowers(nn.SparseLinear)
def _sparse_linear(b: Any, module: nn.SparseLinear, x: Any) -> Value:
    need(b.forward_only)

    def sample(pairs: Value) -> Value:
        # Rows of value 0 may have any index: it is brought into the range, and counts nothing.
        keys = b.emit("maximum", b.emit("minimum", b.select(pairs, -1, 0), module.weight.shape[1]), 1.0)
        terms = _chosen(b, module.weight.T, keys, b.select(pairs, -1, 1))
        return b.add(b.sum(terms, [-2]), b.parameter(module, "bias"))

    return sample(x) if is_value(x) else _below(b, [sample(pairs) for pairs in x])


@lowers(nn.IndexLinear)
def _index_linear(b: Any, module: nn.IndexLinear, x: list[Any]) -> Value:
    need(b.forward_only)
    notes, weight = np.split(module.weight, [module.normalize], axis=1)

    def terms(keys: Value, values: Value) -> Value:
        keys = b.add(keys, module.offset + 1.0)
        if module.normalize:
            values = _normalised(b, notes, b.emit("to_index", keys, count=len(notes)), values)
        return _chosen(b, weight, keys, values)

    if len(x) == 3:
        total = b.matmul(_membership(b, x[2], x[0].shape[0]), terms(x[0], x[1]))
    elif is_value(x[0]):
        total = b.sum(terms(*x), [0])
    else:
        total = _below(b, [b.sum(terms(*pair), [0]) for pair in zip(*x)])
    return b.add(total, b.parameter(module, "bias"))


def _normalised(b: Any, notes: np.ndarray, index: Value, values: Value) -> Value:
    """Divide values by the largest that their keys had in training; the sign of what is larger."""
    largest, inverse, _, offset = (
        b.reshape(b.emit("take", b.constant(column[:, None]), index), values.shape) for column in notes.T
    )
    outside = b.emit("greater", b.emit("abs", values), largest)
    return b.add(b.where(outside, b.emit("sign", values), b.mul(values, inverse)), offset)


def _membership(b: Any, sizes: Value, count: int) -> Value:
    """A row for each sample: 1 at the entries that are its, ``sizes`` of them one after the other."""
    column = b.reshape(sizes, (sizes.size, 1))
    ends = b.matmul(b.constant(np.tri(sizes.size)), column)
    places = b.constant(np.arange(count))
    from_start = b.emit("less_equal", b.sub(ends, column), places)
    return b.mul(from_start, b.emit("greater", ends, places))
