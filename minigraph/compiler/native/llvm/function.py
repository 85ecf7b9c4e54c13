"""A small writer of LLVM IR functions: typed values with operators, loops and branches.

A kernel is written much as it would be in C::

    function = Function("scale", [("ptr", "x"), ("i64", "count"), ("float", "by")])
    with function.loop(0, function["count"]) as loop:
        place = function.at(function["x"], loop.index, "float")
        function.store(function.load("float", place) * function["by"], place)
    text = function.finish()

``Value`` knows its LLVM type, so ``+`` is ``add`` for integers and ``fadd`` for floats, and Python numbers
become constants of the other side's type. The text ends with ``declare`` lines for the intrinsics in use; the
same line may occur in several functions, ``jit.compile_ir`` keeps one of each.
"""

from __future__ import annotations

import functools
import re
import struct
from contextlib import contextmanager
from typing import Callable, Iterator, Optional, Sequence, Union

Operand = Union["Value", int, float]

_SIZES = {"float": 4, "double": 8, "i32": 4, "i64": 8}
_SHORT = {"float": "f32", "double": "f64", "i1": "i1", "i32": "i32", "i64": "i64"}


@functools.cache
def split_type(type: str) -> tuple[int, str]:
    """Lanes and scalar type of an LLVM type; a scalar has 0 lanes."""
    match = re.fullmatch(r"<(\d+) x (\w+)>", type)
    return (int(match[1]), match[2]) if match else (0, type)


def with_scalar(type: str, scalar: str) -> str:
    """The type of the same shape (vector or scalar) that holds ``scalar``."""
    lanes, _ = split_type(type)
    return f"<{lanes} x {scalar}>" if lanes else scalar


def is_floating(type: str) -> bool:
    """Whether numbers of this type (scalar or vector) are floating-point."""
    return split_type(type)[1] in ("float", "double")


def suffix(type: str) -> str:
    """The name of a type inside the name of an overloaded intrinsic: ``v16f32``."""
    lanes, scalar = split_type(type)
    return f"v{lanes}{_SHORT[scalar]}" if lanes else _SHORT[scalar]


def constant_text(type: str, number: float) -> str:
    """A constant of a scalar or vector type (every lane the same), in LLVM's notation."""
    lanes, scalar = split_type(type)
    if scalar == "float":
        number = struct.unpack("f", struct.pack("f", number))[0]
    if scalar in ("float", "double"):
        text = f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}"
    elif scalar == "i1":
        text = "true" if number else "false"
    else:
        text = str(int(number))
    return "<" + ", ".join([f"{scalar} {text}"] * lanes) + ">" if lanes else text


class Value:
    """A typed value of one function: the result of an instruction, a parameter or a constant."""

    __slots__ = ("function", "type", "text")

    def __init__(self, function: "Function", type: str, text: str) -> None:
        self.function, self.type, self.text = function, type, text

    def __str__(self) -> str:
        return f"{self.type} {self.text}"

    def _binary(self, integer: str, floating: str, other: Operand, swapped: bool = False) -> "Value":
        right = self.function.value(self.type, other)
        first, second = (right, self) if swapped else (self, right)
        operation = floating if is_floating(self.type) else integer
        return self.function.emit(self.type, f"{operation} {first}, {second.text}")

    def __add__(self, other: Operand) -> "Value":
        return self._binary("add", "fadd", other)

    def __sub__(self, other: Operand) -> "Value":
        return self._binary("sub", "fsub", other)

    def __rsub__(self, other: Operand) -> "Value":
        return self._binary("sub", "fsub", other, swapped=True)

    def __mul__(self, other: Operand) -> "Value":
        return self._binary("mul", "fmul", other)

    def __truediv__(self, other: Operand) -> "Value":
        return self._binary("", "fdiv", other)

    def __rtruediv__(self, other: Operand) -> "Value":
        return self._binary("", "fdiv", other, swapped=True)

    def __floordiv__(self, other: Operand) -> "Value":
        return self._binary("sdiv", "", other)

    def __mod__(self, other: Operand) -> "Value":
        return self._binary("srem", "", other)

    def __and__(self, other: Operand) -> "Value":
        return self._binary("and", "", other)

    def __or__(self, other: Operand) -> "Value":
        return self._binary("or", "", other)

    def __lshift__(self, other: Operand) -> "Value":
        return self._binary("shl", "", other)

    def __rshift__(self, other: Operand) -> "Value":
        return self._binary("ashr", "", other)

    def __neg__(self) -> "Value":
        if not is_floating(self.type):
            return self.function.value(self.type, 0) - self
        return self.function.emit(self.type, f"fneg {self}")

    def compare(self, predicate: str, other: Operand) -> "Value":
        """``icmp`` or ``fcmp`` with an LLVM predicate (``slt``, ``olt``, …): an i1 for each lane."""
        right = self.function.value(self.type, other)
        operation = "fcmp" if is_floating(self.type) else "icmp"
        text = f"{operation} {predicate} {self}, {right.text}"
        return self.function.emit(with_scalar(self.type, "i1"), text)

    def cast(self, operation: str, type: str) -> "Value":
        """A conversion instruction (``bitcast``, ``trunc``, ``sitofp``, …) to ``type``."""
        return self.function.emit(type, f"{operation} {self} to {type}")


class Loop:
    """A loop while it is written: its ``index``, the ``carried`` values and, after it, their ``results``."""

    def __init__(self, index: Value, carried: list[Value]) -> None:
        self.index = index
        self.carried = carried
        self.results = carried
        self.next: Optional[list[Value]] = None

    def carry(self, values: Sequence[Value]) -> None:
        """Name the values that the next iteration starts from."""
        self.next = list(values)


class Function:
    """The text of one function under construction; ``function["name"]`` is a parameter.

    It returns nothing, or what ``finish`` is given, of the type ``returns``.
    ``constants`` maps parameters whose value is known to that value: they stay in the signature, but their
    uses become constants. ``width``: bytes of the vectors in use, so that LLVM does not halve them.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[tuple[str, str]],
        *,
        width: int = 64,
        internal: bool = False,
        constants: Optional[dict[str, int]] = None,
        returns: str = "void",
    ) -> None:
        self.name = name
        self._parameters = {label: Value(self, type, f"%{label}") for type, label in parameters}
        linkage = "internal " if internal else ""
        signature = ", ".join(str(value) for value in self._parameters.values())
        attributes = f'nounwind "prefer-vector-width"="{8 * width}" "min-legal-vector-width"="{8 * width}"'
        if internal:
            attributes = "noinline " + attributes
        self._head = f"define {linkage}{returns} @{name}({signature}) {attributes} {{"
        for label, number in (constants or {}).items():
            self._parameters[label] = self.value(self._parameters[label].type, number)
        self._allocations: list[str] = []
        self._lines: list[str] = []
        self._declarations: dict[str, None] = {}
        self._count = 0
        self._block = "entry"

    def __getitem__(self, parameter: str) -> Value:
        return self._parameters[parameter]

    def finish(self, result: Union[Value, str] = "void") -> str:
        """The text of the whole function, which returns ``result``, and of the declarations it needs."""
        body = ["entry:", *self._allocations, *self._lines, f"  ret {result}"]
        return "\n".join([self._head, *body, "}", *self._declarations]) + "\n"

    # Values

    def _fresh(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def emit(self, type: str, text: str) -> Value:
        """Append an instruction and return its result."""
        value = Value(self, type, "%" + self._fresh())
        self._lines.append(f"  {value.text} = {text}")
        return value

    def value(self, type: str, operand: Operand) -> Value:
        """The operand itself, or a Python number as a constant of ``type``."""
        if isinstance(operand, Value):
            return operand
        return Value(self, type, constant_text(type, operand))

    def call(self, name: str, type: str, arguments: Sequence[Value], declare: bool = True) -> Value:
        """Call a function that returns a value (an intrinsic, one of C's); it is of the same module
        unless ``declare``."""
        if declare:
            kinds = ", ".join(argument.type for argument in arguments)
            self._declarations[f"declare {type} @{name}({kinds})"] = None
        return self.emit(type, f"call {type} @{name}({', '.join(map(str, arguments))})")

    def run(self, name: str, arguments: Sequence[Value], declare: bool = False) -> None:
        """Call a function that returns nothing, of the same module unless ``declare``."""
        if declare:
            kinds = ", ".join(argument.type for argument in arguments)
            self._declarations[f"declare void @{name}({kinds})"] = None
        self._lines.append(f"  call void @{name}({', '.join(map(str, arguments))})")

    def run_at(self, address: Value, arguments: Sequence[Value]) -> None:
        """Call a function that returns nothing by its address."""
        self._lines.append(f"  call void {address.text}({', '.join(map(str, arguments))})")

    def intrinsic(self, name: str, *operands: Operand) -> Value:
        """An overloaded intrinsic over equal types, such as ``fmuladd``, ``sqrt`` or ``fabs``."""
        type = next(operand.type for operand in operands if isinstance(operand, Value))
        return self.call(f"llvm.{name}.{suffix(type)}", type, [self.value(type, each) for each in operands])

    def multiply_add(self, a: Operand, b: Operand, c: Operand) -> Value:
        """``a * b + c``, fused where the processor can."""
        return self.intrinsic("fmuladd", a, b, c)

    def select(self, condition: Value, yes: Operand, no: Operand) -> Value:
        """``yes`` where the condition holds, else ``no``."""
        type = next(operand.type for operand in (yes, no) if isinstance(operand, Value))
        return self.emit(type, f"select {condition}, {self.value(type, yes)}, {self.value(type, no)}")

    def smaller(self, a: Value, b: Operand) -> Value:
        """The smaller of two integers."""
        return self.select(a.compare("slt", b), a, b)

    def larger(self, a: Value, b: Operand) -> Value:
        """The larger of two integers."""
        return self.select(a.compare("sgt", b), a, b)

    def shuffle(self, low: Value, high: Value, order: Sequence[int]) -> Value:
        """Lanes chosen by number from two vectors laid end to end."""
        lanes = ", ".join(f"i32 {lane}" for lane in order)
        return self.emit(low.type, f"shufflevector {low}, {high}, <{len(order)} x i32> <{lanes}>")

    def splat(self, scalar: Value, lanes: int) -> Value:
        """A vector whose lanes all hold ``scalar``."""
        type = f"<{lanes} x {scalar.type}>"
        first = self.emit(type, f"insertelement {type} poison, {scalar}, i32 0")
        zeros = constant_text(f"<{lanes} x i32>", 0)
        return self.emit(type, f"shufflevector {first}, {type} poison, <{lanes} x i32> {zeros}")

    def reduce(self, operation: str, vector: Value) -> Value:
        """The sum (``fadd``) or the largest lane (``fmax``) of a vector."""
        _, scalar = split_type(vector.type)
        arguments = [vector] if operation == "fmax" else [self.value(scalar, -0.0), vector]
        kinds = ", ".join(argument.type for argument in arguments)
        name = f"llvm.vector.reduce.{operation}.{suffix(vector.type)}"
        self._declarations[f"declare {scalar} @{name}({kinds})"] = None
        return self.emit(scalar, f"call reassoc {scalar} @{name}({', '.join(map(str, arguments))})")

    # Memory

    def allocate(self, type: str, count: int, align: int = 64) -> Value:
        """Room for ``count`` items on the stack, for as long as the function runs."""
        place = Value(self, "ptr", "%" + self._fresh("stack"))
        self._allocations.append(f"  {place.text} = alloca {type}, i64 {count}, align {align}")
        return place

    def at(self, pointer: Value, index: Operand, type: str) -> Value:
        """The address of item ``index`` of an array of ``type``."""
        if isinstance(index, int) and index == 0:
            return pointer
        return self.emit("ptr", f"getelementptr {type}, {pointer}, {self.value('i64', index)}")

    def load(self, type: str, pointer: Value) -> Value:
        """A number or a vector from memory, aligned like one number."""
        return self.emit(type, f"load {type}, {pointer}, align {_SIZES.get(split_type(type)[1], 8)}")

    def prefetch(self, pointer: Value) -> None:
        """Ask for a cache line to be brought to the second-level cache; the address need not exist."""
        numbers = [self.value("i32", number) for number in (0, 2, 1)]  # to be read, this near, data
        self.run("llvm.prefetch.p0", [pointer, *numbers], declare=True)

    def store(self, value: Value, pointer: Value) -> None:
        """Write a number or a vector, aligned like one number."""
        self._lines.append(f"  store {value}, {pointer}, align {_SIZES.get(split_type(value.type)[1], 8)}")

    # Memory that threads share: sequentially consistent, 64 bits at a time

    def shared(self, pointer: Value) -> Value:
        """What a word is now, whichever thread wrote it."""
        return self.emit("i64", f"load atomic i64, {pointer} seq_cst, align 8")

    def share(self, value: Operand, pointer: Value) -> None:
        """Write a word for other threads to see."""
        self._lines.append(f"  store atomic {self.value('i64', value)}, {pointer} seq_cst, align 8")

    def share_sum(self, pointer: Value, number: int) -> None:
        """Add to a word that other threads add to as well."""
        self.emit("i64", f"atomicrmw add {pointer}, {self.value('i64', number)} seq_cst")

    def exchange(self, pointer: Value, expected: Value, new: Value) -> Value:
        """Write ``new`` if the word is as ``expected``; whether it was, as an i1."""
        pair = self.emit("{ i64, i1 }", f"cmpxchg {pointer}, {expected}, {new} seq_cst seq_cst")
        return self.emit("i1", f"extractvalue {pair}, 1")

    def lanes_below(self, count: Value, lanes: int) -> Value:
        """A mask with the first ``count`` lanes on; ``count`` is an i64, any number from 0 up."""
        type = f"<{lanes} x i32>"
        numbers = "<" + ", ".join(f"i32 {lane}" for lane in range(lanes)) + ">"
        bound = self.splat(self.smaller(count, lanes).cast("trunc", "i32"), lanes)
        return Value(self, type, numbers).compare("slt", bound)

    def masked_load(self, type: str, pointer: Value, mask: Value, otherwise: float = 0.0) -> Value:
        """A vector from memory; lanes that are off are not touched and become ``otherwise``."""
        size = Value(self, "i32", str(_SIZES[split_type(type)[1]]))
        arguments = [pointer, size, mask, self.value(type, otherwise)]
        return self.call(f"llvm.masked.load.{suffix(type)}.p0", type, arguments)

    def masked_store(self, value: Value, pointer: Value, mask: Value) -> None:
        """Write the lanes that are on."""
        size = Value(self, "i32", str(_SIZES[split_type(value.type)[1]]))
        self.run(f"llvm.masked.store.{suffix(value.type)}.p0", [value, pointer, size, mask], declare=True)

    # Control flow

    def _start_block(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    @contextmanager
    def loop(
        self, start: Operand, stop: Operand, step: Operand = 1, carried: Sequence[Value] = ()
    ) -> Iterator[Loop]:
        """``for (index = start; index < stop; index += step)`` over i64.

        ``carried`` are the first values of what goes from one iteration to the next: the body reads
        ``loop.carried`` and names their successors by ``loop.carry(...)``; ``loop.results`` are the last
        ones.
        """
        name = self._fresh("loop")
        before = self._block
        self._lines.append(f"  br label %{name}")
        self._start_block(name)
        place = len(self._lines)
        loop = Loop(
            Value(self, "i64", "%" + self._fresh("i")),
            [Value(self, value.type, "%" + self._fresh("c")) for value in carried],
        )
        self._lines.extend([""] * (1 + len(carried)))
        more = loop.index.compare("slt", stop)
        self._lines.append(f"  br {more}, label %{name}.body, label %{name}.end")
        self._start_block(f"{name}.body")
        yield loop
        following = loop.index + step
        after = self._block
        self._lines.append(f"  br label %{name}")
        if len(loop.next or ()) != len(carried):
            raise ValueError(f"{self.name}: a loop carries {len(carried)} values, carry() got {loop.next}")
        phis = [
            (loop.index, self.value("i64", start), following),
            *zip(loop.carried, carried, loop.next or ()),
        ]
        for offset, (value, first, later) in enumerate(phis):
            self._lines[place + offset] = (
                f"  {value.text} = phi {value.type} [ {first.text}, %{before} ], [ {later.text}, %{after} ]"
            )
        self._start_block(f"{name}.end")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """``if (condition)``."""
        name = self._fresh("when")
        self._lines.append(f"  br {condition}, label %{name}, label %{name}.end")
        self._start_block(name)
        yield
        self._lines.append(f"  br label %{name}.end")
        self._start_block(f"{name}.end")

    @contextmanager
    def repeat(self) -> Iterator[Callable[[Value], None]]:
        """``while (true)``; what is yielded leaves the loop where the condition that it is given holds."""
        name = self._fresh("repeat")
        self._lines.append(f"  br label %{name}")
        self._start_block(name)

        def leave(condition: Value) -> None:
            rest = self._fresh("stay")
            self._lines.append(f"  br {condition}, label %{name}.end, label %{rest}")
            self._start_block(rest)

        yield leave
        self._lines.append(f"  br label %{name}")
        self._start_block(f"{name}.end")
