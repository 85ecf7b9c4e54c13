"""The picture of the page on gradient tables: which slot of which table is whose.

The words come from ``mg.debug.tables`` of the network that the page is about.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import minigraph as mg
from minigraph.debug import TableRow, TablesReport
from minigraph.drawing.style import FAINT, FONT_FAMILY, INK

WIDTH, LINE, INDENT, GAP = 284, 28, 22, 104
TOP = 66
#: Fill and border of a slot by what it belongs to; a table has none.
COLOURS = {
    "c": ("#fff1d6", "#c77b1b"), "h": ("#dbeafe", "#3b76c4"), "": ("#f4f5f7", "#77818d"),
}
_QUIET = f'font-style="italic" fill="{FAINT}"'


def _family(row: TableRow) -> str:
    if row.entries is not None or "." not in row.node:
        return ""
    return row.node[-1]


def _cell(row: TableRow, x: float, y: float) -> list[str]:
    """Return a slot: its path in both notations, and the name of its node."""
    depth = len(row.position) - 1
    left, width = x + depth * INDENT, WIDTH - depth * INDENT
    fill, border = COLOURS[_family(row)]
    python, torch = escape(row.python_path), escape(row.path.removeprefix(row.table))
    return [
        f'<rect x="{left}" y="{y}" width="{width}" height="{LINE - 4}" rx="4" '
        f'fill="{fill}" stroke="{border}"/>',
        f'<text x="{left + 8}" y="{y + 16}"><tspan font-weight="bold" fill="{INK}">{python}</tspan>'
        f'<tspan dx="9" fill="{FAINT}">{torch}</tspan></text>',
        f'<text x="{x + WIDTH - 8}" y="{y + 16}" text-anchor="end" fill="{INK}">{escape(row.node)}</text>',
    ]


def _column(report: TablesReport, table: str, x: float, y: float) -> list[str]:
    parts = [f'<text x="{x}" y="{y - 10}" font-size="15" font-weight="bold" fill="{INK}">{table}</text>']
    for number, row in enumerate(report.table(table)):
        parts += _cell(row, x, y + number * LINE)
    return parts


def _arrow(x: float, y: float, word: str, forward: bool) -> list[str]:
    """Return an arrow across the gap, with a word above and the network as its middle."""
    start, end = (x + 10, x + GAP - 10) if forward else (x + GAP - 10, x + 10)
    tip = -9 if forward else 9
    head = f"M{end},{y} l{tip},-5 l0,10 z"
    return [
        f'<text x="{x + GAP / 2}" y="{y - 12}" text-anchor="middle" {_QUIET}>{word}</text>',
        f'<path d="M{start},{y} L{end + tip},{y}" stroke="{INK}" stroke-width="1.6" fill="none"/>',
        f'<path d="{head}" fill="{INK}"/>',
    ]


def svg(report: TablesReport) -> str:
    """Return the picture of the four tables: forward above, backward below, equal slots in line."""
    count = max(len(report.table("input")), len(report.table("output")))
    height = count * LINE
    second = TOP + height + 74
    right = 20 + WIDTH + GAP
    middle = 20 + WIDTH
    parts = [
        f'<text x="20" y="24" fill="{FAINT}">bold: as written in Python, from 0; grey: in Lua, from 1; '
        "right: the node</text>",
        *_column(report, "input", 20, TOP), *_column(report, "output", right, TOP),
        *_arrow(middle, TOP + height / 2, "forward", True),
        *_column(report, "gradInput", 20, second), *_column(report, "gradOutput", right, second),
        *_arrow(middle, second + height / 2, "backward", False),
    ]
    for x in (20 + WIDTH / 2, right + WIDTH / 2):
        top, bottom = TOP + height + 4, second - 30
        parts.append(f'<path d="M{x},{top} L{x},{bottom}" stroke="{FAINT}" stroke-dasharray="3 3"/>')
        parts.append(
            f'<text x="{x + 8}" y="{(top + bottom) / 2 + 4}" {_QUIET}>same order</text>'
        )
    width, total = right + WIDTH + 20, second + height + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total}" '
        f'viewBox="0 0 {width} {total}" font-family="{FONT_FAMILY}" font-size="12" role="img">\n'
        f"<title>Which slot of which table is whose</title>\n"
        f'<rect width="{width}" height="{total}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def draw(path: Path) -> None:
    """Write the picture for Zaremba's LSTM of two layers."""
    from zaremba_lstm import zaremba_lstm

    path.write_text(svg(mg.debug.tables(zaremba_lstm(layers=2, size=3))), encoding="utf-8", newline="\n")
