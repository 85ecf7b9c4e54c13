"""The picture of the architecture page: the rooms of the package and what imports what.

The arrows are read from the import statements, so that the picture shows the house as it is.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import networkx

from minigraph.drawing.style import FONT_FAMILY, INK, LAYOUT_FONT
from minigraph.drawing.svg import render_svg

PACKAGE = Path(__file__).resolve().parent.parent / "minigraph"

#: What is said of each room, and its storey: the colour of its box.
IDEAS = {
    "errors": ("errors that teach", "ground"),
    "tensors": ("default type, buffers", "ground"),
    "tables": ("nested tables", "ground"),
    "nesting": ("what is nested too deeply", "ground"),
    "memory": ("who owns an array", "ground"),
    "random": ("Torch7's random stream", "ground"),
    "graph": ("nodes, edges, order", "ground"),
    "nn": ("modules, criterions,\nand gModule, the engine", "engine"),
    "rnn": ("cells, Unroll", "engine"),
    "optim": ("Torch's optimisers", "engine"),
    "compiler": ("plans, passes, kernels", "engine"),
    "debug": ("tables, trace, gradcheck", "tools"),
    "drawing": ("pictures and pages", "tools"),
    "files": (".t7, native files", "tools"),
    "interop": ("PyTorch, ONNX, GraphML", "tools"),
    "setdebug": ("the debug mode", "tools"),
    "notebook": ("what Jupyter shows", "tools"),
    "text": ("the language model", "top"),
    "cli": ("the command line", "top"),
}
_COLOURS = {
    "ground": ("#eef0f3", "#77818d"), "engine": ("#dbeafe", "#3b76c4"), "tools": ("#dcf3dc", "#46924a"),
    "top": ("#ffe9cc", "#c77b1b"), "": ("#ffffff", "#77818d"),
}


def imports() -> networkx.DiGraph:
    """Return the graph of the rooms, an edge for each room that another imports from."""
    graph = networkx.DiGraph()
    paths = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"]
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in paths}
    graph.add_nodes_from(sorted(rooms))
    for path in paths:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("minigraph"):
                inside = (statement.module or "").split(".")[1:2]
                names = inside or [alias.name for alias in statement.names]
                graph.add_edges_from((room, name) for name in sorted(names) if name in rooms - {room})
    return graph


def dot() -> str:
    """Return the picture as Graphviz source; an import that another path implies is left out."""
    graph = imports()
    lines = [
        'digraph rooms { rankdir=TB; nodesep=0.25; ranksep=0.45; bgcolor=white;',
        f'node [shape=box, style="filled,rounded", fontname="{LAYOUT_FONT}", fontsize=11];',
        f'node [fontcolor="{INK}"];',
        'edge [color="#66717d", arrowsize=0.7];',
    ]
    for room in graph:
        idea, storey = IDEAS.get(room, ("", ""))
        fill, border = _COLOURS[storey]
        label = "\\n".join([room, *idea.splitlines()])
        lines.append(f'"{room}" [label="{label}", fillcolor="{fill}", color="{border}"];')
    # ``errors`` is imported by all: arrows to it would say nothing and hide the others.
    shown = networkx.transitive_reduction(graph.subgraph(set(graph) - {"errors"}))
    lines += [f'"{source}" -> "{target}";' for source, target in sorted(shown.edges)]
    floor = [room for room in shown if not shown.out_degree(room)]
    lines += [f'"{room}" -> errors [style=dotted, arrowhead=none];' for room in sorted(floor)]
    return "\n".join([*lines, "}"])


def draw(path: Path) -> None:
    """Write the picture as SVG."""
    svg = render_svg(dot()).replace(f'font-family="{LAYOUT_FONT}', f'font-family="{FONT_FAMILY}')
    # The Graphviz at hand reads no HTML labels, and so knows no bold: the first line is a room's name.
    svg = re.sub(r'(class="node">.*?<text )', r'\1font-weight="bold" ', svg, flags=re.S)
    path.write_text(svg, encoding="utf-8", newline="\n")
