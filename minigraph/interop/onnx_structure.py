"""The table of converters to ONNX: shapes and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.interop.onnx_formula import Formula
from minigraph.interop.onnx_layers import same
from minigraph.interop.walker import Converter, Unconvertible

_END = np.iinfo(np.int64).max

# -- shapes ------------------------------------------------------------------------------------------


def reshaped(export: Any, value: Any, result: Any, name: str, like: Any = None) -> str:
    """Give ``value`` the shape of ``result``; dimensions that are free stay free.

    Where more than one of them is, they are taken from ``like`` (``value`` itself by default).
    """
    try:
        shape = export.constant(result.shaped(value if like is None else None), f"{name}.shape")
    except Unconvertible:
        shape = _free_shape(export, value if like is None else like, result, name)
    return export.op("Reshape", [value.name, shape], name)


def _free_shape(export: Any, like: Any, result: Any, name: str) -> str:
    """Return the shape of ``result``, its free dimensions those of ``like`` that are of the same size."""
    parts: list[str] = []
    rest = False
    for pair in result.pairs:
        if pair[0] == pair[1]:
            parts.append(export.constant([pair[0]], f"{name}.size"))
        elif pair in like.pairs:
            axis = like.pairs.index(pair)
            parts.append(export.op("Shape", [like.name], f"{name}.size", start=axis, end=axis + 1))
        elif not rest:
            rest = True
            parts.append(export.constant([-1], f"{name}.size"))
        else:
            raise Unconvertible("more than one dimension of its shape depends on the batch")
    return str(export.op("Concat", parts, f"{name}.shape", axis=0))


def _rearranged(export: Any, m: Any, value: Any, name: str) -> str:
    return reshaped(export, value, export.result, name)


def _slice(export: Any, x: str, axis: int, start: int, end: int, name: str) -> str:
    numbers = [export.constant([n], f"{name}.{what}") for what, n in (
        ("start", start), ("end", end), ("axis", axis)
    )]
    return export.op("Slice", [x, *numbers], name)


def _narrow(export: Any, m: Any, value: Any, name: str) -> str:
    *before, window = m._slice(value.shape)
    other = m._slice(value.other.shape)[-1]
    size = value.shape[len(before)]
    end = window.stop
    if (window.start, window.stop) != (other.start, other.stop):
        if window.start != other.start or window.stop != size:
            raise Unconvertible("it narrows the batch by an amount that depends on its size")
        end = _END
    return _slice(export, value.name, len(before), window.start, end, name)


def gather(export: Any, x: str, axis: int, position: int, name: str) -> str:
    return export.op("Gather", [x, export.constant(position, f"{name}.index")], name, axis=axis)


def _select(export: Any, m: Any, value: Any, name: str) -> str:
    *before, position = m._place(value.shape)
    # One counted from the end stays so: where the end is may be free.
    return gather(export, value.name, len(before), position, name)


def _replicate(export: Any, m: Any, value: Any, name: str) -> str:
    axis = m._axis(value.example.ndim)
    wide = export.op("Unsqueeze", [value.name, export.constant([axis], f"{name}.axis")], f"{name}.wide")
    sizes = [1] * (value.example.ndim + 1)
    sizes[axis] = m.nfeatures
    return export.op("Expand", [wide, export.constant(sizes, f"{name}.sizes")], name)


def _transpose(export: Any, m: Any, value: Any, name: str) -> str:
    order = np.empty((0,) * value.example.ndim)
    marks = np.arange(order.ndim)
    for first, second in m.permutations:
        a, b = (d - 1 if d > 0 else order.ndim + d for d in (first, second))
        marks[[a, b]] = marks[[b, a]]
    return export.op("Transpose", [value.name], name, perm=marks.tolist())


def _convert(export: Any, m: Any, value: Any, name: str) -> str:
    if "*" in m.inputShape or m.inputShape == m.outputShape:
        return value.name
    x = value.name
    if len(m._axes) != value.example.ndim:
        batch = export.constant([m.inputShape.index("b")], f"{name}.batch")
        x = export.op("Unsqueeze", [x, batch], f"{name}.of_one")
    moved = export.op("Transpose", [x], f"{name}.moved", perm=m._axes)
    if m.outputShape == "b" and set(m.inputShape) != {"b"}:
        moved = gather(export, moved, 1, 0, f"{name}.first")
    return reshaped(export, type(value)(moved, value.example, value.other), export.result, name, like=value)


def _padding(export: Any, m: Any, value: Any, name: str) -> str:
    axis, position = m._parts(value.shape)
    size, rank = value.shape[axis], value.example.ndim
    filled = export.constant(float(m.value), f"{name}.value")
    if position in (0, size):
        pads = [0] * (2 * rank)
        pads[axis if position == 0 else rank + axis] = abs(m.pad)
        return export.op("Pad", [value.name, export.constant(pads, f"{name}.pads"), filled], name)
    if value.varying[axis]:
        raise Unconvertible("it pads in the middle of the batch")
    pads = [0] * (2 * rank)
    pads[rank + axis] = abs(m.pad)
    first = _slice(export, value.name, axis, 0, position, f"{name}.first")
    first = export.op("Pad", [first, export.constant(pads, f"{name}.pads"), filled], f"{name}.padded")
    second = _slice(export, value.name, axis, position, _END, f"{name}.second")
    return export.op("Concat", [first, second], name, axis=axis)


def _reduce(kind: str) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        _, axis = m._input(value.example)
        keep = int(export.result.example.ndim == value.example.ndim)
        operator = "ReduceMean" if kind == "ReduceSum" and m.sizeAverage else kind
        if operator == "ReduceSum":
            axes = export.constant([axis], f"{name}.axis")
            return export.op(operator, [value.name, axes], name, keepdims=keep)
        return export.op(operator, [value.name], name, axes=[axis], keepdims=keep)

    return convert


def _constant(export: Any, m: Any, value: Any, name: str) -> str:
    held = export.weight(m.value, f"{name}.value")
    if not any(export.result.varying):
        return export.op("Identity", [held], name)
    shape = export.op("Shape", [value.name], f"{name}.sizes", start=0, end=1)
    whole = export.op(
        "Concat", [shape, export.constant(list(m.value.shape), f"{name}.rest")], f"{name}.shape", axis=0
    )
    return export.op("Expand", [held, whole], name)


# -- tables ------------------------------------------------------------------------------------------


def _chain(kind: str) -> Converter:
    """Return a converter that applies an operator from left to right, in the shape of the first."""

    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        f, first = Formula(export, name), value[0]
        total = first.name
        for position, entry in enumerate(value[1:], 2):
            last = position == len(value)
            alike = f.like(entry.name, entry.example, first.name, first.shape)
            total = export.op(kind, [total, alike], name if last else f"{name}.of_{position}")
        return total

    return convert


def _split(export: Any, m: Any, value: Any, name: str) -> list[str]:
    axis = m.dimension - 1 if m.dimension > 0 else value.example.ndim + m.dimension
    axis += m.dimension > 0 and m.nInputDims is not None and value.example.ndim == m.nInputDims + 1
    if value.varying[axis]:
        raise Unconvertible("it splits the batch: how many entries there are would depend on it")
    return [
        gather(export, value.name, axis, position, f"{name}_{position + 1}")
        for position in range(len(export.result))
    ]


def _join(export: Any, m: Any, value: Any, name: str) -> str:
    axis = m.dimension - 1 if m.dimension > 0 else value[0].example.ndim + m.dimension
    batched = getattr(m, "nInputDims", None) is not None and m.dimension > 0
    axis += batched and value[0].example.ndim == m.nInputDims + 1
    return export.op("Concat", [entry.name for entry in value], name, axis=int(axis))


def _flat(value: Any) -> list[Any]:
    return [leaf for entry in value for leaf in (_flat(entry) if isinstance(entry, list) else [entry])]


def _add_to_each(export: Any, m: Any, value: Any, name: str) -> list[str]:
    f, (one, many) = Formula(export, name), value
    alike = [f.like(entry.name, entry.example, one.name, one.shape) for entry in many]
    return [f("Add", one.name, entry, called=f"{name}_{k}") for k, entry in enumerate(alike, 1)]


def _regroup(regroup: Any) -> Converter:
    return lambda export, m, value, name: regroup(m, value)


SHAPES: dict[type, Converter] = {
    nn.Reshape: _rearranged,
    nn.View: _rearranged,
    nn.Squeeze: _rearranged,
    nn.Unsqueeze: _rearranged,
    nn.Collapse: _rearranged,
    nn.Narrow: _narrow,
    nn.Select: _select,
    nn.Replicate: _replicate,
    nn.Transpose: _transpose,
    nn.Convert: _convert,
    nn.Contiguous: same,
    nn.Padding: _padding,
    nn.Sum: _reduce("ReduceSum"),
    nn.Mean: _reduce("ReduceSum"),
    nn.Max: _reduce("ReduceMax"),
    nn.Min: _reduce("ReduceMin"),
    nn.Constant: _constant,
    nn.SplitTable: _split,
    nn.JoinTable: _join,
    nn.NarrowTable: _regroup(lambda m, value: value[m.offset - 1 : m.offset - 1 + m.length]),
    nn.FlattenTable: _regroup(lambda m, value: _flat(value)),
    nn.ZipTable: _regroup(lambda m, value: [list(column) for column in zip(*value)]),
    nn.ZipTableOneToMany: _regroup(lambda m, value: [[value[0], entry] for entry in value[1]]),
    nn.CAddTensorTable: _add_to_each,
    nn.CAddTable: _chain("Add"),
    nn.CSubTable: _chain("Sub"),
    nn.CMulTable: _chain("Mul"),
    nn.CDivTable: _chain("Div"),
    nn.CMaxTable: _chain("Max"),
    nn.CMinTable: _chain("Min"),
}
