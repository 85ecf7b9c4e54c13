"""Copies of matrices in the order in which a product reads them.

B (K x N) is cut into panels of ``panel_width`` columns, one after the other in memory: number ``j`` of row
``k`` of panel ``p`` lies at ``p * K * width + k * width + j``; the last panel is filled up with zeros.
Blocks of A are cut into strips of rows in the same way, for the tiles of ``gemm_tile``.
"""

from __future__ import annotations

from typing import Any, Optional

from minigraph.compiler.native.kernels.gemm_tile import PANEL_VECTORS
from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import Vectors, vectors_of


def panel_width(dtype: Any, width: Optional[int] = None) -> int:
    """Columns of a panel of packed B for vectors of ``width`` bytes (default: the host's)."""
    return PANEL_VECTORS * vectors_of(dtype, width).lanes


def packed_size(dtype: Any, K: int, N: int, width: Optional[int] = None) -> int:
    """Numbers that ``define_pack``'s function writes for a K x N matrix."""
    panel = panel_width(dtype, width)
    return -(-N // panel) * panel * K


def define_pack(name: str, dtype: Any, transpose: bool = False, *, width: Optional[int] = None) -> str:
    """Text of ``void @name(ptr B, i64 b_row, ptr packed, i64 K, i64 N)``.

    B is K x N with row stride ``b_row``, or N x K if ``transpose`` (the packed matrix is its transpose).
    ``packed`` receives ``packed_size`` numbers; for the product, ``b_row`` is then ``panel_width`` and
    ``b_panel`` is ``K * panel_width``.
    """
    vectors = vectors_of(dtype, width)
    panel = PANEL_VECTORS * vectors.lanes
    parameters = [("ptr", "B"), ("i64", "b_row"), ("ptr", "packed"), ("i64", "K"), ("i64", "N")]
    function = Function(name, parameters, width=vectors.width)
    k_count, columns, scalar = function["K"], function["N"], vectors.scalar
    with function.loop(0, columns, panel) as start:
        target = function.at(function["packed"], start.index * k_count, scalar)
        inside = function.smaller(columns - start.index, panel)
        if transpose:
            source = function.at(function["B"], start.index * function["b_row"], scalar)
            _transposed_panel(function, vectors, source, target, inside)
        else:
            source = function.at(function["B"], start.index, scalar)
            copy_panel(function, vectors, source, function["b_row"], target, k_count, inside)
    return function.finish()


def copy_panel(
    function: Function,
    vectors: Vectors,
    source: Value,
    stride: Value,
    target: Value,
    rows: Value,
    columns: Value,
) -> None:
    """Copy ``rows`` rows of ``columns`` numbers (at most a panel's width) to a panel, zeros after them."""
    lanes, scalar = vectors.lanes, vectors.scalar
    masks = [
        # Beyond the last column the difference is negative, which no lane lies below.
        function.lanes_below(columns - vector * lanes, lanes)
        for vector in range(PANEL_VECTORS)
    ]
    with function.loop(0, rows) as row:
        line = function.at(source, row.index * stride, scalar)
        place = function.at(target, row.index * (PANEL_VECTORS * lanes), scalar)
        for vector, mask in enumerate(masks):
            value = function.masked_load(vectors.type, function.at(line, vector * lanes, scalar), mask)
            function.store(value, function.at(place, vector * lanes, scalar))


def _transposed_panel(
    function: Function, vectors: Vectors, source: Value, target: Value, inside: Value
) -> None:
    """A panel of the transpose: squares of lanes x lanes in registers, the edges number by number."""
    lanes, scalar, stride, k_count = vectors.lanes, vectors.scalar, function["b_row"], function["K"]
    panel = PANEL_VECTORS * lanes
    whole_k = k_count - k_count % lanes
    whole_columns = inside - inside % lanes
    with function.loop(0, whole_columns, lanes) as column, function.loop(0, whole_k, lanes) as k:
        line = function.at(function.at(source, column.index * stride, scalar), k.index, scalar)
        square = [
            function.load(vectors.type, function.at(line, stride * row, scalar)) for row in range(lanes)
        ]
        place = function.at(function.at(target, k.index * panel, scalar), column.index, scalar)
        for row, value in enumerate(_transposed(function, square)):
            function.store(value, function.at(place, row * panel, scalar))

    def number_by_number(columns: tuple[Value, Value], first_k: Value) -> None:
        with function.loop(*columns) as column, function.loop(first_k, k_count) as k:
            line = function.at(source, column.index * stride, scalar)
            place = function.at(function.at(target, k.index * panel, scalar), column.index, scalar)
            function.store(function.load(scalar, function.at(line, k.index, scalar)), place)

    zero = function.value("i64", 0)
    number_by_number((zero, whole_columns), whole_k)
    number_by_number((whole_columns, inside), zero)
    with function.loop(inside, panel) as column, function.loop(0, k_count) as k:
        place = function.at(function.at(target, k.index * panel, scalar), column.index, scalar)
        function.store(function.value(scalar, 0.0), place)


def _transposed(function: Function, square: list[Value]) -> list[Value]:
    """The transpose of a square of vectors: log2(lanes) rounds that interleave the halves of the rows."""
    lanes = len(square)
    halves = [
        [each for lane in range(first, first + lanes // 2) for each in (lane, lane + lanes)]
        for first in (0, lanes // 2)
    ]
    for _ in range(lanes.bit_length() - 1):
        pairs = zip(square[: lanes // 2], square[lanes // 2 :])
        square = [function.shuffle(low, high, order) for low, high in pairs for order in halves]
    return square


def define_strips(vectors: Vectors, rows: int) -> tuple[str, str]:
    """Name and text of an internal function that packs a block of A into strips of ``rows`` rows.

    ``void @name(ptr A, i64 a_row, i64 a_col, ptr strips, i64 M, i64 K)``: number (m, k) of strip ``s``
    goes to ``s * rows * K + k * rows + m``; the last strip is filled up with zeros. Up to a
    vector of numbers after it may be written, too.
    """
    name = f"strips.{vectors.scalar}.{vectors.width}.{rows}"
    parameters = [
        ("ptr", "A"),
        ("i64", "a_row"),
        ("i64", "a_col"),
        ("ptr", "strips"),
        ("i64", "M"),
        ("i64", "K"),
    ]
    function = Function(name, parameters, width=vectors.width, internal=True)
    scalar, k_count, m_count = vectors.scalar, function["K"], function["M"]
    a_row, a_col, lanes = function["a_row"], function["a_col"], vectors.lanes
    masks = [
        function.lanes_below(function.value("i64", rows - first), lanes) for first in range(0, rows, lanes)
    ]
    with function.loop(0, m_count, rows) as strip:
        source = function.at(function["A"], strip.index * a_row, scalar)
        target = function.at(function["strips"], strip.index * k_count, scalar)
        inside = function.smaller(m_count - strip.index, rows)
        whole = inside.compare("eq", rows)
        adjacent = a_row.compare("eq", 1)
        with function.when(whole & adjacent), function.loop(0, k_count) as k:
            line = function.at(source, k.index * a_col, scalar)
            place = function.at(target, k.index * rows, scalar)
            for mask, first in zip(masks, range(0, rows, lanes)):
                value = function.masked_load(vectors.type, function.at(line, first, scalar), mask)
                function.store(value, function.at(place, first, scalar))
        with function.when(whole & (adjacent.compare("eq", 0))):
            lines = [function.at(source, a_row * row, scalar) for row in range(rows)]
            with function.loop(0, k_count) as k:
                place = function.at(target, k.index * rows, scalar)
                for row, line in enumerate(lines):
                    value = function.load(scalar, function.at(line, k.index * a_col, scalar))
                    function.store(value, function.at(place, row, scalar))
        with function.when(whole.compare("eq", 0)), function.loop(0, k_count) as k:
            line = function.at(source, k.index * a_col, scalar)
            place = function.at(target, k.index * rows, scalar)
            with function.loop(0, inside) as tail:
                value = function.load(scalar, function.at(line, tail.index * a_row, scalar))
                function.store(value, function.at(place, tail.index, scalar))
            with function.loop(inside, rows) as tail:
                function.store(function.value(scalar, 0.0), function.at(place, tail.index, scalar))
    return name, function.finish()
