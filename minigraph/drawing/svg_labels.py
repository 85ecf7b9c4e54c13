"""Labels on Graphviz's SVG: sizes of letters, slots on the lines, tooltips, the legend.

Graphviz built without font and HTML libraries gives every line of a node one size and
weight, and puts the labels at edge heads anywhere near them. Here each line of text gets
the look of its role, each slot sits on its line, and every node and edge carries its full
description as a tooltip (``<title>``) and its numbers as ``data-`` attributes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Iterator

from minigraph.drawing.badges import Badges
from minigraph.drawing.legend import add_legend
from minigraph.drawing.picture import Line, Picture, PictureEdge, PictureNode
from minigraph.drawing.style import FAINT, FONT_FAMILY, INK, SMALL_SIZE, WARNING
from minigraph.drawing.words import number_text

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

_LOOKS: dict[str, dict[str, str]] = {
    "name": {"font-weight": "bold"},
    "table": {"font-weight": "bold", "fill": FAINT},
    "type": {"font-size": str(SMALL_SIZE)},
    "shape": {"font-size": str(SMALL_SIZE), "fill": FAINT},
    "slot": {"font-size": str(SMALL_SIZE), "fill": FAINT},
    "mark": {"font-size": "9.5", "font-style": "italic", "fill": FAINT},
    "number": {"font-size": str(SMALL_SIZE), "fill": "#1d4ed8"},
    "warning": {"font-size": "11", "font-weight": "bold", "fill": WARNING},
}


def labelled_svg(svg: str, picture: Picture) -> str:
    """Return ``svg``, what Graphviz made of the picture's DOT source, with labels and legend."""
    root, drawing = label_svg(svg, picture)
    add_legend(root, drawing, picture)
    root.set("role", "img")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def label_svg(svg: str, picture: Picture) -> tuple[ET.Element, ET.Element]:
    """Label the SVG; return its root and its drawing (the one group in it), without a legend."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(svg.encode("utf-8"))
    _set_fonts(root, picture)
    nodes = {node.key: node for node in picture.nodes}
    drawing = root.find(f"{{{SVG}}}g")
    assert drawing is not None, "Graphviz always draws one group"
    badges = Badges(drawing)
    for group in list(drawing):
        title = group.find(f"{{{SVG}}}title")
        key = "" if title is None else title.text or ""
        kind = group.get("class", "")
        if kind == "node" and key in nodes:
            _label_node(group, nodes[key])
        elif kind == "edge":
            _label_edge(group, picture.edges[int(group.get("id", "edge0")[4:])], picture.backward)
    badges.place(picture)
    graph_title = drawing.find(f"{{{SVG}}}title")
    if graph_title is not None:
        graph_title.text = picture.title or ("backward graph" if picture.backward else "graph")
    return root, drawing


def _set_fonts(root: ET.Element, picture: Picture) -> None:
    for text in root.iter(f"{{{SVG}}}text"):
        text.set("font-family", FONT_FAMILY)
    drawing = root.find(f"{{{SVG}}}g")
    headings = [] if drawing is None else drawing.findall(f"{{{SVG}}}text")
    for text, line in zip(headings, picture.title.split("\n")):
        text.text = line
        text.set("font-weight", "bold")
    for group in root.iter(f"{{{SVG}}}g"):
        if group.get("class") == "cluster":
            for text in group.iter(f"{{{SVG}}}text"):
                text.set("font-weight", "bold")


def _label_node(group: ET.Element, node: PictureNode) -> None:
    _describe(group, node.attributes.get("tooltip", node.tooltip))
    group.set("id", f"node{node.id}")
    group.set("class", " ".join(["node", node.family, *(mark.replace(" ", "-") for mark in node.marks)]))
    group.set("data-id", str(node.id))
    if node.name:
        group.set("data-name", node.name)
    texts = list(group.iter(f"{{{SVG}}}text"))
    owners = list(_lines(node))
    own_label = "label" in node.attributes and not (node.above or node.below)
    if own_label or len(texts) != len(owners):
        return
    for text, (line, tooltip, number) in zip(texts, owners):
        _style(text, line, node)
        if tooltip:
            hint = ET.SubElement(text, f"{{{SVG}}}title")
            hint.text = tooltip
        if number:
            text.set("data-id", str(number))


def _lines(node: PictureNode) -> Iterator[tuple[Line, str, int]]:
    """Yield ``(line, tooltip, id)`` of every line in the order in which Graphviz writes them."""
    for cell in node.above:
        yield from ((line, cell.tooltip, cell.id) for line in cell.lines)
    yield from ((line, "", 0) for line in node.lines)
    for cell in node.below:
        yield from ((line, cell.tooltip, cell.id) for line in cell.lines)


def _style(text: ET.Element, line: Line, node: PictureNode) -> None:
    fonts = {"fontcolor": "fill", "fontsize": "font-size", "fontname": "font-family"}
    kept = {fonts[key] for key in node.attributes if key in fonts}
    text.text = line.text
    if "failed" in node.marks:
        kept.add("fill")  # grey or red letters would not show on red
    for key, value in _LOOKS.get(line.role, {}).items():
        if key not in kept:
            text.set(key, value)
    if line.role == "unnamed":
        kind, _, number = line.text.rpartition("  ")
        text.text = f"{kind} "
        hint = ET.SubElement(text, f"{{{SVG}}}tspan", {"font-size": "9", "fill": FAINT})
        hint.text = number


def _label_edge(group: ET.Element, edge: PictureEdge, backward: bool) -> None:
    _describe(group, edge.tooltip)
    start, end = reversed(edge.ends) if backward else edge.ends
    group.set("data-from", str(start))
    group.set("data-to", str(end))
    if edge.slot:
        group.set("data-slot", str(edge.slot))
    for text in group.iter(f"{{{SVG}}}text"):
        if edge.number is not None and text.text == number_text(edge.number):
            # To the right of the line and a badge on it, whatever the width of the reader's font.
            text.set("x", f"{float(text.get('x', '0')) - 2.6 * len(text.text) + 6:.2f}")
            text.set("text-anchor", "start")
            text.set("class", "number")
        text.set("paint-order", "stroke")
        text.set("stroke", "white")
        text.set("stroke-width", "3")
        text.set("fill", INK)


def _describe(group: ET.Element, tooltip: str) -> None:
    """Make the tooltip a ``<title>``, which every browser shows, instead of a link's."""
    title = group.find(f"{{{SVG}}}title")
    if title is not None:
        title.text = tooltip
    for wrapper in group.findall(f"{{{SVG}}}g"):
        link = wrapper.find(f"{{{SVG}}}a")
        if link is None:
            continue
        link.attrib.pop(f"{{{XLINK}}}title", None)
        if not link.attrib:
            place = list(group).index(wrapper)
            group.remove(wrapper)
            for offset, child in enumerate(list(link)):
                group.insert(place + offset, child)
