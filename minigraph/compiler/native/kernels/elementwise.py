"""Fused elementwise regions: every input is read once, every output written once, nothing in between.

Arrays are R x C with unit column stride and a row stride in numbers. The columns go by in chunks of a
vector (two at a time in light regions), the last one masked; all inputs of a chunk are read before its
outputs are written, so an output may be the very memory of an input. Where no input is a vector or a
column and all strides equal C, the array is one long row.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from minigraph.compiler.native.kernels import transcendental
from minigraph.compiler.native.kernels.walk import Chunk
from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import vectors_of

Operand = Union[int, float]
Body = Sequence[tuple[str, Sequence[Operand]]]
KINDS = ("full", "row", "column", "scalar")


def _comparison(predicate: str) -> Callable[..., Value]:
    def write(function: Function, a: Value, b: Value) -> Value:
        return function.select(a.compare(predicate, b), function.value(a.type, 1.0), 0.0)

    return write


def _extremum(predicate: str) -> Callable[..., Value]:
    def write(function: Function, a: Value, b: Value) -> Value:
        # The comparison is false beside a NaN and then takes b; a NaN in a is put back.
        chosen = function.select(a.compare(predicate, b), a, b)
        return function.select(a.compare("uno", a), a, chosen)

    return write


def _sign(function: Function, a: Value) -> Value:
    # Zeros and NaN are their own sign.
    one = function.select(a.compare("ogt", 0.0), function.value(a.type, 1.0), a)
    return function.select(a.compare("olt", 0.0), function.value(a.type, -1.0), one)


PRIMITIVES: dict[str, tuple[int, Callable[..., Value]]] = {
    "add": (2, lambda function, a, b: a + b),
    "sub": (2, lambda function, a, b: a - b),
    "mul": (2, lambda function, a, b: a * b),
    "div": (2, lambda function, a, b: a / b),
    "neg": (1, lambda function, a: -a),
    "tanh": (1, transcendental.tanh),
    "sigmoid": (1, transcendental.sigmoid),
    "exp": (1, transcendental.exp),
    "log": (1, transcendental.log),
    "log1p": (1, transcendental.log1p),
    "sqrt": (1, lambda function, a: function.intrinsic("sqrt", a)),
    "abs": (1, lambda function, a: function.intrinsic("fabs", a)),
    "floor": (1, lambda function, a: function.intrinsic("floor", a)),
    "sign": (1, _sign),
    "maximum": (2, _extremum("ogt")),
    "minimum": (2, _extremum("olt")),
    "greater": (2, _comparison("ogt")),
    "less": (2, _comparison("olt")),
    "greater_equal": (2, _comparison("oge")),
    "less_equal": (2, _comparison("ole")),
    "equal": (2, _comparison("oeq")),
    "where": (3, lambda function, c, a, b: function.select(c.compare("une", 0.0), a, b)),
}
_HEAVY = {"tanh", "sigmoid", "exp", "log", "log1p", "div"}


def define_elementwise(
    name: str,
    dtype: Any,
    body: Body,
    kinds: Sequence[str],
    outputs: Sequence[int],
    *,
    width: Optional[int] = None,
) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr p0, i64 stride0, …, ptr q0, i64 stride_q0, …)``.

    ``body`` lists ``(primitive, operands)``: an int names an input (``0 … len(kinds) - 1``) or, from there
    on, the result of an earlier entry; a float is a constant. Primitives: the keys of ``PRIMITIVES``;
    comparisons give 1 or 0, ``where(c, a, b)`` takes ``a`` where ``c != 0``. ``kinds``: ``full`` (R x C
    with a row stride), ``row`` (C numbers for every row), ``column`` (one number a row, with its stride),
    ``scalar`` (one number); each input is a pointer and a stride in numbers, ignored for ``row`` and
    ``scalar``. ``outputs`` are the values to store, as full arrays, each with its pointer and stride.
    Raises ValueError for a body that does not fit.
    """
    _check(name, body, kinds, outputs)
    vectors = vectors_of(dtype, width)
    parameters = [("i64", "rows"), ("i64", "cols")]
    for index in range(len(kinds)):
        parameters += [("ptr", f"p{index}"), ("i64", f"stride{index}")]
    for index in range(len(outputs)):
        parameters += [("ptr", f"q{index}"), ("i64", f"stride_q{index}")]
    function = Function(name, parameters, width=vectors.width)
    rows, columns = function["rows"], function["cols"]
    if not {"row", "column"} & set(kinds):
        rows, columns = _one_long_row(function, kinds, len(outputs))

    scalar, lanes = vectors.scalar, vectors.lanes
    scalars = {
        index: function.splat(function.load(scalar, function[f"p{index}"]), lanes)
        for index, kind in enumerate(kinds)
        if kind == "scalar"
    }
    with function.loop(0, rows) as row:
        places, ready = {}, dict(scalars)
        for index, kind in enumerate(kinds):
            pointer = function[f"p{index}"]
            if kind in ("full", "column"):
                pointer = function.at(pointer, row.index * function[f"stride{index}"], scalar)
            if kind == "column":
                ready[index] = function.splat(function.load(scalar, pointer), lanes)
            elif kind != "scalar":
                places[index] = pointer
        targets = [
            function.at(function[f"q{index}"], row.index * function[f"stride_q{index}"], scalar)
            for index in range(len(outputs))
        ]

        def compute(chunks: list[Chunk]) -> None:
            loaded = [{index: chunk.load(place) for index, place in places.items()} for chunk in chunks]
            for chunk, inputs in zip(chunks, loaded):
                values = _compute(function, vectors.type, body, {**ready, **inputs}, len(kinds))
                for target, result in zip(targets, outputs):
                    chunk.store(values[result], target)

        unroll = 1 if _HEAVY & {primitive for primitive, _ in body} or len(places) > 6 else 2
        whole = columns - columns % (unroll * lanes)
        with function.loop(0, whole, unroll * lanes) as column:
            starts = [column.index + part * lanes for part in range(unroll)]
            compute([Chunk(function, vectors, start, None) for start in starts])
        with function.loop(whole, columns, lanes) as column:
            mask = function.lanes_below(columns - column.index, lanes)
            compute([Chunk(function, vectors, column.index, mask)])
    return function.finish()


def _compute(
    function: Function, type: str, body: Body, known: dict[int, Value], inputs: int
) -> dict[int, Value]:
    """The values of a chunk by number: the inputs, then one for each entry of the body."""
    values = dict(known)
    for index, (primitive, operands) in enumerate(body):
        arguments = [
            function.value(type, operand) if isinstance(operand, float) else values[operand]
            for operand in operands
        ]
        values[inputs + index] = PRIMITIVES[primitive][1](function, *arguments)
    return values


def _one_long_row(function: Function, kinds: Sequence[str], outputs: int) -> tuple[Value, Value]:
    """Rows and columns of the walk: 1 and R·C where every array is contiguous."""
    names = [f"stride{index}" for index, kind in enumerate(kinds) if kind == "full"]
    names += [f"stride_q{index}" for index in range(outputs)]
    rows, columns = function["rows"], function["cols"]
    contiguous = function.value("i1", 1)
    for name in names:
        contiguous = contiguous & function[name].compare("eq", columns)
    return (
        function.select(contiguous, function.smaller(rows, 1), rows),
        function.select(contiguous, rows * columns, columns),
    )


def _check(name: str, body: Body, kinds: Sequence[str], outputs: Sequence[int]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"{name}: an input is one of {', '.join(KINDS)}, not {kind!r}")
    for index, (primitive, operands) in enumerate(body):
        known = len(kinds) + index
        if primitive not in PRIMITIVES:
            raise ValueError(f"{name}: entry {index} of the body: there is no primitive {primitive!r}")
        count = PRIMITIVES[primitive][0]
        if len(operands) != count:
            raise ValueError(f"{name}: entry {index}: {primitive} takes {count} operands")
        for operand in operands:
            if not isinstance(operand, float) and not 0 <= operand < known:
                raise ValueError(f"{name}: entry {index}: {primitive} reads {operand}, known are {known}")
    for output in outputs:
        if not 0 <= output < len(kinds) + len(body):
            raise ValueError(f"{name}: output {output} is no value of the body")
