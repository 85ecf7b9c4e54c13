"""The table of operators: how each primitive of the compiler is written in ONNX.

``OPERATORS[primitive](w, op)`` writes the operation with the writer ``w`` and returns the name of its result
(a list of names for several); ``None`` where it has entered the result itself.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from minigraph.compiler.program.ir import Op, Value
from minigraph.interop.onnx.loops import loop
from minigraph.interop.onnx.sizes import Pair, Unwritable
from minigraph.interop.onnx.writer import Writer

Written = Union[str, list[str], None]
Operator = Callable[[Writer, Op], Written]

_END = np.iinfo(np.int64).max
OPERATORS: dict[str, Operator] = {"loop": loop}


def _writes(*primitives: str) -> Callable[[Operator], Operator]:
    def enter(operator: Operator) -> Operator:
        OPERATORS.update(dict.fromkeys(primitives, operator))
        return operator

    return enter


def _name(w: Writer, op: Op) -> str:
    return w.name_of(op.outputs[0])


def _same(w: Writer, op: Op, *names: str) -> tuple[Any, ...]:
    """Return attributes; raise ``Unwritable`` where they depend on the batch."""
    if any(op.attributes[name] != w.twin.attributes[name] for name in names):
        raise Unwritable("how it runs depends on the batch")
    return tuple(op.attributes[name] for name in names)


# -- entry by entry ------------------------------------------------------------------------------


def _plain(kind: str, **settings: Any) -> Operator:
    return lambda w, op: w.add(kind, [w.of(value) for value in op.inputs], _name(w, op), **settings)


def _comparison(kind: str) -> Operator:
    def write(w: Writer, op: Op) -> Written:
        w.conditions[op.output] = w.add(kind, [w.of(value) for value in op.inputs], f"{_name(w, op)}.test")
        return None

    return write


OPERATORS.update({primitive: _plain(kind) for primitive, kind in {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "tanh": "Tanh", "exp": "Exp",
    "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "sign": "Sign", "maximum": "Max", "minimum": "Min",
    "power": "Pow", "sigmoid": "Sigmoid",
}.items()})
OPERATORS.update({primitive: _comparison(kind) for primitive, kind in {
    "greater": "Greater", "less": "Less", "equal": "Equal", "greater_equal": "GreaterOrEqual",
    "less_equal": "LessOrEqual",
}.items()})
# Along the last axis, and rows by index.
OPERATORS.update(
    softmax=_plain("Softmax", axis=-1), log_softmax=_plain("LogSoftmax", axis=-1),
    argmax=_plain("ArgMax", axis=-1, keepdims=0), take=_plain("Gather", axis=0),
)


@_writes("where")
def _where(w: Writer, op: Op) -> Written:
    condition, first, second = op.inputs
    name = _name(w, op)
    test = w.conditions.get(condition) or w.add("Cast", [w.of(condition)], f"{name}.test", to=9)  # BOOL
    return w.add("Where", [test, w.of(first), w.of(second)], name)


@_writes("log1p")
def _log1p(w: Writer, op: Op) -> Written:
    name = _name(w, op)
    return w.add("Log", [w.add("Add", [w.of(op.inputs[0]), _one(w)], f"{name}.above")], name)


@_writes("expm1")
def _expm1(w: Writer, op: Op) -> Written:
    name = _name(w, op)
    return w.add("Sub", [w.add("Exp", [w.of(op.inputs[0])], f"{name}.exp"), _one(w)], name)


def _one(w: Writer) -> str:
    return w.number(np.ones((), w.dtype))


@_writes("copy", "replace_gradient", "in_range")
def _copy(w: Writer, op: Op) -> Written:
    source = op.inputs[0]
    if source.dtype == op.output.dtype:
        return w.of(source)
    return w.add("Cast", [w.of(source)], _name(w, op), to=w.kind)


# -- shapes --------------------------------------------------------------------------------------


@_writes("reshape")
def _reshape(w: Writer, op: Op) -> Written:
    source, target = w.pairs(op.inputs[0]), w.pairs(op.output)
    return w.add("Reshape", [w.of(op.inputs[0]), _new_shape(w, source, target)], _name(w, op))


def _new_shape(w: Writer, source: Sequence[Pair], target: Sequence[Pair]) -> str:
    """Return a shape in ONNX's way, where 0 keeps a dimension and -1 is what is left."""
    found: list[Optional[int]] = [
        a if a == b else 0 if axis < len(source) and source[axis] == (a, b) else None
        for axis, (a, b) in enumerate(target)
    ]
    if found.count(None) > 1 or any(a == b == 0 for a, b in target):
        return w.shape(target)
    return w.integers(*(-1 if size is None else size for size in found))


@_writes("slice")
def _slice(w: Writer, op: Op) -> Written:
    (axis,) = _same(w, op, "axis")
    size = w.pairs(op.inputs[0])[axis]
    start, stop = (_place(w, (op.attributes[k], w.twin.attributes[k]), size) for k in ("start", "stop"))
    return w.add("Slice", [w.of(op.inputs[0]), start, stop, w.integers(axis)], _name(w, op))


def _place(w: Writer, place: Pair, size: Pair) -> str:
    """Return where a slice begins or ends along an axis, counted from that axis' end if this is fixed."""
    if place[0] != place[1] and place[0] - size[0] == place[1] - size[1]:
        return w.integers((place[0] - size[0]) or _END)
    return w.size(w.sizes.size(place))


@_writes("transpose")
def _transpose(w: Writer, op: Op) -> Written:
    (order,) = _same(w, op, "order")
    return w.add("Transpose", [w.of(op.inputs[0])], _name(w, op), perm=[k + len(order) for k in order])


@_writes("concat")
def _concat(w: Writer, op: Op) -> Written:
    return w.add("Concat", [w.of(value) for value in op.inputs], _name(w, op), axis=op.attributes["axis"])


@_writes("expand")
def _expand(w: Writer, op: Op) -> Written:
    source, target = w.pairs(op.inputs[0]), w.pairs(op.output)
    source = [(1, 1)] * (len(target) - len(source)) + source
    shape = w.shape([(1, 1) if mine == wanted else wanted for mine, wanted in zip(source, target)])
    return w.add("Expand", [w.of(op.inputs[0]), shape], _name(w, op))


@_writes("sum")
def _sum(w: Writer, op: Op) -> Written:
    axes, keepdims = _same(w, op, "axes", "keepdims")
    return w.add("ReduceSum", [w.of(op.inputs[0]), w.integers(*axes)], _name(w, op), keepdims=int(keepdims))


@_writes("max")
def _max(w: Writer, op: Op) -> Written:
    axes, keepdims = _same(w, op, "axes", "keepdims")
    return w.add("ReduceMax", [w.of(op.inputs[0])], _name(w, op), axes=list(axes), keepdims=int(keepdims))


# -- products ------------------------------------------------------------------------------------


def _swapped(w: Writer, value: Value, wanted: bool) -> str:
    if not wanted:
        return w.of(value)
    *front, rows, columns = range(value.ndim)
    name = f"{w.name_of(value)}.transposed"
    return w.add("Transpose", [w.of(value)], name, perm=[*front, columns, rows])


@_writes("product")
def _product(w: Writer, op: Op) -> Written:
    x, weight = op.inputs
    factor = _swapped(w, weight, not op.attributes["transposed"])
    return w.add("MatMul", [w.of(x), factor], _name(w, op))


@_writes("matmul")
def _matmul(w: Writer, op: Op) -> Written:
    first, second = op.inputs
    factors = [
        _swapped(w, first, op.attributes["transpose_first"]),
        _swapped(w, second, op.attributes["transpose_second"]),
    ]
    return w.add("MatMul", factors, _name(w, op))


# -- by index -----------------------------------------------------------------------------------------


@_writes("to_index")
def _to_index(w: Writer, op: Op) -> Written:
    name, index = _name(w, op), w.of(op.inputs[0])
    if op.inputs[0].dtype.kind == "f":
        index = w.add("Cast", [index], f"{name}.whole", to=7)  # INT64
    return w.add("Sub", [index, w.number(np.int64(1))], name)


@_writes("pick")
def _pick(w: Writer, op: Op) -> Written:
    name, last = _name(w, op), w.integers(-1)
    index = w.add("Unsqueeze", [w.of(op.inputs[1]), last], f"{name}.index")
    picked = w.add("GatherElements", [w.of(op.inputs[0]), index], f"{name}.picked", axis=-1)
    return w.add("Squeeze", [picked, last], name)


@_writes("spread")
def _spread(w: Writer, op: Op) -> Written:
    values, index = op.inputs
    name, last = _name(w, op), w.integers(-1)
    places = w.number(np.arange(op.attributes["size"]))
    here = w.add("Equal", [w.add("Unsqueeze", [w.of(index), last], f"{name}.index"), places], f"{name}.here")
    wide = w.of(values)
    if values.ndim:
        wide = w.add("Unsqueeze", [wide, last], f"{name}.wide")
    return w.add("Where", [here, wide, w.number(np.zeros((), w.dtype))], name)


# -- operators that a layer asked for ----------------------------------------------------------------


@_writes("operator")
def _operator(w: Writer, op: Op) -> Written:
    kind, places, result, settings = _same(w, op, "kind", "places", "result", "settings")
    inputs = [""] * (places[-1] + 1)
    for place, value in zip(places, op.inputs):
        inputs[place] = w.of(value)
    which, count = result
    names = [_name(w, op) if k == which else f"{_name(w, op)}.{k + 1}" for k in range(count)]
    return w.several(kind, inputs, names, **settings)[which]


@_writes("max_pool")
def _max_pool(w: Writer, op: Op) -> Written:
    (settings,) = _same(w, op, "settings")
    name, undone = _name(w, op), op.attributes["undone"]
    made = w.several("MaxPool", [w.of(op.inputs[0])], [name, f"{name}.place"][: 1 + bool(undone)], **settings)
    if undone:
        # ONNX counts places through the whole tensor, not in a plane.
        plane = math.prod(op.inputs[0].shape[2:])
        flat = w.add("Reshape", [made[1], w.integers(0, 0, -1)], f"{name}.places")
        w.places[undone] = w.add("Mod", [flat, w.number(np.int64(plane))], f"{name}.places")
    return made[0]


@_writes("unpool")
def _unpool(w: Writer, op: Op) -> Written:
    """Scatter the values, plane by plane, over zeros."""
    name, rank = _name(w, op), op.attributes["rank"]
    values, result = w.of(op.inputs[0]), w.pairs(op.output)
    if op.output.ndim == rank + 1:
        values = w.add("Unsqueeze", [values, w.integers(0)], f"{name}.batch")
    planes = [(1, 1), *result][-rank - 2 : -rank]
    plane = math.prod(a for a, _ in result[-rank:])
    ground = w.add("Expand", [w.number(np.zeros((), w.dtype)), w.shape([*planes, (plane, plane)])], name)
    flat = w.add("Reshape", [values, w.integers(0, 0, -1)], f"{name}.values")
    filled = w.add("ScatterElements", [ground, w.places[op.attributes["pooling"]], flat], name, axis=2)
    return w.add("Reshape", [filled, _new_shape(w, [], result)], name)


@_writes("refused")
def _refused(w: Writer, op: Op) -> Written:
    raise Unwritable(op.attributes["reason"])
