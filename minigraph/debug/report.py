"""Reports: plain data underneath, aligned text on top.

``str(report)`` is plain ASCII layout of whatever width the contents need, so that nothing
is cut off in a pipe or a file; ``rich.print(report)`` colours the same tables on a terminal. rich is
imported here alone, and when something is shown, not before.
"""

from __future__ import annotations

import dataclasses
import math
from io import StringIO
from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

_WIDE = 100_000
_BOX = "    \n    \n -- \n    \n    \n    \n    \n    \n"


class Report:
    """Base of what the debug functions return: ``str()``, ``rich.print()`` and ``to_dict()``."""

    def __rich__(self) -> RenderableType:
        """Return what ``rich.print`` shows."""
        raise NotImplementedError

    def __str__(self) -> str:
        from rich.console import Console

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
    from rich.box import Box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=Box(_BOX, ascii=True), header_style="bold", pad_edge=False, show_edge=False)
    for header in headers:
        table.add_column(
            Text(header.lstrip(">")), no_wrap=True, justify="right" if header.startswith(">") else "left"
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return Group(Text(title, style="bold"), table)


def line(words: str, style: str = "") -> Text:
    """Return a line of a report, as it stands."""
    from rich.text import Text

    return Text(words, style=style)


def group(*parts: RenderableType) -> Group:
    """Return the parts one below the other, an empty line between them."""
    from rich.console import Group

    spaced: list[RenderableType] = []
    for part in parts:
        spaced.extend([part, line("")])
    return Group(*spaced[:-1])


def number(value: Any) -> str:
    """Write a number for a table: six significant digits, nothing for ``None``."""
    return "" if value is None else f"{value:.6g}"
