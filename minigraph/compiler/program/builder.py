"""Builder: writes a program, operation by operation, with the shapes worked out."""

from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence, Union

import numpy as np

from minigraph.compiler.program.ir import Constant, Op, Parameter, Shape, Value
from minigraph.compiler.program.primitives import PRIMITIVES, Primitive

Operand = Union[Value, float, int]


class Builder:
    """Appends operations to ``ops``; every method returns the value that it computes.

    Operands may be plain numbers where the primitive is elementwise. Operands that vary over time
    must have the same number of axes (see ``ir.py``); parameters and constants are broadcast from
    the last axis on. ``dtype`` is that of the network.
    """

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = np.dtype(dtype)
        self.ops: list[Op] = []
        self.node: Any = None
        #: What it is called, for the names of its parameters; see ``naming.py``.
        self.within = ""
        self._parameters: dict[tuple[int, str, Shape], Parameter] = {}
        self._casts: dict[Value, Value] = {}

    def emit(self, primitive: str, *operands: Operand, name: str = "", **attributes: Any) -> Value:
        """Append an operation of one result and return that."""
        inputs = tuple(self.value(operand) for operand in operands)
        kind = PRIMITIVES[primitive]
        if not kind.refuses and all(isinstance(value, Constant) for value in inputs):
            return self._folded(kind, inputs, attributes)
        if not (kind.elementwise or kind.view or kind.repeats):
            inputs = tuple(map(self._repeated, inputs))
        shape = kind.shape([value.shape for value in inputs], attributes)
        if kind.index:
            dtype = np.dtype(np.int64)
        elif kind.view:
            dtype = inputs[0].dtype
        else:
            dtype = self.dtype
            index = inputs[-1:] if kind.indexed else ()
            inputs = (*map(self._converted, inputs[: len(inputs) - len(index)]), *index)
        made = Value(tuple(shape), dtype, name)
        if kind.elementwise:
            ranks = {value.ndim for value in inputs if value.varies}
            assert len(ranks) <= 1, f"{primitive} of values of {sorted(ranks)} axes: reshape them first"
        self.ops.append(Op(primitive, inputs, (made,), attributes, self.node))
        return made

    def _folded(self, kind: Primitive, inputs: Sequence[Any], attributes: dict[str, Any]) -> Constant:
        """Return what an operation makes of constants, which is one."""
        arrays = [np.reshape(value.array, value.shape or (1,)) for value in inputs]
        with np.errstate(all="ignore"):
            array = np.asarray(kind.evaluate(arrays, None, attributes))
        array = array.reshape(kind.shape([value.shape for value in inputs], attributes))
        return Constant(array.shape, array.dtype, array=array)

    def _repeated(self, value: Value) -> Value:
        """Return ``value``; a constant once for each time step."""
        if not isinstance(value, Constant):
            return value
        made = Value(value.shape, value.dtype, value.name)
        self.ops.append(Op("copy", (value,), (made,), {}, self.node))
        return made

    def _converted(self, value: Value) -> Value:
        """Return ``value``, if it was given in another type, in the network's."""
        if value.dtype == self.dtype or not value.varies:
            return value
        if value not in self._casts:
            self._casts[value] = Value(value.shape, self.dtype, value.name)
            self.ops.append(Op("copy", (value,), (self._casts[value],), {}, self.node))
        return self._casts[value]

    def effect(self, primitive: str, *operands: Value, **attributes: Any) -> None:
        """Append an operation that has no result."""
        self.ops.append(Op(primitive, operands, (), attributes, self.node))

    def value(self, operand: Operand) -> Value:
        """Return ``operand``, a number as a constant without axes."""
        return operand if isinstance(operand, Value) else self.constant(operand)

    def constant(self, array: Any) -> Constant:
        """Return a constant of the network's dtype."""
        held = np.asarray(array, self.dtype)
        return Constant(held.shape, held.dtype, array=held)

    def zeros(self, shape: Shape) -> Constant:
        """Return zeros of this shape that take no memory."""
        return self.constant(np.broadcast_to(self.dtype.type(0), shape))

    def parameter(
        self, module: Any, attribute: str = "weight", gradient: Optional[str] = None,
        shape: Optional[Shape] = None,
    ) -> Parameter:
        """Return a parameter of ``module``, the same value each time it is asked for.

        The gradient's attribute is named as Torch names it: ``gradWeight`` for ``weight``. A ``shape``
        is another one to see it in; its memory and its gradient's must be contiguous for that.
        """
        array = getattr(module, attribute)
        shape = array.shape if shape is None else shape
        key = (id(module), attribute, shape)
        if key not in self._parameters:
            named = gradient or "grad" + attribute[0].upper() + attribute[1:]
            name = f"{self.within}.{attribute}" if self.within else attribute
            self._parameters[key] = Parameter(
                shape, array.dtype, name, module=module, attribute=attribute, gradient=named
            )
        return self._parameters[key]

    # -- elementwise: one line for each of those that lowerings read best -------------------------

    def add(self, first: Operand, second: Operand) -> Value:
        return self.emit("add", first, second)

    def sub(self, first: Operand, second: Operand) -> Value:
        return self.emit("sub", first, second)

    def mul(self, first: Operand, second: Operand) -> Value:
        return self.emit("mul", first, second)

    def div(self, first: Operand, second: Operand) -> Value:
        return self.emit("div", first, second)

    def where(self, condition: Value, first: Operand, second: Operand) -> Value:
        """``first`` where ``condition`` is not zero, ``second`` elsewhere."""
        return self.emit("where", condition, first, second)

    def total(self, terms: Iterable[Value]) -> Value:
        """Add values from left to right."""
        first, *rest = terms
        for term in rest:
            first = self.add(first, term)
        return first

    # -- shapes: axes may be given from either end -------------------------------------------------

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Return ``x`` with another shape of as many elements."""
        if tuple(shape) == x.shape:
            return x
        return self.emit("reshape", x, shape=tuple(int(size) for size in shape), rank=x.ndim)

    def slice(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """Return the entries ``start`` to ``stop`` of an axis."""
        axis = axis - x.ndim if axis >= 0 else axis
        if (start, stop) == (0, x.shape[axis]):
            return x
        return self.emit("slice", x, axis=axis, start=int(start), stop=int(stop))

    def select(self, x: Value, axis: int, index: int) -> Value:
        """Return the entry ``index`` of an axis, without that axis."""
        axis = axis - x.ndim if axis >= 0 else axis
        index = index + x.shape[axis] if index < 0 else index
        shape = list(x.shape)
        del shape[axis]
        return self.reshape(self.slice(x, axis, index, index + 1), shape)

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Return ``x`` with its axes in another order."""
        negative = tuple(axis - x.ndim if axis >= 0 else axis for axis in order)
        if negative == tuple(range(-x.ndim, 0)):
            return x
        return self.emit("transpose", x, order=negative)

    def concat(self, parts: Sequence[Value], axis: int) -> Value:
        """Join values along an axis."""
        rank = parts[0].ndim
        return self.emit("concat", *parts, axis=axis - rank if axis >= 0 else axis, rank=rank)

    def expand(self, x: Value, shape: Shape) -> Value:
        """Repeat ``x`` along axes of size 1 until it is of this shape."""
        return x if x.shape == tuple(shape) else self.emit("expand", x, shape=tuple(shape))

    def sum(self, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
        """Sum over axes."""
        if not axes:
            return x
        return self.emit("sum", x, axes=_negative(x, axes), keepdims=keepdims)

    def max(self, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
        """Take the largest over axes."""
        return self.emit("max", x, axes=_negative(x, axes), keepdims=keepdims)

    # -- products ------------------------------------------------------------------------------------

    def product(self, x: Value, weight: Value, transposed: bool = False) -> Value:
        """``x W^T`` for ``weight`` ``(N, K)``, as in Linear; ``x W`` for ``(K, N)`` if ``transposed``."""
        return self.emit("product", x, weight, transposed=transposed)

    def matmul(
        self, first: Value, second: Value, transpose_first: bool = False, transpose_second: bool = False
    ) -> Value:
        """The product of matrices that both vary; axes before the last two must be the same.

        One of them may be a constant matrix.
        """
        return self.emit(
            "matmul", first, second,
            transpose_first=transpose_first, transpose_second=transpose_second,
        )


def _negative(x: Value, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis - x.ndim if axis >= 0 else axis for axis in axes)
