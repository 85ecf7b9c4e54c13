"""Matrix products C (+)= A B, specialised to what is known of the shapes.

C[m, n] = sum over k of A[m * a_row + k * a_col] * B[k, n]. B comes in panels of ``panel_width`` columns:
panel ``p`` starts at ``B + p * b_panel`` and has the row stride ``b_row``. A row-major B has its own row
stride and ``b_panel = panel_width``; one that ``define_pack`` has copied has ``b_row = panel_width`` and
``b_panel = K * panel_width``.

Two walks, both around the tiles of ``gemm_tile``:

- *direct*, for few rows (the product of one time step): panel by panel, K in blocks, tiles of equal height
  that read A in place. Of a row-major B, only the last, narrow panel is copied.
- *blocked*, for many rows: blocks of A, in any order, are copied into strips that stay in the second-level
  cache, and every block of a row-major B to a panel.
"""

from __future__ import annotations

from typing import Any, Optional

from minigraph.compiler.native.kernels.gemm_tile import PANEL_VECTORS, define_tile, largest_rows
from minigraph.compiler.native.kernels.pack import copy_panel, define_strips
from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import Vectors, vectors_of

DIRECT_ROWS = 64
# Bytes of a block of a panel and of a block of A, which stay in the second-level cache together. A panel that
# is used for few rows may as well be longer; one that is copied anew for every block of A is shorter, so that
# the block has more rows.
PANEL_BYTES = 88 * 1024
DIRECT_PANEL_BYTES = 128 * 1024
COPIED_PANEL_BYTES = 56 * 1024
BLOCK_BYTES = 256 * 1024
# A B beyond these bytes comes from the third level or from memory: it is asked for this many bytes ahead.
FAR_BYTES = 4 * 1024 * 1024
AHEAD_BYTES = 16 * 1024

_LABELS = ("A", "a_row", "a_col", "B", "b_row", "b_panel", "C", "c_row", "M", "N", "K")


def define_gemm(
    name: str,
    dtype: Any,
    M: Optional[int] = None,
    N: Optional[int] = None,
    K: Optional[int] = None,
    *,
    packed: bool = True,
    width: Optional[int] = None,
) -> str:
    """Text of ``void @name(ptr A, i64 a_row, i64 a_col, ptr B, i64 b_row, i64 b_panel, ptr C, i64 c_row,
    i64 M, i64 N, i64 K, i32 accumulate)``, with internal functions that products share.

    ``M``, ``N`` and ``K`` may be fixed here; the arguments of the call are then ignored.
    ``packed``: B comes from ``define_pack``; otherwise it is row-major. With ``accumulate`` the product is
    added to C. The function needs no scratch memory from outside: up to 64 rows it uses at most 64 KiB of
    stack, beyond at most 352 KiB. C must not overlap A or B.
    """
    vectors = vectors_of(dtype, width)
    constants = {label: number for label, number in (("M", M), ("N", N), ("K", K)) if number is not None}
    if packed:
        constants["b_row"] = PANEL_VECTORS * vectors.lanes
    direct = M is not None and M <= DIRECT_ROWS
    write = _Direct if direct else _Blocked
    return write(name, vectors, constants, packed).text()


def even_heights(rows: int, largest: int) -> list[int]:
    """Heights of tiles that cover ``rows`` rows: equal if a good height divides, else as even as can be."""
    for height in range(largest, largest // 2, -1):
        if rows % height == 0:
            return [height] * (rows // height)
    count = -(-rows // largest)
    return [rows // count + (index < rows % count) for index in range(count)]


class _Walk:
    """What both walks share: the function under construction, its blocks of k and its tiles."""

    def __init__(self, name: str, vectors: Vectors, constants: dict[str, int], packed: bool) -> None:
        self.name, self.vectors, self.constants, self.packed = name, vectors, constants, packed
        self.panel = PANEL_VECTORS * vectors.lanes
        parameters = [("ptr" if label in "ABC" else "i64", label) for label in _LABELS]
        parameters.append(("i32", "accumulate"))
        self.function = Function(name, parameters, width=vectors.width, constants=constants)
        self.accumulate = self.function["accumulate"].compare("ne", 0)
        self.internal: dict[str, str] = {}
        self.largest_k = self.panel_bytes() // (self.panel * vectors.item_size)

    def text(self) -> str:
        """The function and those it calls."""
        self.write()
        return self.function.finish() + "".join(self.internal.values())

    def write(self) -> None:
        raise NotImplementedError

    def panel_bytes(self) -> int:
        """Bytes of the longest block of a panel."""
        raise NotImplementedError

    def ahead(self) -> int:
        """How many bytes before its use B is asked for."""
        return 0

    def place(self, label: str, *offsets: Value) -> Value:
        """The address of an array's number at the sum of ``offsets``."""
        pointer = self.function[label]
        for offset in offsets:
            pointer = self.function.at(pointer, offset, self.vectors.scalar)
        return pointer

    def even_step(self, count: Value, largest: int, multiple: int) -> Value:
        """The step of equal blocks of at most ``largest``, in multiples of ``multiple``."""
        blocks = self.function.larger((count + (largest - 1)) // largest, 1)
        step = (count + blocks - 1) // blocks
        return self.function.larger((step + (multiple - 1)) // multiple * multiple, multiple)

    def tile(self, rows: int, arguments: list[Value], columns: Value, **constants: int) -> None:
        """Compute a tile of ``rows`` rows; a narrow last panel takes half the vectors."""
        known = {"b_row": self.panel} if self.packed else {}
        known.update(constants)
        N = self.constants.get("N")
        narrow = N is None or 0 < N % self.panel <= self.vectors.lanes
        wide = N is None or not narrow or self.panel < N
        counts = {PANEL_VECTORS: wide, 1: narrow}
        for count, used in counts.items():
            if not used:
                continue
            name, text = define_tile(self.vectors, rows, count, known, self.ahead())
            self.internal[name] = text
            fits = columns.compare("sle" if count == 1 else "sgt", self.vectors.lanes)
            with self.function.when(fits):
                self.function.run(name, arguments)


class _Direct(_Walk):
    """Few rows: panels outside, then blocks of k, then tiles that read A in place."""

    def panel_bytes(self) -> int:
        return DIRECT_PANEL_BYTES if self.packed else COPIED_PANEL_BYTES

    def ahead(self) -> int:
        N, K = self.constants.get("N"), self.constants.get("K")
        far = N is None or K is None or N * K * self.vectors.item_size > FAR_BYTES
        return AHEAD_BYTES if self.packed and far else 0

    def write(self) -> None:
        function, scalar = self.function, self.vectors.scalar
        a_row, a_col, b_row = function["a_row"], function["a_col"], function["b_row"]
        heights = even_heights(self.constants["M"], largest_rows(self.vectors))
        step = self.even_step(function["K"], self.largest_k, 4)
        buffer = None if self.packed else function.allocate(scalar, (self.largest_k + 4) * self.panel)
        with function.loop(0, function["N"], self.panel) as start, function.loop(0, function["K"], step) as k:
            columns = function.smaller(function["N"] - start.index, self.panel)
            k_count = function.smaller(function["K"] - k.index, step)
            panel = self.place("B", start.index // self.panel * function["b_panel"], k.index * b_row)
            stride = b_row
            if buffer is not None:
                whole = columns.compare("eq", self.panel)
                with function.when(whole.compare("eq", 0)):
                    copy_panel(function, self.vectors, panel, b_row, buffer, k_count, columns)
                panel = function.select(whole, panel, buffer)
                stride = function.select(whole, b_row, self.panel)
            add = self.accumulate | k.index.compare("sgt", 0)
            first = 0
            for height in heights:
                source = self.place("A", a_row * first, k.index * a_col)
                target = self.place("C", function["c_row"] * first, start.index)
                rows = function.value("i64", height)
                arguments = [source, a_row, a_col, panel, stride, target, function["c_row"], k_count, rows]
                self.tile(height, [*arguments, columns, add], columns, m=height)
                first += height
        _zero_if_empty(function, self.vectors, self.accumulate)


class _Blocked(_Walk):
    """Many rows: blocks of k, blocks of rows packed into strips, panels, then the strips of the block."""

    def panel_bytes(self) -> int:
        return PANEL_BYTES if self.packed else COPIED_PANEL_BYTES

    def write(self) -> None:
        function, scalar = self.function, self.vectors.scalar
        height = self.strip_height()
        strips_of, text = define_strips(self.vectors, height)
        self.internal[strips_of] = text
        a_row, a_col, b_row, c_row = (function[label] for label in ("a_row", "a_col", "b_row", "c_row"))
        largest_rows_of_block = BLOCK_BYTES // self.vectors.item_size // self.largest_k // height * height
        k_step = self.even_step(function["K"], self.largest_k - 4, 4)
        m_step = self.even_step(function["M"], largest_rows_of_block, height)
        # Strips are written in whole vectors, the last one beyond its end.
        strips = function.allocate(scalar, largest_rows_of_block * self.largest_k + self.vectors.lanes)
        buffer = None if self.packed else function.allocate(scalar, self.largest_k * self.panel)
        known = {"a_row": 1, "a_col": height, "b_row": self.panel}
        with function.loop(0, function["K"], k_step) as k, function.loop(0, function["M"], m_step) as block:
            k_count = function.smaller(function["K"] - k.index, k_step)
            m_count = function.smaller(function["M"] - block.index, m_step)
            add = self.accumulate | k.index.compare("sgt", 0)
            source = self.place("A", block.index * a_row, k.index * a_col)
            function.run(strips_of, [source, a_row, a_col, strips, m_count, k_count])
            with function.loop(0, function["N"], self.panel) as start:
                columns = function.smaller(function["N"] - start.index, self.panel)
                panel = self.place("B", start.index // self.panel * function["b_panel"], k.index * b_row)
                if buffer is not None:
                    copy_panel(function, self.vectors, panel, b_row, buffer, k_count, columns)
                    panel = buffer
                with function.loop(0, m_count, height) as strip:
                    a = function.at(strips, strip.index * k_count, scalar)
                    target = self.place("C", (block.index + strip.index) * c_row, start.index)
                    arguments = [a, a_row, a_col, panel, b_row, target, c_row, k_count]
                    arguments += [m_count - strip.index, columns, add]
                    self.tile(height, arguments, columns, **known)
        _zero_if_empty(function, self.vectors, self.accumulate)

    def strip_height(self) -> int:
        """The tile height that wastes least on M rows; the largest where M is not known."""
        largest = largest_rows(self.vectors)
        rows = self.constants.get("M")
        if rows is None:
            return largest
        # A strip costs its rows and about half a row for beginning and end.
        return min(range(largest, largest // 2, -1), key=lambda height: -(-rows // height) * (height + 0.5))


def _zero_if_empty(function: Function, vectors: Vectors, accumulate: Value) -> None:
    """Without any k the tiles never run, and C is zero."""
    if function["K"].text.isdigit() and function["K"].text != "0":
        return
    clear = function["K"].compare("sle", 0) & accumulate.compare("eq", 0)
    with (
        function.when(clear),
        function.loop(0, function["M"]) as row,
        function.loop(0, function["N"]) as column,
    ):
        line = function.at(function["C"], row.index * function["c_row"], vectors.scalar)
        place = function.at(line, column.index, vectors.scalar)
        function.store(function.value(vectors.scalar, 0.0), place)
