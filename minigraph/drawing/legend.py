"""The legend under a picture: one swatch for each family and mark that occurs in it."""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET
from typing import Optional

from minigraph.drawing.picture import Picture
from minigraph.drawing.style import FAINT, FAMILIES, FONT_FAMILY, INK, KINDS, MARKS, WARNING, Family

_SVG = "{http://www.w3.org/2000/svg}"
_ROW = 19.0
_LETTER = 5.5
_SWATCH = 15.0


def legend_entries(picture: Picture) -> list[tuple[str, Family]]:
    """Return ``(key, family)`` of what occurs, in the order of the style sheet."""
    families = {node.family for node in picture.nodes}
    marks = {KINDS.get(mark, mark) for node in picture.nodes for mark in node.marks}
    known = [(key, family) for key, family in FAMILIES.items() if key in families and key != "helper"]
    return known + [(key, MARKS[key]) for key in ("input", "state", "nan", "failed") if key in marks]


def add_legend(
    root: ET.Element, drawing: ET.Element, picture: Picture,
    entries: Optional[list[tuple[str, Family]]] = None,
) -> None:
    """Draw caption and legend below the graph and make the SVG as much larger as they need.

    ``entries`` are the legend's, by default those of what occurs in the picture.
    """
    left, top, width, height = (float(number) for number in root.get("viewBox", "0 0 0 0").split())
    entries = legend_entries(picture) if entries is None else entries
    caption = [part for line in picture.caption.split("\n") for part in textwrap.wrap(line, 100)]
    needed = max([0.0, *(_length(family.title) for _, family in entries)]) + 16
    needed = max([needed, *(6.4 * len(line) + 24 for line in caption)])
    wide = max(width, needed, min(420.0, sum(_length(family.title) for _, family in entries) + 16))
    legend = ET.Element(f"{_SVG}g", {"class": "legend"})
    y = top + height + 12
    for line in caption:
        _write(legend, left + 12, y + 4, line, WARNING, "11")
        y += 15
    y += 8 if caption else 0
    x = left + 12
    for key, family in entries:
        length = _length(family.title)
        if x > left + 12 and x + length > left + wide:
            x, y = left + 12, y + _ROW
        item = ET.SubElement(legend, f"{_SVG}g", {"class": key.replace(" ", "-")})
        _swatch(item, x, y, key, family)
        _write(item, x + _SWATCH + 5, y + 3.6, family.title, FAINT, "10.5")
        x += length
    if not entries and not caption:
        return
    total = y + 14 - top
    ET.SubElement(root, f"{_SVG}rect", {
        "x": f"{left:.2f}", "y": f"{top:.2f}", "width": f"{wide:.2f}", "height": f"{total:.2f}",
        "fill": "white",
    })
    root.remove(drawing)
    root.append(drawing)
    root.append(legend)
    drawing.set("transform", _shifted(drawing.get("transform", ""), (wide - width) / 2))
    root.set("viewBox", f"{left:.2f} {top:.2f} {wide:.2f} {total:.2f}")
    root.set("width", f"{wide:.0f}pt")
    root.set("height", f"{total:.0f}pt")


def _shifted(transform: str, right: float) -> str:
    return f"translate({right:.2f} 0) {transform}" if right else transform


def _length(title: str) -> float:
    return _LETTER * len(title) + _SWATCH + 20


def _swatch(item: ET.Element, x: float, y: float, key: str, family: Family) -> None:
    if key == "state":
        _cylinder(item, x, y, family)
        return
    ET.SubElement(item, f"{_SVG}rect", {
        "x": f"{x:.2f}", "y": f"{y - 5.5:.2f}", "width": str(_SWATCH), "height": "11", "rx": "3",
        "fill": family.fill, "stroke": family.border,
    })


def _cylinder(item: ET.Element, x: float, y: float, family: Family) -> None:
    right, upper, lower = x + _SWATCH, y - 4, y + 4
    ET.SubElement(item, f"{_SVG}path", {
        "d": f"M{x:.2f},{upper:.2f}V{lower:.2f}A7.5,2 0 0 0 {right:.2f},{lower:.2f}V{upper:.2f}"
             f"A7.5,2 0 0 0 {x:.2f},{upper:.2f}A7.5,2 0 0 0 {right:.2f},{upper:.2f}",
        "fill": family.fill, "stroke": family.border,
    })


def _write(parent: ET.Element, x: float, y: float, words: str, color: str, size: str) -> None:
    text = ET.SubElement(parent, f"{_SVG}text", {
        "x": f"{x:.2f}", "y": f"{y:.2f}", "fill": color or INK, "font-family": FONT_FAMILY,
        "font-size": size,
    })
    text.text = words
