"""The writer: the ONNX nodes and weights of two captures of one network, operation by operation.

The captures are of the example and of an input of other sizes. Their operations pair off; what differs in
a pair, in a shape or a number, is free in the file (see ``sizes.py``).
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from minigraph.compiler.program.ir import Constant, Op, Parameter, Value
from minigraph.interop.names import Unique, dotted
from minigraph.interop.onnx.sizes import Pair, Size, Sizes, Unwritable
from minigraph.memory import address

#: ONNX's names of the types that a file may compute in.
KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}

#: Operators that onnxruntime runs in single precision only.
_SINGLE = {"AveragePool", "Conv", "ConvTranspose", "LRN", "Resize"}


class Writer:
    """Collects nodes and weights. Operations are written by the functions of ``operators.py``."""

    def __init__(self, dtype: np.dtype, sizes: Sizes, unrolled: bool, table: Mapping[str, Any]) -> None:
        self.dtype, self.sizes, self.unrolled, self._table = np.dtype(dtype), sizes, unrolled, table
        self.kind = KINDS[self.dtype]
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.names = Unique()
        #: What cannot be written, and why.
        self.refused: list[tuple[str, str]] = []
        #: Appended to the names of values within a loop.
        self.moment = ""
        #: The operation that is being written, and its twin for the other example.
        self.op: Any = None
        self.twin: Any = None
        #: Where the maxima of pooling layers were, for those that undo them.
        self.places: dict[int, str] = {}
        #: What comparisons gave, as ONNX has them.
        self.conditions: dict[Value, str] = {}
        self._known: dict[Value, str] = {}
        self._others: dict[Value, Value] = {}
        self._made: dict[Any, str] = {}
        self._kept: list[Any] = []
        self._sources: dict[str, tuple[str, int]] = {}
        self._outermost = self.nodes

    # -- values --------------------------------------------------------------------------------------

    def enter(self, value: Value, other: Value, name: str) -> None:
        """Call ``value`` by this name from now on; ``other`` is what it is for the other example."""
        self._known[value], self._others[value] = name, other

    def pair(self, value: Value, other: Value) -> None:
        """Note what ``value`` is for the other example."""
        self._others[value] = other

    def given(self, value: Value, other: Value, wanted: str) -> str:
        """Enter an input of the graph under a name of its own; its free sizes can be asked for."""
        name = self.names(dotted(wanted) + self.moment)
        self.enter(value, other, name)
        return name

    def measure(self, value: Value) -> None:
        """Let the sizes that are free be those of this input of the whole graph."""
        for axis, pair in enumerate(self.pairs(value)):
            if pair in self.sizes.names:
                self._sources.setdefault(self.sizes.names[pair], (self._known[value], axis))

    def known(self, value: Value) -> bool:
        """Tell whether ``value`` can be read: whether what computes it could be written."""
        return value in self._known or isinstance(value, (Constant, Parameter)) or value in self.conditions

    def pairs(self, value: Value) -> list[Pair]:
        """Return each of a value's sizes for the two examples."""
        return list(zip(value.shape, self._others.get(value, value).shape))

    def of(self, value: Value) -> str:
        """Return the name of a value; a parameter or constant is written when it is first asked for."""
        if value not in self._known:
            if value in self.conditions:
                name = self.name_of(value)
                self._known[value] = self.add("Cast", [self.conditions[value]], name, to=self.kind)
            elif isinstance(value, Parameter):
                self._known[value] = self._shared(value.array, value.name)
            else:
                return self._constant(value)
        return self._known[value]

    def name_of(self, value: Value) -> str:
        """Return what a value shall be called."""
        return dotted(value.name or self.op.primitive)

    def _shared(self, array: np.ndarray, name: str) -> str:
        """Return the name of numbers that are written once wherever the same memory is used."""
        key = (address(array), array.shape, array.strides)
        if key not in self._made:
            self._kept.append(array)
            self._made[key] = self.weight(array, name)
        return self._made[key]

    def _constant(self, value: Any) -> str:
        other = self._others.get(value, value)
        if value.shape != other.shape or not np.array_equal(value.array, other.array):
            return self._varying_constant(value.array, other.array)
        return self.number(value.array, value.name or "constant")

    def _varying_constant(self, array: np.ndarray, other: np.ndarray) -> str:
        """Write numbers that depend on the batch: one number everywhere, or one that is a size itself."""
        low, high = array.min(), array.max()
        if array.ndim == 0 and other.ndim == 0:
            if array != int(array) or other != int(other):
                raise Unwritable("a number in it depends on the batch")
            size = self.size(self.sizes.size((int(array), int(other))))
            flat = self.add("Cast", [size], "size", to=self.kind)
            return self.add("Reshape", [flat, self.integers()], "size")
        if low != high or low != other.min() or low != other.max():
            raise Unwritable("numbers in it depend on the batch")
        shape = self.shape(list(zip(array.shape, other.shape)))
        return self.add("Expand", [self.number(low), shape], "filled")

    def number(self, array: Any, name: str = "constant") -> str:
        """Return the name of a constant; equal small ones are written once."""
        array = np.asarray(array)
        if array.size > 16:
            return self._shared(array, name)
        key = (array.dtype.kind, array.shape, array.tobytes())
        if key not in self._made:
            self._made[key] = self.weight(array, name)
        return self._made[key]

    def integers(self, *numbers: int) -> str:
        """Return the name of a list of whole numbers."""
        return self.number(np.array(numbers, np.int64), "sizes")

    def weight(self, array: Any, name: str) -> str:
        """Write an initializer: floats in the file's type, whole numbers as int64."""
        array = np.asarray(array)
        array = array.astype(self.dtype if array.dtype.kind == "f" else np.int64)
        unique = self.names(dotted(name))
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), unique))
        return unique

    # -- nodes ---------------------------------------------------------------------------------------

    def add(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node of one output and return its name."""
        return self.several(kind, inputs, [name], **attributes)[0]

    def several(
        self, kind: str, inputs: Sequence[str], wanted: Sequence[str], **attributes: Any
    ) -> list[str]:
        """Add a node and return the names of its outputs."""
        if kind in _SINGLE and self.dtype.itemsize == 8:
            raise Unwritable(f"onnxruntime runs {kind} in float32 only: leave dtype at 'float32'")
        names = [self.names(dotted(name) + self.moment) for name in wanted]
        node = helper.make_node(kind, list(inputs), names, name=names[0], **attributes)
        if self.op is not None and self.op.node is not None:
            node.doc_string = str(self.op.node.annotations.get("description", ""))
        self.nodes.append(node)
        return names

    # -- sizes ---------------------------------------------------------------------------------------

    def size(self, size: Size) -> str:
        """Return the name of a list of one whole number: what ``size`` is at run time."""
        if size.fixed:
            return self.integers(size.factor)
        if size not in self._made:
            within, moment = self.nodes, self.moment
            self.nodes, self.moment = self._outermost, ""  # a loop's step sees what is around it
            factors = [] if size.factor == 1 else [self.integers(size.factor)]
            for each in size.names:
                if each not in self._made:
                    source, axis = self._sources[each]
                    self._made[each] = self.add("Shape", [source], each, start=axis, end=axis + 1)
                factors.append(self._made[each])
            name, *rest = factors
            for factor in rest:
                name = self.add("Mul", [name, factor], "_".join(size.names))
            self.nodes, self.moment = within, moment
            self._made[size] = name
        return self._made[size]

    def shape(self, pairs: Sequence[Pair]) -> str:
        """Return the name of a shape whose free sizes are those of the input."""
        sizes = [self.sizes.size(pair) for pair in pairs]
        if all(size.fixed for size in sizes):
            return self.integers(*(size.factor for size in sizes))
        return self.add("Concat", [self.size(size) for size in sizes], "shape", axis=0)

    def info(self, value: Value, name: str) -> Any:
        """Describe an input or output: fixed sizes as numbers, the others by name."""
        dims = [
            a if a == b else self.sizes.names.get((a, b), f"{name}_size_{axis}")
            for axis, (a, b) in enumerate(self.pairs(value), 1)
        ]
        kind = self.kind if value.dtype.kind == "f" else TensorProto.INT64
        return helper.make_tensor_value_info(name, kind, dims)

    # -- the walk ------------------------------------------------------------------------------------

    def write(self, ops: Sequence[Op], twins: Sequence[Op]) -> None:
        """Write operations by the table; what cannot be written is noted in ``refused``."""
        for op, twin in zip(ops, twins):
            self._others.update(zip((*op.inputs, *op.outputs), (*twin.inputs, *twin.outputs)))
            for value in op.outputs:  # a loop that is written step by step comes here again
                self._known.pop(value, None)
                self.conditions.pop(value, None)
            if not all(map(self.known, op.inputs)):
                continue  # it needs what could not be written: that is what is told
            outer = self.op, self.twin
            self.op, self.twin = op, twin
            try:
                made = self._table[op.primitive](self, op)
                if made is not None:
                    self._known.update(zip(op.outputs, [made] if isinstance(made, str) else made))
            except Unwritable as reason:
                where = op.attributes.get("where") or (
                    self.name_of(op.outputs[0]) if op.node is None else op.node.describe()
                )
                if (where, str(reason)) not in self.refused:
                    self.refused.append((where, str(reason)))
            finally:
                self.op, self.twin = outer


def alike(ops: Sequence[Op], twins: Sequence[Op]) -> bool:
    """Tell whether two captures have the same operations, whatever their sizes."""
    return len(ops) == len(twins) and all(
        _kind(op) == _kind(twin)
        and ("step" not in op.attributes or alike(op.attributes["step"].ops, twin.attributes["step"].ops))
        for op, twin in zip(ops, twins)
    )


def _kind(op: Op) -> Any:
    ranks = [value.ndim for value in (*op.inputs, *op.outputs)]
    return op.primitive, len(op.inputs), ranks, op.attributes.get("kind")
