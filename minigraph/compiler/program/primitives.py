"""The primitives: what each operation computes, in one table.

``PRIMITIVES[name]`` has the shape of the result, how NumPy computes it and what kind of operation
it is. All axes are negative, counted from the last one; see ``ir.py`` for why. ``lead(x, n)``
below are the axes before the last ``n``: none, or the time steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np

from minigraph.compiler.program.ir import Op, Shape

Attributes = dict[str, Any]
#: (shapes of the operands, attributes) -> shape of the result.
ShapeRule = Callable[[list[Shape], Attributes], Shape]
#: (operands, where to put the result or None, attributes) -> the result.
Evaluate = Callable[[list[Any], Any, Attributes], Any]


@dataclass(frozen=True)
class Primitive:
    """A kind of operation.

    ``elementwise`` ones broadcast their operands and may be fused; a ``view`` costs nothing: its
    result is a window on its (first) operand. The result of an ``index`` is 0-based integers, and so
    is the last operand of one that is ``indexed``. An ``accumulation`` adds to the gradient of a
    parameter and has no result. A ``call`` runs a module as it is, which may draw, remember and keep
    what it was given; what ``draws`` takes numbers from the random stream. One that
    ``repeats`` takes constants without the time steps of its other operands, as elementwise ones do; one
    that ``refuses`` may raise ``Refused``.
    """

    name: str
    shape: ShapeRule
    evaluate: Evaluate
    elementwise: bool = False
    view: bool = False
    index: bool = False
    indexed: bool = False
    repeats: bool = False
    refuses: bool = False
    accumulation: bool = False
    call: bool = False
    draws: bool = False

    @property
    def effect(self) -> bool:
        """Whether an operation does something besides giving a result."""
        return self.accumulation or self.call or self.draws


class Refused(Exception):
    """An operand has entries that the module refuses; the network itself then tells which and why."""


PRIMITIVES: dict[str, Primitive] = {}


def kind_of(op: Op) -> Primitive:
    """Return what kind of operation ``op`` is."""
    return PRIMITIVES[op.primitive]


def _define(name: str, shape: ShapeRule, evaluate: Evaluate, **kind: bool) -> None:
    PRIMITIVES[name] = Primitive(name, shape, evaluate, **kind)


def lead(x: np.ndarray, axes: int) -> Shape:
    """Return the shape of ``x`` before its last ``axes`` axes."""
    return x.shape[: x.ndim - axes]


def window(x: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    """Return the entries ``start`` to ``stop`` of a (negative) axis, a view."""
    return x[(..., slice(start, stop)) + (slice(None),) * (-axis - 1)]


# -- elementwise ---------------------------------------------------------------------------------


def _broadcast(shapes: list[Shape], attributes: Attributes) -> Shape:
    return tuple(np.broadcast_shapes(*shapes))


def _ufunc(name: str, function: Any) -> None:
    _define(name, _broadcast, lambda x, out, a: function(*x, out=out), elementwise=True)


def _comparison(name: str, function: Any) -> None:
    """Comparisons give 1 or 0 in the operands' dtype, so that they can be multiplied by."""

    def evaluate(x: list[Any], out: Any, a: Attributes) -> Any:
        found = function(*x)
        if out is None:
            return found.astype(np.result_type(*x))
        np.copyto(out, found)
        return out

    _define(name, _broadcast, evaluate, elementwise=True)


def _sigmoid(x: list[Any], out: Any, a: Attributes) -> Any:
    """1 / (1 + exp(-x)); where exp overflows the result is 0, as it should be."""
    with np.errstate(over="ignore"):
        out = np.negative(x[0], out=out)
        np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def _where(x: list[Any], out: Any, a: Attributes) -> Any:
    chosen = np.where(np.asarray(x[0]) != 0, x[1], x[2])
    if out is None:
        return chosen
    np.copyto(out, chosen)
    return out


#: Those that one of NumPy's universal functions computes.
UFUNCS: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "tanh": np.tanh, "exp": np.exp, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "abs": np.abs,
    "sign": np.sign, "expm1": np.expm1, "maximum": np.maximum, "minimum": np.minimum, "power": np.power,
}

for _name, _function in UFUNCS.items():
    _ufunc(_name, _function)

for _name, _function in {
    "greater": np.greater, "less": np.less, "equal": np.equal,
    "greater_equal": np.greater_equal, "less_equal": np.less_equal,
}.items():
    _comparison(_name, _function)

_define("sigmoid", _broadcast, _sigmoid, elementwise=True)
_define("where", _broadcast, _where, elementwise=True)


# -- views ---------------------------------------------------------------------------------------


def _slice(x: list[Any], out: Any, a: Attributes) -> Any:
    return window(x[0], a["axis"], a["start"], a["stop"])


def _slice_shape(shapes: list[Shape], a: Attributes) -> Shape:
    shape = list(shapes[0])
    shape[a["axis"]] = a["stop"] - a["start"]
    return tuple(shape)


def _transpose(x: list[Any], out: Any, a: Attributes) -> Any:
    order = a["order"]  # negative axes, one for each of the result's
    first = x[0].ndim - len(order)
    return x[0].transpose(*range(first), *(x[0].ndim + axis for axis in order))


_define(
    "reshape", lambda shapes, a: a["shape"],
    lambda x, out, a: x[0].reshape(lead(x[0], a["rank"]) + a["shape"]), view=True,
)
_define("slice", _slice_shape, _slice, view=True)
_define(
    "transpose", lambda shapes, a: tuple(shapes[0][axis] for axis in a["order"]), _transpose, view=True
)
# The first operand as it is; the others are for the way back (see vjps.py).
_define("replace_gradient", lambda shapes, a: shapes[0], lambda x, out, a: x[0], view=True)


# -- other shapes --------------------------------------------------------------------------------


def _concat_shape(shapes: list[Shape], a: Attributes) -> Shape:
    shape = list(shapes[0])
    shape[a["axis"]] = sum(each[a["axis"]] for each in shapes)
    return tuple(shape)


def _concat(x: list[Any], out: Any, a: Attributes) -> Any:
    # Parts that do not vary over time (zeros) are repeated for each time step.
    rank = a["rank"]
    steps = np.broadcast_shapes(*(lead(part, rank) for part in x))
    parts = [np.broadcast_to(part, steps + part.shape[part.ndim - rank:]) for part in x]
    return np.concatenate(parts, axis=a["axis"], out=out)


def _reduced(shapes: list[Shape], a: Attributes) -> Shape:
    shape: list[Optional[int]] = list(shapes[0])
    for axis in a["axes"]:
        shape[axis] = 1 if a["keepdims"] else None
    return tuple(size for size in shape if size is not None)


def _reduction(function: Any) -> Evaluate:
    return lambda x, out, a: function(x[0], axis=a["axes"], keepdims=a["keepdims"], out=out)


def _expand(x: list[Any], out: Any, a: Attributes) -> Any:
    wide = np.broadcast_to(x[0], lead(x[0], len(a["shape"])) + a["shape"])
    if out is None:
        return wide.copy()
    np.copyto(out, wide)
    return out


_define("concat", _concat_shape, _concat, repeats=True)
_define("sum", _reduced, _reduction(np.sum))
_define("max", _reduced, _reduction(np.max))
_define("expand", lambda shapes, a: a["shape"], _expand, repeats=True)
_define("copy", lambda shapes, a: shapes[0], lambda x, out, a: _expand(x, out, {"shape": ()}), repeats=True)


# -- products ------------------------------------------------------------------------------------


def _product_shape(shapes: list[Shape], a: Attributes) -> Shape:
    x, weight = shapes[:2]
    return (*x[:-1], weight[1] if a["transposed"] else weight[0])


def _product(x: list[Any], out: Any, a: Attributes) -> Any:
    """``x W^T`` with a parameter ``(N, K)``, or ``x W`` if ``transposed``; plus the third operand."""
    matrix = x[1] if a["transposed"] else x[1].T
    if len(x) == 2:
        return _rows_times(x[0], matrix, out)
    product = _rows_times(x[0], matrix, None)
    return np.add(product, x[2], out=out)


def _rows_times(x: np.ndarray, matrix: np.ndarray, out: Any) -> np.ndarray:
    """One product of two matrices, whatever axes precede the last one."""
    if x.ndim <= 2 or not x.flags.c_contiguous or (out is not None and not out.flags.c_contiguous):
        return np.matmul(x, matrix, out=out)
    flat = None if out is None else out.reshape(-1, out.shape[-1])
    made = np.matmul(x.reshape(-1, x.shape[-1]), matrix, out=flat)
    return made.reshape(x.shape[:-1] + matrix.shape[1:]) if out is None else out


def _matmul_shape(shapes: list[Shape], a: Attributes) -> Shape:
    first, second = shapes
    rows = first[-1] if a["transpose_first"] else first[-2]
    columns = second[-2] if a["transpose_second"] else second[-1]
    return (*np.broadcast_shapes(first[:-2], second[:-2]), rows, columns)


def _matmul(x: list[Any], out: Any, a: Attributes) -> Any:
    first = x[0].swapaxes(-1, -2) if a["transpose_first"] else x[0]
    second = x[1].swapaxes(-1, -2) if a["transpose_second"] else x[1]
    return np.matmul(first, second, out=out)


_define("product", _product_shape, _product)
_define("matmul", _matmul_shape, _matmul, repeats=True)


# -- along the last axis ---------------------------------------------------------------------------


def _softmax(x: list[Any], out: Any, a: Attributes) -> Any:
    out = np.subtract(x[0], x[0].max(-1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(-1, keepdims=True)
    return out


def _log_softmax(x: list[Any], out: Any, a: Attributes) -> Any:
    out = np.subtract(x[0], x[0].max(-1, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(-1, keepdims=True))
    return out


def _softmax_gradient(x: list[Any], out: Any, a: Attributes) -> Any:
    """``y * (g - sum(g * y))`` for the gradient ``g`` and the softmax ``y``."""
    gradient, y = x
    weighted = gradient * y
    total = weighted.sum(-1, keepdims=True)
    out = np.multiply(y, total, out=out)
    return np.subtract(weighted, out, out=out)


def _log_softmax_gradient(x: list[Any], out: Any, a: Attributes) -> Any:
    """``g - exp(y) * sum(g)`` for the gradient ``g`` and the log-softmax ``y``."""
    gradient, y = x
    total = gradient.sum(-1, keepdims=True)
    out = np.exp(y, out=out)
    out *= total
    return np.subtract(gradient, out, out=out)


def _first(shapes: list[Shape], a: Attributes) -> Shape:
    return shapes[0]


_define("softmax", _first, _softmax)
_define("log_softmax", _first, _log_softmax)
_define("softmax_gradient", _first, _softmax_gradient)
_define("log_softmax_gradient", _first, _log_softmax_gradient)


# -- by index --------------------------------------------------------------------------------------


def _take(x: list[Any], out: Any, a: Attributes) -> Any:
    """Rows of a parameter ``(N, D)`` by 0-based integer indexes."""
    return np.take(x[0], x[1], axis=0, out=out, mode="clip" if out is not None else "raise")


def _pick(x: list[Any], out: Any, a: Attributes) -> Any:
    """One entry of the last axis for each 0-based integer index."""
    picked = np.take_along_axis(x[0], x[1][..., None], axis=-1)[..., 0]
    if out is None:
        return picked
    np.copyto(out, picked)
    return out


def _spread(x: list[Any], out: Any, a: Attributes) -> Any:
    """The gradient of ``pick``: a value at each index of a new last axis, zeros elsewhere."""
    values, index = x
    if out is None:
        out = np.zeros((*index.shape, a["size"]), values.dtype)
    else:
        out.fill(0)
    np.put_along_axis(out, index[..., None], np.broadcast_to(values, index.shape)[..., None], axis=-1)
    return out


def _to_index(x: list[Any], out: Any, a: Attributes) -> Any:
    """1-based indexes, in any dtype, to 0-based integers; ``Refused`` outside 1..``count``."""
    index = np.asarray(x[0]).astype(np.int64) - 1
    if index.size and (index.min() < 0 or index.max() >= a["count"]):
        raise Refused("index out of range")
    if x[0].dtype.kind == "f" and not np.array_equal(index, x[0] - 1):
        raise Refused("index is not a whole number")
    if out is None:
        return index
    np.copyto(out, index)
    return out


def _in_range(x: list[Any], out: Any, a: Attributes) -> Any:
    """The operand, if all of it lies in ``low`` .. ``high``; ``Refused`` if not."""
    if x[0].size and not (x[0].min() >= a["low"] and x[0].max() <= a["high"]):
        raise Refused("value out of range")
    return _expand(x, out, {"shape": ()})


def _argmax(x: list[Any], out: Any, a: Attributes) -> Any:
    """The index of the largest entry along the last axis, the first of equal ones."""
    return np.argmax(x[0], axis=-1, out=out)


_define("take", lambda shapes, a: (*shapes[1], shapes[0][1]), _take, indexed=True, repeats=True)
_define("pick", lambda shapes, a: shapes[1], _pick, indexed=True)
_define("spread", lambda shapes, a: (*shapes[1], a["size"]), _spread, indexed=True, repeats=True)
_define("to_index", _first, _to_index, index=True, refuses=True)
_define("in_range", _first, _in_range, refuses=True)
_define("argmax", lambda shapes, a: shapes[0][:-1], _argmax, index=True)


# -- gradients of parameters: they add to an array and give no result ------------------------------


def _accumulate(x: list[Any], out: Any, a: Attributes) -> Any:
    """Add to ``out`` (a parameter's gradient) the gradient of everything it was broadcast to."""
    gradient = x[0]
    if gradient.ndim > out.ndim:
        gradient = gradient.sum(tuple(range(gradient.ndim - out.ndim)))
    stretched = tuple(k for k, size in enumerate(out.shape) if size == 1 != gradient.shape[k])
    out += gradient.sum(stretched, keepdims=True) if stretched else gradient
    return out


def _accumulate_product(x: list[Any], out: Any, a: Attributes) -> Any:
    """Add ``dy^T x`` over everything before the last axis: the gradient of ``product``'s weight."""
    gradient, given = x
    out += gradient.reshape(-1, gradient.shape[-1]).T @ given.reshape(-1, given.shape[-1])
    return out


def _accumulate_rows(x: list[Any], out: Any, a: Attributes) -> Any:
    """Add the gradient of ``take`` to the rows that were taken."""
    gradient, index = x
    np.add.at(out, index.reshape(-1), gradient.reshape(-1, gradient.shape[-1]))
    return out


def _unknown(shapes: list[Shape], a: Attributes) -> Shape:
    raise TypeError("what this gives does not follow from the shapes of its operands")


_define("accumulate", _unknown, _accumulate, accumulation=True)
_define("accumulate_product", _unknown, _accumulate_product, accumulation=True)
_define("accumulate_rows", _unknown, _accumulate_rows, accumulation=True)


# -- what executors run themselves -----------------------------------------------------------------



def _by_executor(x: list[Any], out: Any, a: Attributes) -> Any:
    raise TypeError("executors do this themselves")


_define("call", _unknown, _by_executor, call=True)
_define("call_back", _unknown, _by_executor, call=True)
_define("draw", _unknown, _by_executor, draws=True)
_define("fused", _unknown, _by_executor)
