"""Reports: plain data underneath, aligned text on top.

``str(report)`` is plain ASCII layout of whatever width the contents need, so that nothing
is cut off in a pipe or a file; ``rich.print(report)`` colours the same tables on a terminal.
"""

from __future__ import annotations

import dataclasses
import math
from io import StringIO
from typing import Any, Iterable, Sequence

import numpy as np
from rich.box import Box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

_WIDE = 100_000
_BOX = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


class Report:
    """Base of what the debug functions return: ``str()``, ``rich.print()`` and ``to_dict()``."""

    def __rich__(self) -> RenderableType:
        """Return what ``rich.print`` shows."""
        raise NotImplementedError

    def __str__(self) -> str:
        text = StringIO()
        Console(file=text, width=_WIDE, color_system=None, force_terminal=False).print(self.__rich__())
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
        return "\n".join(lines).strip("\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts, lists, numbers and text, fit for ``json.dumps``."""
        return {
            field.name: plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.repr
        }


def plain(value: Any) -> Any:
    """Return ``value`` made of what JSON knows; arrays become lists, NaN and Inf text."""
    if isinstance(value, Report):
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def text_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Group:
    """Return a title and an aligned table; a header that starts with ``>`` is aligned right."""
    table = Table(box=_BOX, header_style="bold", pad_edge=False, show_edge=False)
    for header in headers:
        table.add_column(
            Text(header.lstrip(">")), no_wrap=True, justify="right" if header.startswith(">") else "left"
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return Group(Text(title, style="bold"), table)


def group(*parts: RenderableType) -> Group:
    """Return the parts one below the other, an empty line between them."""
    spaced: list[RenderableType] = []
    for part in parts:
        spaced.extend([part, Text("")])
    return Group(*spaced[:-1])


def number(value: Any) -> str:
    """Write a number for a table: six significant digits, nothing for ``None``."""
    return "" if value is None else f"{value:.6g}"

