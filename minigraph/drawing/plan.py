"""Pictures of compiled plans: the operations of a program, loops and what is outside of them in frames."""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET
from typing import Any, Optional

import graphviz

from minigraph.compiler import Compiled
from minigraph.compiler.program.primitives import PRIMITIVES
from minigraph.compiler.report import PlanEdge, PlanOperation, PlanProgram, PlanReport, PlanSegment
from minigraph.drawing.legend import add_legend
from minigraph.drawing.picture import Picture
from minigraph.drawing.source import _LARGE, _QUICK, plain
from minigraph.drawing.style import (
    CLUSTER_BORDER,
    CLUSTER_FILL,
    EDGE,
    FAINT,
    FAMILIES,
    FONT_FAMILY,
    INK,
    LAYOUT_FONT,
    MARKS,
    SMALL_SIZE,
    Family,
)
from minigraph.drawing.words import clean
from minigraph.errors import StateError

_SVG = "{http://www.w3.org/2000/svg}"
_WIDTH = 34

#: Kinds of operations: the legend's words, and colours that other pictures use too.
_KINDS = {
    "product": FAMILIES["weights"]._replace(title="product of matrices"),
    "one pass": FAMILIES["transfer"]._replace(title="one pass: nodes done together, entry by entry"),
    "elementwise": FAMILIES["arithmetic"]._replace(title="entry by entry"),
    "gradient": FAMILIES["normalisation"]._replace(title="adds to a parameter's gradient"),
    "module": FAMILIES["custom"]._replace(title="module called as it is"),
    "other": FAMILIES["shape"]._replace(title="other operation"),
    "loop": Family("loop over time", "#f6f1ff", MARKS["state"].border, "", ""),
}


def program_of(what: Any, backward: bool = False) -> Optional[PlanProgram]:
    """Return the program to draw of a compiled network, a plan or a program; ``None`` for anything else.

    Raises ``StateError`` where there is no such program yet.
    """
    if isinstance(what, Compiled):
        what = what.plan()
    if isinstance(what, PlanReport):
        found = what.backward if backward else what.forward
        if found is None:
            raise StateError("there is no backward program to draw yet: call backward(input, gradOutput)")
        return found
    return what if isinstance(what, PlanProgram) else None


def plan_source(program: PlanProgram, title: str = "") -> str:
    """Return the DOT source of a program: a box for each operation that does something."""
    graph = graphviz.Digraph(
        "plan",
        graph_attr={
            "rankdir": "TB", "nodesep": "0.25", "ranksep": "0.3", "bgcolor": "white", "pad": "0.15",
            "fontname": LAYOUT_FONT, "fontsize": "15", "fontcolor": INK, "labelloc": "t",
            **({"label": plain(clean(title))} if title else {}),
            **(_QUICK if len(program.operations) > _LARGE else {}),
        },
        node_attr={
            "shape": "box", "style": "rounded,filled", "fontname": LAYOUT_FONT, "fontsize": "11",
            "fontcolor": INK, "margin": "0.14,0.07", "height": "0.3",
        },
        edge_attr={"color": EDGE, "arrowsize": "0.7", "fontname": LAYOUT_FONT, "fontsize": "9"},
    )
    for number, segment in enumerate(program.segments, 1):
        boxes = _boxes(segment)
        if not boxes:
            continue
        with graph.subgraph(name=f"cluster_{number}") as cluster:
            loop = _KINDS["loop"]
            cluster.attr(
                label=plain(segment.when), labeljust="l", style="rounded,filled", fontsize="12", margin="10",
                color=loop.border if segment.loop else CLUSTER_BORDER, fontcolor=FAINT,
                fillcolor=loop.fill if segment.loop else CLUSTER_FILL,
            )
            for box in boxes:
                family = _KINDS[_kind(box[0])]
                lines = _lines(box)
                cluster.node(
                    _key(box), label=plain("\n".join(lines)), id=_key(box),
                    fillcolor=family.fill, color=family.border,
                    width=f"{max(map(len, lines)) * 0.085 + 0.3:.2f}",
                )
    for edge in drawn_edges(program):
        later = {"style": "dashed", "color": _KINDS["loop"].border, "constraint": "false"}
        graph.edge(f"o{edge.source}", f"o{edge.target}", **(later if edge.later else {}))
    return graph.source


def plan_svg(svg: str, program: PlanProgram, title: str = "") -> str:
    """Return ``svg``, what Graphviz made of the program's source, with looks, tooltips and a legend."""
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(svg.encode("utf-8"))
    for text in root.iter(f"{_SVG}text"):
        text.set("font-family", FONT_FAMILY)
    drawing = root.find(f"{_SVG}g")
    assert drawing is not None, "Graphviz always draws one group"
    boxes = {_key(box): box for segment in program.segments for box in _boxes(segment)}
    edges = iter(drawn_edges(program))
    for group in drawing.findall(f"{_SVG}g"):
        heading = group.find(f"{_SVG}title")
        assert heading is not None, "Graphviz gives everything a title"
        texts = group.findall(f".//{_SVG}text")
        if group.get("class") == "node":
            heading.text = "\n".join(map(_tooltip, boxes[group.get("id", "")]))
            texts[0].set("font-weight", "bold")
            if boxes[group.get("id", "")][0].kind != "gradient":
                texts[-1].set("fill", FAINT)
                texts[-1].set("font-size", str(SMALL_SIZE))
        elif group.get("class") == "edge":
            edge = next(edges)
            heading.text = edge.value + (", fed back" if edge.later else "")
        else:
            heading.text = texts[0].text if texts else ""
    heading = drawing.find(f"{_SVG}title")
    if heading is not None:
        heading.text = clean(title) or program.name
    kinds = [_kind(box[0]) for box in boxes.values()]
    kinds += ["loop" for segment in program.segments if segment.loop]
    add_legend(root, drawing, Picture(title, [], []), [(k, _KINDS[k]) for k in _KINDS if k in kinds])
    root.set("role", "img")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def drawn_edges(program: PlanProgram) -> list[PlanEdge]:
    """Return the edges between boxes, by the first operation of each; windows are looked through."""
    first = {
        operation.number: box[0].number
        for segment in program.segments for box in _boxes(segment) for operation in box
    }
    windows = {operation.number for operation in program.operations if operation.kind == "window"}
    into: dict[int, list[PlanEdge]] = {}
    for edge in program.edges:
        into.setdefault(edge.target, []).append(edge)

    def sources(edge: PlanEdge) -> list[PlanEdge]:
        if edge.source not in windows:
            return [edge]
        return [
            PlanEdge(found.source, edge.target, edge.value, found.later or edge.later)
            for before in into.get(edge.source, []) for found in sources(before)
        ]

    drawn: dict[tuple[int, int, bool], PlanEdge] = {}
    for edge in program.edges:
        for found in sources(edge) if edge.target not in windows else []:
            key = (first[found.source], first[found.target], found.later)
            names = drawn[key].value.split(", ") if key in drawn else []
            drawn[key] = PlanEdge(*key[:2], ", ".join(dict.fromkeys([*names, found.value])), found.later)
    return list(drawn.values())


def _boxes(segment: PlanSegment) -> list[list[PlanOperation]]:
    """Return the operations of each box: one, or all that add to gradients."""
    sums = [operation for operation in segment.operations if operation.kind == "gradient"]
    others = [each for each in segment.operations if each.kind not in ("window", "gradient")]
    return [*([each] for each in others), *([sums] if sums else [])]


def _key(box: list[PlanOperation]) -> str:
    return f"o{box[0].number}"


def _kind(operation: PlanOperation) -> str:
    if operation.kind in _KINDS:
        return operation.kind
    primitive = PRIMITIVES.get(operation.kind)
    return "elementwise" if primitive is not None and primitive.elementwise else "other"


def _lines(box: list[PlanOperation]) -> list[str]:
    """Return what a box says: a heading, the nodes or the formula, the shape."""
    operation = box[0]
    if operation.kind == "gradient":
        formulas = [line for each in box for line in textwrap.wrap(each.formulas[0], 2 * _WIDTH)]
        return [clean(line) for line in ("gradients of parameters", *formulas)]
    if operation.kind == "one pass":
        heading, words = "one pass", ", ".join(operation.nodes) or " ".join(operation.formulas)
    else:
        made, sign, how = operation.formulas[0].partition(" = ")
        heading, words = (made, f"= {how}") if sign else (operation.kind, made)
    shape = "x".join(map(str, operation.shape)) or "a number"
    return [clean(line) for line in (heading, *textwrap.wrap(words, _WIDTH), shape)]


def _tooltip(operation: PlanOperation) -> str:
    lines = list(operation.formulas)
    if operation.nodes:
        lines.append(f"nodes: {', '.join(operation.nodes)}")
    if operation.reads or operation.writes:
        lines.append(f"reads buffers {operation.reads}, writes {operation.writes}")
    if operation.native is not None:
        lines.append("native code" if operation.native else "NumPy")
    return clean("\n".join(lines))
