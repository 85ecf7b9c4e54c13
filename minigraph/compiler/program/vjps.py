"""The gradient of every primitive, in one table.

``VJPS[name](b, op, g)`` writes, with the builder ``b``, what turns the gradient ``g`` of the
operation's result into those of its operands, and returns these in order; ``None`` for an operand
without one. A gradient may have the shape that its operand was broadcast to: what adds it up
follows in ``gradients.py``. A ``Part`` is the gradient of some entries of an axis only. Rules look
at results as well as operands: ``tanh'`` is ``1 - tanh^2``.

Source: the table of vector-Jacobian products of https://github.com/HIPS/autograd, in idea.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Constant, Joined, Op, Parameter, Value


class Part(NamedTuple):
    """The gradient of the entries ``start`` to ``stop`` of the (negative) ``axis``, zero elsewhere."""

    value: Value
    axis: int
    start: int
    stop: int


Gradient = Union[Value, Part, None]
Rule = Callable[[Builder, Op, Value], Sequence[Gradient]]

VJPS: dict[str, Rule] = {}


def vjp(name: str) -> Callable[[Rule], Rule]:
    """Enter the decorated function as the rule of the primitive ``name``."""

    def enter(rule: Rule) -> Rule:
        VJPS[name] = rule
        return rule

    return enter


# -- elementwise ---------------------------------------------------------------------------------

VJPS["add"] = lambda b, op, g: (g, g)
VJPS["sub"] = lambda b, op, g: (g, b.emit("neg", g))
VJPS["mul"] = lambda b, op, g: (b.mul(g, op.inputs[1]), b.mul(g, op.inputs[0]))
VJPS["neg"] = lambda b, op, g: (b.emit("neg", g),)
VJPS["tanh"] = lambda b, op, g: (b.mul(g, b.sub(1.0, b.mul(op.output, op.output))),)
VJPS["sigmoid"] = lambda b, op, g: (b.mul(g, b.mul(b.sub(1.0, op.output), op.output)),)
VJPS["exp"] = lambda b, op, g: (b.mul(g, op.output),)
VJPS["expm1"] = lambda b, op, g: (b.mul(g, b.add(op.output, 1.0)),)
VJPS["log"] = lambda b, op, g: (b.div(g, op.inputs[0]),)
VJPS["log1p"] = lambda b, op, g: (b.div(g, b.add(op.inputs[0], 1.0)),)
VJPS["sqrt"] = lambda b, op, g: (b.div(b.mul(g, 0.5), op.output),)
VJPS["abs"] = lambda b, op, g: (b.mul(g, b.emit("sign", op.inputs[0])),)

for _flat in ("sign", "greater", "less", "equal", "greater_equal", "less_equal", "to_index", "argmax"):
    VJPS[_flat] = lambda b, op, g: (None,) * len(op.inputs)


@vjp("div")
def _div(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    first = b.div(g, op.inputs[1])
    return first, b.emit("neg", b.mul(first, op.output))


@vjp("power")
def _power(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    """For a constant exponent, as all of Torch's layers have it."""
    x, exponent = op.inputs
    assert isinstance(exponent, Constant)
    return b.mul(g, b.mul(b.emit("power", x, b.constant(exponent.array - 1)), exponent)), None


@vjp("maximum")
def _maximum(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    first = b.mul(g, b.emit("greater_equal", op.inputs[0], op.inputs[1]))
    return first, b.sub(g, first)


@vjp("minimum")
def _minimum(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    first = b.mul(g, b.emit("less_equal", op.inputs[0], op.inputs[1]))
    return first, b.sub(g, first)


@vjp("where")
def _where(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    return None, b.where(op.inputs[0], g, 0.0), b.where(op.inputs[0], 0.0, g)


# -- shapes ----------------------------------------------------------------------------------------


@vjp("reshape")
def _reshape(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    return (b.reshape(g, op.inputs[0].shape),)


@vjp("slice")
def _slice(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    return (Part(g, op.attributes["axis"], op.attributes["start"], op.attributes["stop"]),)


@vjp("transpose")
def _transpose(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    order = [axis + len(op.attributes["order"]) for axis in op.attributes["order"]]
    return (b.transpose(g, [order.index(axis) for axis in range(len(order))]),)


@vjp("concat")
def _concat(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    axis, start, parts = op.attributes["axis"], 0, []
    for value in op.inputs:
        parts.append(b.slice(g, axis, start, start + value.shape[axis]))
        start += value.shape[axis]
    return parts


@vjp("expand")
def _expand(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    return (g,)


@vjp("in_range")
@vjp("copy")
def _copy(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    return (g,)


@vjp("replace_gradient")
def _replace_gradient(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    """Nothing to the value itself; to whatever is named beside it, the slope that is given for it."""
    if len(op.inputs) == 1:
        return (None,)
    return None, b.mul(g, op.inputs[2]), None


@vjp("sum")
def _sum(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    return (b.expand(_kept(b, op, g), op.inputs[0].shape),)


@vjp("max")
def _max(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    """To the entries that equal the maximum; a lowering sees to it that there is but one."""
    x = op.inputs[0]
    found = b.emit("equal", x, _kept(b, op, op.output))
    return (b.mul(found, _kept(b, op, g)),)


def _kept(b: Builder, op: Op, value: Value) -> Value:
    """Return a reduction's result or its gradient with the reduced axes as axes of size 1."""
    shape = list(op.inputs[0].shape)
    for axis in op.attributes["axes"]:
        shape[axis] = 1
    return b.reshape(value, shape)


# -- products --------------------------------------------------------------------------------------


@vjp("product")
def _product(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    x, weight = op.inputs[:2]
    transposed = op.attributes["transposed"]
    assert isinstance(weight, (Joined, Parameter))
    factors = (x, g) if transposed else (g, x)
    b.effect("accumulate_product", *factors, parameter=weight)
    return (b.product(g, weight, transposed=not transposed), None, *(g,) * (len(op.inputs) - 2))


@vjp("matmul")
def _matmul(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    first, second = op.inputs
    tf, ts = op.attributes["transpose_first"], op.attributes["transpose_second"]
    if tf:
        to_first = b.matmul(second, g, ts, True)
    else:
        to_first = b.matmul(g, second, False, not ts)
    if ts:
        return to_first, b.matmul(g, first, True, tf)
    return to_first, b.matmul(first, g, not tf, False)


# -- along the last axis, by index -----------------------------------------------------------------

VJPS["softmax"] = lambda b, op, g: (b.emit("softmax_gradient", g, op.output),)
VJPS["log_softmax"] = lambda b, op, g: (b.emit("log_softmax_gradient", g, op.output),)
VJPS["pick"] = lambda b, op, g: (
    b.emit("spread", g, op.inputs[1], size=op.inputs[0].shape[-1]), None
)


@vjp("take")
def _take(b: Builder, op: Op, g: Value) -> Sequence[Gradient]:
    b.effect("accumulate_rows", g, op.inputs[1], parameter=op.inputs[0])
    return None, None


# -- modules that run as they are --------------------------------------------------------------------


def call_back(b: Builder, op: Op, gradients: Sequence[Optional[Value]]) -> list[Value]:
    """Write the backward call of a module that was called in the forward program.

    It reads the forward call's operands, then the gradients of its results (zeros where there is
    none), and gives a gradient for each operand.
    """
    given = [b.zeros(value.shape) if g is None else g for value, g in zip(op.outputs, gradients)]
    made = tuple(Value(value.shape, b.dtype, "") for value in op.inputs)
    attributes: dict[str, Any] = {"call": op}
    b.ops.append(Op("call_back", (*op.inputs, *given), made, attributes, op.node))
    return list(made)
