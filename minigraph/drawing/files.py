"""The public calls: ``dot`` and ``draw`` write pictures, ``draw_failure`` one of a failed pass."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Optional, Union

from minigraph.compiler.report import PlanProgram
from minigraph.drawing.build import build_picture
from minigraph.drawing.page import page_of
from minigraph.drawing.picture import Values, ValuesOf
from minigraph.drawing.plan import plan_source, plan_svg, program_of
from minigraph.drawing.source import dot_source
from minigraph.drawing.subject import name_of, picture_of, values_of_network
from minigraph.drawing.svg import render_svg
from minigraph.drawing.svg_labels import labelled_svg
from minigraph.errors import DrawingError
from minigraph.files.atomic import write_text
from minigraph.graph import Graph, Node, NodeData
from minigraph.nesting import retold
from minigraph.nn.gmodule import gModule

PathLike = Union[str, "os.PathLike[str]"]


@retold
def dot(graph: Union[Graph, gModule], title: str = "", name: Optional[PathLike] = None) -> Path:
    """Write ``name.dot`` and ``name.svg`` of a graph (``net.fg``, ``net.bg``) or a network.

    Without ``name`` the files are named after the title. Missing folders are made. Returns
    the path of the SVG. Raises ``DrawingError`` where there
    is no Graphviz to lay the graph out (the ``.dot`` file is written all the same).
    Source: https://github.com/torch/graph/blob/master/graphviz.lua
    """
    picture = picture_of(graph, title)
    source = dot_source(picture)
    base = (_file_name(title) or "graph") if name is None else os.fspath(name)
    _write(Path(f"{base}.dot"), source)
    return _write(Path(f"{base}.svg"), labelled_svg(render_svg(source), picture))


@retold
def draw(what: Any, path: PathLike, backward: bool = False, title: str = "") -> Path:
    """Write the picture of a network, a graph or a trace and return its path.

    Two traces in a list are compared side by side, in a page. Of a compiled network (or its ``plan()``)
    the program of the last pass is drawn, with ``backward`` the one for the gradients.

    ``path`` ends in ``.svg`` (the picture), ``.html`` (the interactive page, one file that needs
    nothing else) or ``.dot`` (the picture's source for Graphviz). ``backward`` turns the arrows
    the way the gradients go and shows the gradients' shapes (the page opens so, and shows both);
    a trace is always drawn so, with the norm of each contribution on its edge and the norms of
    the sums at the nodes. After a forward pass the nodes of a network show their shapes. Raises
    ``DrawingError`` for another ending, something that is no graph, or no Graphviz.
    """
    target = Path(path)
    if target.suffix not in (".svg", ".html", ".dot"):
        raise DrawingError(
            f"cannot draw '{target}': the path must end in .svg (a picture), .html (the interactive page) "
            "or .dot (Graphviz source)"
        )
    program = program_of(what, backward)
    if program is not None:
        return _write_plan(program, target, title)
    if target.suffix == ".html":
        return _write(target, page_of(what, title, backward))
    picture = picture_of(what, title, backward)
    source = dot_source(picture)
    if target.suffix == ".dot":
        return _write(target, source)
    return _write(target, labelled_svg(render_svg(source), picture))


def _write_plan(program: PlanProgram, target: Path, title: str) -> Path:
    if target.suffix == ".html":
        raise DrawingError(f"cannot draw '{target}': a plan has no interactive page, only .svg and .dot")
    source = plan_source(program, title)
    return _write(target, source if target.suffix == ".dot" else plan_svg(render_svg(source), program, title))


def svg_of(what: Any, title: str = "", backward: bool = False) -> str:
    """Return the picture of a network, a graph or a trace as SVG text."""
    picture = picture_of(what, title, backward)
    return labelled_svg(render_svg(dot_source(picture)), picture)


def draw_failure(
    net: gModule,
    node: Optional[Node],
    path: Optional[PathLike] = None,
    error: Optional[BaseException] = None,
) -> Path:
    """Write the forward graph with the failing ``node`` in red and return the path of the SVG.

    Without ``path`` the file is named as nngraph does: ``<net.name>.svg`` or
    ``nngraph_{n}in_{m}out.svg`` in the current directory, or with a number appended where
    that exists. ``error``, if given, is written below the graph. Shapes are those of the
    nodes that were evaluated before the failing one, or of all after a complete forward.
    """
    target = failure_path(net) if path is None else Path(path)
    caption = "" if error is None else f"{type(error).__name__}: {error}"
    picture = build_picture(net.fg, name_of(net), False, _values_before(net, node), None, node, caption)
    return _write(target, labelled_svg(render_svg(dot_source(picture)), picture))


def _values_before(net: gModule, node: Optional[Node]) -> ValuesOf:
    """Return what looks up values, without those that a broken forward left from another pass."""
    late: set[NodeData] = set()
    if node is not None and not net.evaluated:
        order = [other.data for other in net.forwardnodes]
        late = set(order[order.index(node.data) :])
    evaluated = values_of_network(net)
    return lambda other: Values() if other.data in late else evaluated(other)


def failure_path(net: gModule, folder: PathLike = ".") -> Path:
    """Return a path in ``folder`` that does not exist yet, named as nngraph's debug mode does."""
    base = _file_name(name_of(net)) or f"nngraph_{net.nInputs}in_{net.nOutputs}out"
    path = Path(folder) / f"{base}.svg"
    number = 1
    while path.exists():
        number += 1
        path = Path(folder) / f"{base}_{number}.svg"
    return path


def _file_name(title: str) -> str:
    """Return a file name that says ``title`` on any system; ``''`` where nothing is left."""
    return re.sub(r"[^\w.\- ]+", "_", title).strip(". ")[:100]


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise DrawingError(f"cannot write '{path}': {error.strerror or error}") from error
    return path
