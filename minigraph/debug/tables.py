"""The ordering of the tables: which entry of input, output and their gradients is whose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Optional

import numpy as np

from minigraph import nn
from minigraph.debug.measure import shape_text
from minigraph.debug.report import Report, group, line, text_table
from minigraph.debug.structure import Slot, input_structure, output_structure
from minigraph.errors import ArgumentError
from minigraph.nesting import retold
from minigraph.tables import Path, format_path, format_python_path, is_table

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Each table and the one that has the same order.
MIRRORS = {
    "input": "gradInput", "output": "gradOutput", "gradOutput": "output", "gradInput": "input",
}


@dataclass(frozen=True)
class TableRow:
    """One slot of one of the four tables.

    ``path`` counts from 1 (Torch), ``python_path`` from 0; ``position`` is the latter as
    numbers. ``entries`` is the number of entries where the slot is itself a table. ``shape``
    and ``dtype`` are known after a forward (of gradients after a backward). ``mirrors`` is
    the slot of the same place in the table that has the same order.
    """

    table: str
    path: str
    python_path: str
    position: tuple[int, ...]
    node: str
    node_id: int
    module: str
    location: str
    entries: Optional[int]
    shape: Optional[tuple[int, ...]]
    dtype: Optional[str]
    mirrors: str
    mirrors_python: str


@dataclass(frozen=True)
class TablesReport(Report):
    """What ``mg.debug.tables`` returns: ``rows``, one for every slot of the four tables."""

    rows: list[TableRow]

    def __getitem__(self, path: str) -> TableRow:
        """Return the row of a path in Torch's notation: ``report['gradOutput[2][1]']``."""
        for row in self.rows:
            if row.path == path:
                return row
        known = ", ".join(row.path for row in self.rows)
        raise ArgumentError(f"there is no slot {path!r}; there are {known}")

    def table(self, name: str) -> list[TableRow]:
        """Return the rows of ``'input'``, ``'output'``, ``'gradOutput'`` or ``'gradInput'``."""
        if name not in MIRRORS:
            raise ArgumentError(f"the tables are {', '.join(MIRRORS)}, got {name!r}")
        return [row for row in self.rows if row.table == name]

    def __rich__(self) -> RenderableType:
        return group(
            self._section("input", "forward takes input, backward returns gradInput in the same order"),
            self._section("output", "forward returns output, backward takes gradOutput in the same order"),
            line("None anywhere in gradOutput means a zero gradient for that slot."),
        )

    def _section(self, table: str, title: str) -> RenderableType:
        gradients = {row.mirrors: row for row in self.table(MIRRORS[table])}
        rows = []
        for row in self.table(table):
            gradient = gradients[row.path]
            shape = shape_text(row.shape) if row.entries is None else f"table of {row.entries}"
            rows.append([
                row.path, row.python_path, gradient.path, gradient.python_path, row.node, row.module,
                shape, row.dtype or "", gradient.dtype if gradient.dtype != row.dtype else None, row.location,
            ])
        kept = [
            column for column, name in enumerate(_HEADERS)
            if name not in _OPTIONAL or any(row[column] for row in rows)
        ]
        headers = [_HEADERS[column].format(table, MIRRORS[table]) for column in kept]
        return text_table(title, headers, [[row[column] or "" for column in kept] for row in rows])


_HEADERS = (
    "{0} (Torch)", "(Python)", "{1} (Torch)", "(Python)", "node", "module", "shape", "dtype",
    "{1} dtype", "made at",
)
_OPTIONAL = ("shape", "dtype", "{1} dtype")


@retold
def tables(net: nn.gModule) -> TablesReport:
    """Return which entry of ``input``, ``output``, ``gradOutput`` and ``gradInput`` is whose.

    The nesting is read off the graph (``mg.nest``, ``split``); where it does not say, off
    the values of the last forward (nodes keep none of a compiled one). Raises ``ArgumentError``
    for anything but a gModule.
    """
    if isinstance(net, nn.Module):
        net = net._described()
    if not isinstance(net, nn.gModule):
        raise ArgumentError(f"debug.tables needs a gModule, got {type(net).__name__}")
    inputs, outputs = input_structure(net), output_structure(net)
    state = net.nodeState(net.forwardnodes[0])
    last = net.nodeState(net.forwardnodes[-1])
    return TablesReport([
        *_rows("input", inputs, state.input, None),
        *_rows("output", outputs, last.output, None),
        *_rows("gradOutput", outputs, last.output, last.gradOutput),
        *_rows("gradInput", inputs, state.input, net.gradInput),
    ])


def _rows(
    table: str, slot: Slot, value: Any, gradient: Any, path: Path = ()
) -> Iterator[TableRow]:
    """Yield the rows of a slot and its entries; ``value`` is what lies there (``None``: unknown)."""
    is_gradient = table.startswith("grad")
    count = len(value) if is_table(value) else None
    if value is None and slot.entries is not None:
        count = len(slot.entries)
    shape = np.shape(value) if value is not None and count is None else None
    typed = gradient if is_gradient else value
    dtype = str(typed.dtype) if isinstance(typed, np.ndarray) and typed.shape == shape else None
    if dtype is None and table == "gradOutput" and getattr(value, "dtype", np.dtype("O")).kind == "f":
        dtype = str(value.dtype)
    if slot.real:
        mirror = MIRRORS[table]
        yield TableRow(
            table, format_path(path, table), format_python_path(path, table), path,
            slot.label, slot.id, slot.module, slot.location, count, shape, dtype,
            format_path(path, mirror), format_python_path(path, mirror),
        )
    for position in range(count or 0):
        yield from _rows(
            table, slot.entry(position), value[position] if is_table(value) else None,
            gradient[position] if is_table(gradient) and position < len(gradient) else None,
            (*path, position),
        )
