"""From a picture to Graphviz's DOT language."""

from __future__ import annotations

import html
import re
from typing import Any, Iterable

import graphviz

from minigraph.drawing.layers import layer_title
from minigraph.drawing.picture import Cell, Line, Picture, PictureEdge, PictureNode
from minigraph.drawing.style import (
    CLUSTER_BORDER,
    CLUSTER_FILL,
    EDGE,
    FAINT,
    FAMILIES,
    FONT_SIZE,
    INK,
    KINDS,
    LAYOUT_FONT,
    MARKS,
)
from minigraph.drawing.words import number_text

# Graphviz's search for the best layout grows much faster than the graph: 1000 nodes took over
# 100 s with its defaults, 2 s with these.
_LARGE = 500
_QUICK = {"nslimit": "1", "nslimit1": "1", "mclimit": "0.1", "splines": "line"}


def dot_source(picture: Picture, both_ways: bool = False) -> str:
    """Return the DOT source of ``picture``, the same text for the same picture.

    ``both_ways`` puts an arrow head at either end of each edge.
    """
    direction = "both" if both_ways else "back" if picture.backward else ""
    numbered = any(edge.number is not None for edge in picture.edges)
    graph = graphviz.Digraph(
        "minigraph",
        graph_attr={
            "rankdir": "TB", "nodesep": "0.28", "ranksep": "0.4" if numbered else "0.33",
            "bgcolor": "white", "pad": "0.15", "fontname": LAYOUT_FONT, "fontsize": "15",
            "fontcolor": INK, "labelloc": "t",
            **({"label": plain(picture.title)} if picture.title else {}),
            **(_QUICK if len(picture.nodes) > _LARGE else {}),
        },
        node_attr={
            "shape": "box", "style": "rounded,filled", "fontname": LAYOUT_FONT,
            "fontsize": str(FONT_SIZE), "fontcolor": INK, "margin": "0.13,0.06", "height": "0.3",
        },
        edge_attr={
            "color": EDGE, "arrowsize": "0.7", "fontname": LAYOUT_FONT, "fontsize": "10",
            "fontcolor": FAINT, **({"dir": direction} if direction else {}),
        },
    )
    for node in picture.nodes:
        if not node.layer:
            graph.node(node.key, **_node_attributes(node))
    for number, (layer, nodes) in enumerate(picture.layers().items(), 1):
        with graph.subgraph(name=f"cluster_{number}") as cluster:
            cluster.attr(
                label=plain(layer_title(layer)), labeljust="l", style="rounded,filled", fontsize="13",
                color=CLUSTER_BORDER, fillcolor=CLUSTER_FILL, fontcolor=FAINT, margin="10",
            )
            for node in nodes:
                cluster.node(node.key, **_node_attributes(node))
    inputs = _rank_inputs(graph, picture)
    for position, edge in enumerate(picture.edges):
        source, target, attributes = _edge(edge, position)
        if edge.target in inputs and edge.source_port:
            target += ":n"
        graph.edge(source, target, **attributes)
    return graph.source


def _rank_inputs(graph: graphviz.Digraph, picture: Picture) -> set[int]:
    """Put the inputs side by side, as far up as they go, and return their ids."""
    inputs = [node for node in picture.nodes if {"input", "state in"} & set(node.marks)]
    if len(inputs) > 1:
        with graph.subgraph() as row:
            row.attr(rank="same")
            for node in inputs:
                row.node(node.key)
    return {node.id for node in inputs}


def plain(text: str) -> Any:
    """Return ``text`` quoted so that Graphviz shows it as it stands.

    Entities also keep it inside the attribute of the SVG where Graphviz itself does not see to that:
    a font's name could begin another one.
    """
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return graphviz.nohtml(html.escape(text))


def _node_attributes(node: PictureNode) -> dict[str, Any]:
    family = FAMILIES[node.family]
    attributes: dict[str, Any] = {
        "fillcolor": family.fill, "color": family.border, "tooltip": plain(node.tooltip),
        "width": f"{_width(node.lines):.2f}", "label": plain(_text(node.lines)),
    }
    if node.above or node.below:
        attributes.update(shape="record", label=graphviz.nohtml(_record(node)))
    elif node.family == "helper":
        attributes.update(shape="box")
    for mark in node.marks:
        attributes.update(color=MARKS[KINDS.get(mark, mark)].border, penwidth="1.8")
        if mark in ("input", "output"):
            attributes["style"] = "filled"
        elif mark in ("state in", "state out") and not (node.above or node.below):
            attributes["shape"] = "cylinder"
        if mark in ("nan", "failed"):
            attributes.update(fillcolor=MARKS[mark].fill)
    own = {key: plain(value) for key, value in node.attributes.items()}
    if "failed" in node.marks:
        own = {key: value for key, value in own.items() if key in ("shape", "label")}
    if node.above or node.below:
        own = {key: value for key, value in own.items() if key not in ("shape", "label")}
    if "color" in own and "style" not in own and "fillcolor" not in own:
        own["penwidth"] = own.get("penwidth", "2")
    return {**attributes, **own}


def _edge(edge: PictureEdge, position: int) -> tuple[str, str, dict[str, Any]]:
    source, target = f"n{edge.source}", f"n{edge.target}"
    attributes: dict[str, Any] = {"id": f"edge{position}", "tooltip": plain(edge.tooltip)}
    if edge.source_port:
        source += f":{edge.source_port}:s"
    if edge.target_port:
        target += f":{edge.target_port}:n"
    if edge.slot and not edge.target_port:
        attributes["headlabel"] = str(edge.slot)
    if edge.number is not None:
        attributes["label"] = plain(number_text(edge.number))
        if edge.number == 0:
            attributes["style"] = "dashed"
    return source, target, attributes


def _text(lines: Iterable[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _record(node: PictureNode) -> str:
    """Return a record label: entries taken, the node's own lines, entries given."""
    rows = []
    if node.above:
        rows.append("{" + "|".join(_cell(cell) for cell in node.above) + "}")
    rows.append(_record_text(node.lines))
    if node.below:
        rows.append("{" + "|".join(_cell(cell) for cell in node.below) + "}")
    return "{" + "|".join(rows) + "}"


def _cell(cell: Cell) -> str:
    return f"<{cell.port}> {_record_text(cell.lines)}"


def _record_text(lines: Iterable[Line]) -> str:
    text = re.sub(r"([\\{}|<>])", r"\\\1", _text(lines)).replace("&", "&amp;")
    return text.replace("\n", "\\n")


def _width(lines: Iterable[Line]) -> float:
    """Return the least width in inches: bold names, and letters that Graphviz cannot measure."""
    widest = 0.0
    for line in lines:
        bold = 1.16 if line.role in ("name", "table") else 0.95
        units = sum(0.58 if character < "\u0250" else 1.0 for character in line.text)
        widest = max(widest, bold * units * FONT_SIZE)
    return widest / 72 + 0.2
