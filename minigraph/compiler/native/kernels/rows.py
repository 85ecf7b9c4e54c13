"""Kernels that work row by row: softmax and its kin, sums over rows, rows by index, copies.

Arrays are R x C with unit column stride and a row stride in numbers, as in ``elementwise``: every function
begins with ``i64 rows, i64 cols`` and takes a pointer and a stride for each array. Outputs may be the
memory of an input where both are full arrays.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Optional, Sequence

from minigraph.compiler.native.kernels import transcendental
from minigraph.compiler.native.kernels.walk import Chunk, walk
from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import Vectors, vectors_of

# Vectors of columns that a sum over rows keeps in registers at a time.
_SUM_VECTORS = 8


def _kernel(
    name: str, vectors: Vectors, arrays: Sequence[str], more: Sequence[tuple[str, str]] = ()
) -> Function:
    """A function of rows, columns, the arrays (pointer and stride each) and more parameters."""
    parameters = [("i64", "rows"), ("i64", "cols")]
    for array in arrays:
        parameters += [("ptr", array), ("i64", f"{array}_stride")]
    return Function(name, [*parameters, *more], width=vectors.width)


def _begin(function: Function, vectors: Vectors, array: str, row: Value) -> Value:
    """The address of the first number of a row."""
    return function.at(function[array], row * function[f"{array}_stride"], vectors.scalar)


@contextmanager
def _each_row(function: Function, vectors: Vectors, arrays: Sequence[str]) -> Iterator[list[Value]]:
    """A loop over rows; gives the beginning of the current row of each array."""
    with function.loop(0, function["rows"]) as row:
        yield [_begin(function, vectors, array, row.index) for array in arrays]


def _maximum(function: Function, a: Value, b: Value) -> Value:
    return function.select(a.compare("ogt", b), a, b)


def _row_maximum(function: Function, vectors: Vectors, x: Value) -> Value:
    """The largest number of a row, in every lane."""
    lowest = -float("inf")

    def body(chunk: Chunk, largest: Value) -> list[Value]:
        return [_maximum(function, chunk.load(x, lowest), largest)]

    (largest,) = walk(function, vectors, function["cols"], body, [function.value(vectors.type, lowest)])
    return function.splat(function.reduce("fmax", largest), vectors.lanes)


def _all_lanes_sum(function: Function, vectors: Vectors, vector: Value) -> Value:
    return function.splat(function.reduce("fadd", vector), vectors.lanes)


def define_log_softmax(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr x, i64 x_stride, ptr y, i64 y_stride)``.

    y = x - log(sum of exp(x) over the row).
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("x", "y"))
    zero = function.value(vectors.type, 0.0)
    with _each_row(function, vectors, ("x", "y")) as (x, y):
        largest = _row_maximum(function, vectors, x)

        def add(chunk: Chunk, total: Value) -> list[Value]:
            return [total + chunk.existing(transcendental.exp(function, chunk.load(x) - largest))]

        (total,) = walk(function, vectors, function["cols"], add, [zero])
        logarithm = transcendental.log(function, _all_lanes_sum(function, vectors, total))

        def write(chunk: Chunk) -> None:
            chunk.store(chunk.load(x) - largest - logarithm, y)

        walk(function, vectors, function["cols"], write)
    return function.finish()


def define_log_softmax_gradient(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr y, i64 y_stride, ptr g, i64 g_stride, ptr gx, i64
    gx_stride)``.

    gx = g - exp(y) * (sum of g over the row), for the output ``y`` and its gradient ``g``.
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("y", "g", "gx"))
    zero = function.value(vectors.type, 0.0)
    with _each_row(function, vectors, ("y", "g", "gx")) as (y, g, gx):

        def add(chunk: Chunk, total: Value) -> list[Value]:
            return [total + chunk.load(g)]

        (total,) = walk(function, vectors, function["cols"], add, [zero])
        total = _all_lanes_sum(function, vectors, total)

        def write(chunk: Chunk) -> None:
            gradient = chunk.load(g)
            chunk.store(gradient - transcendental.exp(function, chunk.load(y)) * total, gx)

        walk(function, vectors, function["cols"], write)
    return function.finish()


def define_softmax(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr x, i64 x_stride, ptr y, i64 y_stride)``.

    y = exp(x) / (sum of exp(x) over the row).
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("x", "y"))
    zero = function.value(vectors.type, 0.0)
    with _each_row(function, vectors, ("x", "y")) as (x, y):
        largest = _row_maximum(function, vectors, x)

        def add(chunk: Chunk, total: Value) -> list[Value]:
            value = transcendental.exp(function, chunk.load(x) - largest)
            chunk.store(value, y)
            return [total + chunk.existing(value)]

        (total,) = walk(function, vectors, function["cols"], add, [zero])
        total = _all_lanes_sum(function, vectors, total)
        walk(function, vectors, function["cols"], lambda chunk: chunk.store(chunk.load(y) / total, y))
    return function.finish()


def define_softmax_gradient(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr y, i64 y_stride, ptr g, i64 g_stride, ptr gx, i64
    gx_stride)``.

    gx = y * (g - sum of g * y over the row), for the output ``y`` and its gradient ``g``.
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("y", "g", "gx"))
    zero = function.value(vectors.type, 0.0)
    with _each_row(function, vectors, ("y", "g", "gx")) as (y, g, gx):

        def add(chunk: Chunk, total: Value) -> list[Value]:
            return [function.multiply_add(chunk.load(g), chunk.load(y), total)]

        (total,) = walk(function, vectors, function["cols"], add, [zero])
        total = _all_lanes_sum(function, vectors, total)

        def write(chunk: Chunk) -> None:
            chunk.store(chunk.load(y) * (chunk.load(g) - total), gx)

        walk(function, vectors, function["cols"], write)
    return function.finish()


def define_column_sum(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr x, i64 x_stride, ptr out, i32 accumulate)``.

    out[c] = sum over rows of x[r, c], from the first row on; added to ``out`` with ``accumulate``.
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("x",), [("ptr", "out"), ("i32", "accumulate")])
    columns, lanes = function["cols"], vectors.lanes
    accumulate = function.splat(function["accumulate"].compare("ne", 0), lanes)
    zero = function.value(vectors.type, 0.0)

    def strip(chunks: list[Chunk]) -> None:
        starts = [function.select(accumulate, chunk.load(function["out"]), zero) for chunk in chunks]
        with function.loop(0, function["rows"], 1, starts) as row:
            x = _begin(function, vectors, "x", row.index)
            row.carry([total + chunk.load(x) for total, chunk in zip(row.carried, chunks)])
        for chunk, total in zip(chunks, row.results):
            chunk.store(total, function["out"])

    size = _SUM_VECTORS * lanes
    whole = columns - columns % size
    with function.loop(0, whole, size) as column:
        strip([Chunk(function, vectors, column.index + part * lanes, None) for part in range(_SUM_VECTORS)])
    rest = columns - whole

    def single(chunk: Chunk) -> None:
        strip([Chunk(function, vectors, whole + chunk.start, chunk.mask)])

    walk(function, vectors, rest, single)
    return function.finish()


def define_take(name: str, dtype: Any, first: int = 0, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr table, i64 table_stride, ptr out, i64 out_stride, ptr
    index)``.

    out[r] = table[index[r] - first] for ``rows`` i64 indexes: ``first`` is 1 for Torch's. The caller has
    checked that they lie in the table.
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("table", "out"), [("ptr", "index")])
    with function.loop(0, function["rows"]) as row:
        source = _indexed(function, vectors, row.index, first)
        target = _begin(function, vectors, "out", row.index)
        walk(function, vectors, function["cols"], lambda chunk: chunk.store(chunk.load(source), target))
    return function.finish()


def define_scatter_add(name: str, dtype: Any, first: int = 0, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr table, i64 table_stride, ptr x, i64 x_stride, ptr
    index)``.

    table[index[r] - first] += x[r], row after row: an index may occur several times.
    """
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("table", "x"), [("ptr", "index")])
    with function.loop(0, function["rows"]) as row:
        target = _indexed(function, vectors, row.index, first)
        source = _begin(function, vectors, "x", row.index)

        def add(chunk: Chunk) -> None:
            chunk.store(chunk.load(target) + chunk.load(source), target)

        walk(function, vectors, function["cols"], add)
    return function.finish()


def _indexed(function: Function, vectors: Vectors, row: Value, first: int) -> Value:
    index = function.load("i64", function.at(function["index"], row, "i64"))
    return _begin(function, vectors, "table", index - first)


def define_copy2d(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr x, i64 x_stride, ptr out, i64 out_stride)``: out = x."""
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("x", "out"))
    with _each_row(function, vectors, ("x", "out")) as (x, out):
        walk(function, vectors, function["cols"], lambda chunk: chunk.store(chunk.load(x), out))
    return function.finish()


def define_fill(name: str, dtype: Any, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(i64 rows, i64 cols, ptr out, i64 out_stride, T number)``: out = number."""
    vectors = vectors_of(dtype, width)
    function = _kernel(name, vectors, ("out",), [(vectors.scalar, "number")])
    number = function.splat(function["number"], vectors.lanes)
    with _each_row(function, vectors, ("out",)) as (out,):
        walk(function, vectors, function["cols"], lambda chunk: chunk.store(number, out))
    return function.finish()
