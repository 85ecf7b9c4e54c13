"""The innermost piece of a matrix product: a tile of C that stays in registers while k runs.

A tile has ``rows`` rows (up to 14 with 32 registers) and one or two vectors of columns. Each step of k
reads the vectors of B once, one number of A per row, and does rows x vectors multiply-adds.
"""

from __future__ import annotations

from typing import Sequence

from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import Vectors

PANEL_VECTORS = 2
_CACHE_LINE = 64
# A multiply-add takes about four cycles and two start in each: fewer sums than this cannot keep them busy.
_BUSY = 8


def largest_rows(vectors: Vectors) -> int:
    """Rows of the largest tile: the sums, the vectors of B and one number of A fit the registers."""
    return (vectors.registers - PANEL_VECTORS - 1) // PANEL_VECTORS


def define_tile(
    vectors: Vectors,
    rows: int,
    count: int,
    constants: dict[str, int],
    ahead: int = 0,
) -> tuple[str, str]:
    """Name and text of an internal function that computes one tile of ``rows`` x ``count`` vectors.

    Products that need the same tile share it: the name says all that the text depends on.

    ``void @name(ptr A, i64 a_row, i64 a_col, ptr B, i64 b_row, ptr C, i64 c_row, i64 K, i64 m, i64 n, i1
    accumulate)``: of the tile, the first ``m`` rows and ``n`` columns are written (added, where
    ``accumulate``); A and B must be readable for the whole tile. With ``ahead``, B is fetched to the
    second-level cache that many bytes before it is read.
    """
    facts = [f"{label}{number}" for label, number in sorted(constants.items())]
    name = ".".join(["tile", vectors.scalar, str(vectors.width), f"{rows}x{count}", *facts, f"ahead{ahead}"])
    labels = ("A", "a_row", "a_col", "B", "b_row", "C", "c_row", "K", "m", "n")
    parameters = [("ptr" if label in "ABC" else "i64", label) for label in labels] + [("i1", "accumulate")]
    function = Function(name, parameters, width=vectors.width, internal=True, constants=constants)
    sums = _products(function, vectors, rows, count, ahead)
    accumulate = function["accumulate"]
    whole = function["m"].compare("sge", rows) & function["n"].compare("sge", count * vectors.lanes)
    lines = [function.at(function["C"], function["c_row"] * row, vectors.scalar) for row in range(rows)]
    with function.when(whole & (accumulate.compare("eq", 0))):
        for line, part in zip(lines, sums):
            for vector, value in enumerate(part):
                function.store(value, function.at(line, vector * vectors.lanes, vectors.scalar))
    with function.when(whole & accumulate):
        for line, part in zip(lines, sums):
            for vector, value in enumerate(part):
                place = function.at(line, vector * vectors.lanes, vectors.scalar)
                function.store(function.load(vectors.type, place) + value, place)
    with function.when(whole.compare("eq", 0)):
        _write_part(function, vectors, sums)
    return name, function.finish()


def _products(function: Function, vectors: Vectors, rows: int, count: int, ahead: int) -> list[list[Value]]:
    """The sums over k of a tile, by row and vector.

    k advances in steps that are unrolled; small tiles add the unrolled products to sums of their own, so that
    enough of them are under way.
    """
    chains = max(1, min(4, -(-_BUSY // (rows * count))))
    unroll = max(chains, 2 if rows * count > 8 else 4)
    a, b, k_count = function["A"], function["B"], function["K"]
    scalar, lanes, type = vectors.scalar, vectors.lanes, vectors.type
    lines = [function.at(a, function["a_row"] * row, scalar) for row in range(rows)]

    def step(k: Value, sums: Sequence[Value]) -> list[Value]:
        panel = function.at(b, k * function["b_row"], scalar)
        parts = [function.load(type, function.at(panel, vector * lanes, scalar)) for vector in range(count)]
        for offset in range(0, count * vectors.width if ahead else 0, _CACHE_LINE):
            function.prefetch(function.at(panel, (ahead + offset) // vectors.item_size, scalar))
        place, result = k * function["a_col"], []
        for row in range(rows):
            factor = function.splat(function.load(scalar, function.at(lines[row], place, scalar)), lanes)
            for vector in range(count):
                result.append(function.multiply_add(factor, parts[vector], sums[row * count + vector]))
        return result

    size = rows * count
    zeros = [function.value(type, 0.0)] * (size * chains)
    whole = k_count - k_count % unroll
    with function.loop(0, whole, unroll, zeros) as main:
        sums = list(main.carried)
        for part in range(unroll):
            mine = slice(size * (part % chains), size * (part % chains + 1))
            sums[mine] = step(main.index + part, sums[mine])
        main.carry(sums)
    totals = main.results[:size]
    for chain in range(1, chains):
        totals = [total + each for total, each in zip(totals, main.results[size * chain :])]
    with function.loop(whole, k_count, 1, totals) as rest:
        rest.carry(step(rest.index, rest.carried))
    return [rest.results[row * count : (row + 1) * count] for row in range(rows)]


def _write_part(function: Function, vectors: Vectors, sums: list[list[Value]]) -> None:
    """Write the part of a tile that lies inside C, by way of the stack."""
    scalar, lanes, count = vectors.scalar, vectors.lanes, len(sums[0])
    stack = function.allocate(scalar, len(sums) * count * lanes)
    for index, value in enumerate(value for part in sums for value in part):
        function.store(value, function.at(stack, index * lanes, scalar))
    with function.loop(0, function.smaller(function["m"], len(sums))) as row:
        line = function.at(function["C"], row.index * function["c_row"], scalar)
        source = function.at(stack, row.index * (count * lanes), scalar)
        with function.loop(0, function.smaller(function["n"], count * lanes), lanes) as column:
            mask = function.lanes_below(function["n"] - column.index, lanes)
            place = function.at(line, column.index, scalar)
            old = function.masked_load(
                vectors.type, place, mask & function.splat(function["accumulate"], lanes)
            )
            new = old + function.load(vectors.type, function.at(source, column.index, scalar))
            function.masked_store(new, place, mask)
