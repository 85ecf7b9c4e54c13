"""Layers that make, take apart and combine tables."""

from __future__ import annotations

from typing import Any, Optional

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers
from minigraph.compiler.program.ir import Value
from minigraph.nn.simple.dimensions import sample_axis_of
from minigraph.tables import leaves


@lowers(nn.SplitTable)
def _split_table(b: Any, module: nn.SplitTable, x: Value) -> list[Value]:
    axis = sample_axis_of(module.dimension, module.nInputDims, x.ndim, module)
    return [b.select(x, axis, k) for k in range(x.shape[axis])]


@lowers(nn.JoinTable)
def _join_table(b: Any, module: nn.JoinTable, x: list[Value]) -> Value:
    return b.concat(x, sample_axis_of(module.dimension, module.nInputDims, x[0].ndim, module))


@lowers(nn.SelectTable)
def _select_table(b: Any, module: nn.SelectTable, x: list[Any]) -> Any:
    return x[module._position(x)]


@lowers(nn.NarrowTable)
def _narrow_table(b: Any, module: nn.NarrowTable, x: list[Any]) -> list[Any]:
    return list(x[module.offset - 1 : module.offset - 1 + module.length])


@lowers(nn.FlattenTable)
def _flatten_table(b: Any, module: nn.FlattenTable, x: list[Any]) -> list[Value]:
    return [value for _, value in leaves(x)]


@lowers(nn.JustTable)
def _just_table(b: Any, module: nn.JustTable, x: Any) -> list[Any]:
    return [x]


@lowers(nn.JustElement)
def _just_element(b: Any, module: nn.JustElement, x: list[Any]) -> Any:
    return x[0]


@lowers(nn.ZipTable)
def _zip_table(b: Any, module: nn.ZipTable, x: list[Any]) -> list[Any]:
    return [list(column) for column in zip(*x)]


@lowers(nn.ZipTableOneToMany)
def _zip_one_to_many(b: Any, module: nn.ZipTableOneToMany, x: list[Any]) -> list[Any]:
    one, many = x
    return [[one, entry] for entry in many]


# -- entry by entry ------------------------------------------------------------------------------


def _alike(b: Any, x: list[Value], first: Optional[Value] = None) -> list[Value]:
    """Return the entries in the shape of the first, by the order of their elements."""
    return [b.reshape(entry, (first or x[0]).shape) for entry in x]


@lowers(nn.CAddTable)
def _add_table(b: Any, module: nn.CAddTable, x: list[Value]) -> Value:
    return b.total(_alike(b, x))


@lowers(nn.CAddTensorTable)
def _add_tensor_table(b: Any, module: nn.CAddTensorTable, x: list[Any]) -> list[Value]:
    one, many = x
    return [b.add(one, entry) for entry in _alike(b, many, one)]


@lowers(nn.CSubTable)
def _subtract_table(b: Any, module: nn.CSubTable, x: list[Value]) -> Value:
    return b.sub(*_alike(b, x))


@lowers(nn.CMulTable)
def _multiply_table(b: Any, module: nn.CMulTable, x: list[Value]) -> Value:
    first, *rest = _alike(b, x)
    for factor in rest:
        first = b.mul(first, factor)
    return first


@lowers(nn.CDivTable)
def _divide_table(b: Any, module: nn.CDivTable, x: list[Value]) -> Value:
    return b.div(*_alike(b, x))


def _best(b: Any, x: list[Value], better: str) -> Value:
    """Return the best entry at each place; the first of equal ones has the gradient."""
    best, *rest = _alike(b, x)
    for entry in rest:
        best = b.where(b.emit(better, entry, best), entry, best)
    return best


@lowers(nn.CMaxTable)
def _max_table(b: Any, module: nn.CMaxTable, x: list[Value]) -> Value:
    return _best(b, x, "greater")


@lowers(nn.CMinTable)
def _min_table(b: Any, module: nn.CMinTable, x: list[Value]) -> Value:
    return _best(b, x, "less")
