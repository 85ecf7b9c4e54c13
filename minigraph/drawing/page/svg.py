"""The page's SVG: one layout whose arrows can point either way, and colours that follow the theme.

What ``svg_labels`` makes of Graphviz's drawing is changed in three ways: every edge has an arrow
head at each end, of which the style sheet shows one; the colours of the house style become CSS
variables (those that a user chose stay as they are); cells of tables get outlines to point at.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import Iterable, Optional

from minigraph.drawing.picture import Picture, PictureNode
from minigraph.drawing.source import dot_source
from minigraph.drawing.style import CLUSTER_BORDER, CLUSTER_FILL, EDGE, FAINT, FAMILIES, INK, MARKS, WARNING
from minigraph.drawing.svg import render_svg
from minigraph.drawing.svg_labels import SVG, label_svg

#: The gap that Graphviz leaves between the tip of an arrow and the outline of a node.
_TIP = 2.0
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")

Point = tuple[float, float]


def variables(dark: bool = False) -> dict[str, str]:
    """Return the CSS variables of the families and marks, without the leading dashes."""
    found = {}
    for key, family in {**FAMILIES, **MARKS}.items():
        found[f"{key}-fill"] = family.dark_fill if dark else family.fill
        found[f"{key}-border"] = family.dark_border if dark else family.border
    return found


def page_svg(picture: Picture) -> str:
    """Return the SVG element of the page, laid out by Graphviz."""
    root, drawing = label_svg(render_svg(dot_source(picture, both_ways=True)), picture)
    nodes = {f"node{node.id}": node for node in picture.nodes}
    for child in list(drawing):
        if child.tag == f"{{{SVG}}}polygon":
            drawing.remove(child)  # the background is the page's
        elif child.get("id") in nodes:
            _add_outlines(child, nodes[child.get("id", "")])
            _recolor(child, nodes[child.get("id", "")].family)
        else:
            if (child.get("class") or "").startswith("edge"):
                _name_heads(child)
            _recolor(child)
    for text in root.iter(f"{{{SVG}}}text"):
        for hint in text.findall(f"{{{SVG}}}title"):
            text.remove(hint)  # that of its cell says the same
    for element in root.iter():
        element.attrib.pop("{http://www.w3.org/XML/1998/namespace}space", None)
        if element.tag == f"{{{SVG}}}text":
            element.attrib.pop("font-family", None)
    for unwanted in ("width", "height"):
        root.attrib.pop(unwanted, None)
    root.set("id", "picture")
    return ET.tostring(root, encoding="unicode")


# -- colours -------------------------------------------------------------------------------------

_COMMON = {
    INK: "ink", FAINT: "faint", EDGE: "edge", WARNING: "warning", CLUSTER_FILL: "cluster-fill",
    CLUSTER_BORDER: "cluster-border", "white": "paper", "#1d4ed8": "number",
}


def _recolor(group: ET.Element, family: Optional[str] = None) -> None:
    """Replace the colours of the house style by variables of the page."""
    known = dict(_COMMON)
    for key, mark in MARKS.items():
        known.update({mark.border: f"{key}-border"})
        if key in ("nan", "failed"):
            known[mark.fill] = f"{key}-fill"
    if family is not None:
        known.update({FAMILIES[family].fill: f"{family}-fill", FAMILIES[family].border: f"{family}-border"})
    shapes = [element for element in group.iter() if element.tag != f"{{{SVG}}}text"]
    own = any(
        element.get("fill") not in (None, "none", *known) and element.tag != f"{{{SVG}}}g"
        for element in shapes
    )
    if own:
        group.set("class", f"{group.get('class', '')} own-fill")
    for element in group.iter():
        letters = element.tag in (f"{{{SVG}}}text", f"{{{SVG}}}tspan")
        if own and letters:
            continue  # letters on the user's own colour stay dark in the dark theme, too
        for attribute in ("fill", "stroke"):
            color = element.get(attribute)
            if color in known:
                mark_ink = letters and known[color] == "input-border"
                element.set(attribute, f"var(--{'ink' if mark_ink else known[color]})")


# -- arrows ----------------------------------------------------------------------------------------


def _name_heads(group: ET.Element) -> None:
    """Tell the two arrow heads apart; where one is not shown, a stub takes the line to the node."""
    line = next(group.iter(f"{{{SVG}}}path"), None)
    heads = list(group.iter(f"{{{SVG}}}polygon"))
    if line is None or len(heads) != 2:
        return
    points = _points(line.get("d", ""))
    line.set("class", "line")
    tips = [_points(head.get("points", ""))[1] for head in heads]
    first_is_start = math.dist(tips[0], points[0]) + math.dist(tips[1], points[-1]) <= (
        math.dist(tips[1], points[0]) + math.dist(tips[0], points[-1])
    )
    ends = (heads, tips) if first_is_start else (heads[::-1], tips[::-1])
    for way, head, tip, base in zip(("backward", "forward"), *ends, (points[0], points[-1])):
        head.set("class", f"head {way}")
        node = _beyond(base, tip)
        stub = ET.Element(f"{{{SVG}}}path", {
            "class": f"stub {way}", "fill": "none", "stroke": line.get("stroke", EDGE),
            "d": f"M{base[0]:.2f},{base[1]:.2f}L{node[0]:.2f},{node[1]:.2f}",
        })
        parent = next(element for element in group.iter() if line in list(element))
        parent.insert(list(parent).index(line) + 1, stub)


def _points(numbers: str) -> list[Point]:
    found = [float(number) for number in _NUMBER.findall(numbers)]
    return list(zip(found[::2], found[1::2]))


def _beyond(base: Point, tip: Point) -> Point:
    """Return the point where the node begins, a little further on than the arrow's tip."""
    part = 1 + _TIP / max(math.dist(base, tip), _TIP)
    return (base[0] + part * (tip[0] - base[0]), base[1] + part * (tip[1] - base[1]))


# -- cells ---------------------------------------------------------------------------------------


def _add_outlines(group: ET.Element, node: PictureNode) -> None:
    """Give the outline of a node its class, and each cell an outline of its own."""
    shapes = [
        child for child in group.iter()
        if child.tag.removeprefix(f"{{{SVG}}}") in ("path", "polygon", "ellipse", "rect")
    ]
    for shape in shapes:
        shape.set("class", "outline")
    if not (node.above or node.below):
        return
    left, top, right, bottom = _bounds(shapes)
    rules = [_points(line.get("points", "")) for line in group.iter(f"{{{SVG}}}polyline")]
    across = sorted(points[0][1] for points in rules if abs(points[0][1] - points[-1][1]) < 0.1)
    down = [points for points in rules if abs(points[0][0] - points[-1][0]) < 0.1]
    parent = next(element for element in group.iter() if element.find(f"{{{SVG}}}text") is not None)
    place = [child.tag for child in parent].index(f"{{{SVG}}}text")
    upper, lower = (across[0], across[-1]) if across else (bottom, top)
    for cells, high, low in ((node.above, top, upper), (node.below, lower, bottom)):
        if not cells:
            continue
        inside = sorted(
            points[0][0] for points in down
            if high - 1 <= min(p[1] for p in points) and max(p[1] for p in points) <= low + 1
        )
        sides = [left, *inside, right]
        if len(sides) != len(cells) + 1:
            continue
        for position, (cell, start, end) in enumerate(zip(cells, sides, sides[1:]), 1):
            rect = ET.Element(f"{{{SVG}}}rect", {
                "class": "cell", "x": f"{start:.2f}", "y": f"{high:.2f}", "width": f"{end - start:.2f}",
                "height": f"{low - high:.2f}", "rx": "5", "data-entry": str(position),
                "data-row": "above" if cells is node.above else "below",
            })
            if cell.id:
                rect.set("data-id", str(cell.id))
            ET.SubElement(rect, f"{{{SVG}}}title").text = cell.tooltip
            parent.insert(place, rect)
            place += 1


def _bounds(shapes: Iterable[ET.Element]) -> tuple[float, float, float, float]:
    points = [point for shape in shapes for point in _points(shape.get("points") or shape.get("d") or "")]
    if not points:
        return (0.0, 0.0, 0.0, 0.0)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return (min(xs), min(ys), max(xs), max(ys))
