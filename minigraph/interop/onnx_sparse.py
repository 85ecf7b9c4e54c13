"""The table of converters to ONNX: layers that pick rows, entries or outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.interop.onnx_formula import Formula
from minigraph.interop.walker import Converter, Unconvertible


def _partial_linear(export: Any, m: Any, value: Any, name: str) -> str:
    if m.partition is None:
        weight = export.weight(m.weight, f"{name}.weight")
    else:
        weight = export.constant(m.weight[m.partition], f"{name}.weight")
    bias = [] if m.bias is None else [export.constant(m._chosen(m.bias[0]), f"{name}.bias")]
    return str(export.op("Gemm", [value.name, weight, *bias], name, transB=1))


def _sparse_linear(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    # Rows of value 0 may have any index: they are clipped and then count nothing.
    weight, bias = export.constant(m.weight.T, f"{name}.weight"), export.weight(m.bias, f"{name}.bias")

    def sample(pairs: Any, dimensions: int) -> str:
        x = f.number(pairs)
        indices = f("Cast", f("Gather", x, 0, axis=dimensions - 1), to=7)
        rows = f("Sub", f("Min", f("Max", indices, 1), m.weight.shape[1]), 1)
        values = f("Unsqueeze", f("Gather", x, 1, axis=dimensions - 1), [-1])
        terms = f("Mul", f("Gather", weight, rows, axis=0), values)
        return f("Add", f.total(terms, False, [dimensions - 2]), bias)

    if not isinstance(value, list):
        return f("Identity", sample(value, value.example.ndim), called=name)
    samples = [f("Unsqueeze", sample(pairs, 2), [0]) for pairs in value]
    return f("Concat", *samples, called=name, axis=0)


def _index_linear(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    weight = export.constant(m.weight[:, m.normalize :], f"{name}.weight")
    bias = export.weight(m.bias, f"{name}.bias")
    notes = export.constant(m.weight[:, : m.normalize], f"{name}.notes") if m.normalize else ""

    def terms(keys: Any, values: Any) -> str:
        rows = f("Add", f("Cast", keys.name, to=7), int(m.offset))
        x = f.number(values)
        if m.normalize:
            largest, inverse, _, offset = (
                f("Gather", f("Gather", notes, rows, axis=0), column, axis=1) for column in range(4)
            )
            outside = f("Greater", f("Abs", x), largest)
            x = f("Add", f("Where", outside, f("Sign", x), f("Mul", x, inverse)), offset)
        return f("Mul", f("Gather", weight, rows, axis=0), f("Unsqueeze", x, [-1]))

    if m._single(value):
        return f("Add", f.total(terms(*value), False, [0]), bias, called=name)
    if len(value) == 2:
        sums = [f.total(terms(*pair), False, [0]) for pair in zip(*value)]
        rows = [f("Unsqueeze", row, [0]) for row in sums]
        return f("Add", f("Concat", *rows, axis=0), bias, called=name)
    # Which entry is whose: entry i belongs to the sample whose counts end first beyond i.
    sizes = f("Reshape", f("Cast", value[2].name, to=7), [-1])
    ends = f("Unsqueeze", f("CumSum", sizes, 0), [1])
    starts = f("Sub", ends, f("Unsqueeze", sizes, [1]))
    places = f("Sub", f("CumSum", f("Add", f("Mul", f("Cast", value[0].name, to=7), 0), 1), 0), 1)
    inside = f("And", f("GreaterOrEqual", places, starts), f("Less", places, ends))
    return f("Add", f("MatMul", f.as_number(inside), terms(value[0], value[1])), bias, called=name)


def _masked_select(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    chosen = f("Reshape", f("Cast", value[1].name, to=9), [-1])
    return f("Compress", f("Reshape", value[0].name, [-1]), chosen, called=name, axis=0)


def _lookup(export: Any, m: Any, value: Any, name: str) -> str:
    weight = m.weight
    if m.maxNorm is not None:
        # Rows are scaled when they are looked up, each by itself: here all of them beforehand.
        twin = m.clone()
        twin._renorm(np.arange(len(weight)))
        held = export.constant(twin.weight, f"{name}.weight")
    else:
        held = export.weight(weight, f"{name}.weight")
    f = Formula(export, name)
    return f("Gather", held, f.rows(value.name), called=name, axis=0)


def _one_hot(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    return f("Identity", f.one_hot(f.rows(value.name), m.outputSize), called=name)


def _kmeans(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    difference = f("Sub", f("Unsqueeze", value.name, [1]), export.weight(m.weight, f"{name}.weight"))
    distances = f("ReduceSum", f("Mul", difference, difference), [2], keepdims=0)
    nearest = f.as_number(f("ArgMin", distances, axis=1, keepdims=0))
    return f("Add", nearest, 1.0, called=name)


def _index(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    axis = m.dimension - 1 if m.dimension > 0 else m.dimension
    return f("Gather", value[0].name, f.rows(value[1].name), called=name, axis=axis)


def _copy(export: Any, m: Any, value: Any, name: str) -> str:
    kind = export.result.example.dtype
    if kind.kind == value.example.dtype.kind == "f":
        return str(value.name)
    if kind.kind == "f":
        return str(export.op("Cast", [value.name], name, to=export.kind))
    raise Unconvertible(f"it converts to {m.outtype}: the file computes in one type of numbers")


SPARSE: dict[type, Converter] = {
    nn.PartialLinear: _partial_linear,
    nn.SparseLinear: _sparse_linear,
    nn.IndexLinear: _index_linear,
    nn.MaskedSelect: _masked_select,
    nn.LookupTable: _lookup,
    nn.OneHot: _one_hot,
    nn.Index: _index,
    nn.Kmeans: _kmeans,
    nn.Copy: _copy,
}
