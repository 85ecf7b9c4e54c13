"""The public calls: ``dot`` and ``draw`` write pictures, ``draw_failure`` one of a failed pass."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Optional, Union

from minigraph.debug.trace import Trace
from minigraph.drawing.build import build_picture
from minigraph.drawing.finish import finish_svg
from minigraph.drawing.picture import Numbers, Picture, Values, ValuesOf, is_backward
from minigraph.drawing.source import dot_source
from minigraph.drawing.svg import render_svg
from minigraph.errors import DrawingError
from minigraph.graph import Graph, Node, NodeData
from minigraph.nn.gmodule import gModule

PathLike = Union[str, "os.PathLike[str]"]


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
    return _write(Path(f"{base}.svg"), finish_svg(render_svg(source), picture))


def draw(what: Any, path: PathLike, backward: bool = False, title: str = "") -> Path:
    """Write the picture of a network, a graph or a trace and return its path.

    ``path`` ends in ``.svg`` (the picture) or ``.dot`` (its source for Graphviz). ``backward``
    turns the arrows the way the gradients go and shows the gradients' shapes; a trace is
    always drawn so, with the norm of each contribution on its edge and the norms of the sums
    at the nodes. After a forward pass the nodes of a network show their shapes. Raises
    ``DrawingError`` for another ending, something that is no graph, or no Graphviz.
    """
    target = Path(path)
    if target.suffix not in (".svg", ".dot"):
        raise DrawingError(
            f"cannot draw '{target}': the path must end in .svg (a picture) or .dot (Graphviz source)"
        )
    picture = picture_of(what, title, backward)
    source = dot_source(picture)
    if target.suffix == ".dot":
        return _write(target, source)
    return _write(target, finish_svg(render_svg(source), picture))


def svg_of(what: Any, title: str = "", backward: bool = False) -> str:
    """Return the picture of a network, a graph or a trace as SVG text."""
    picture = picture_of(what, title, backward)
    return finish_svg(render_svg(dot_source(picture)), picture)


def picture_of(what: Any, title: str = "", backward: bool = False) -> Picture:
    """Return the picture, as data, of a network, a graph or a trace."""
    if isinstance(what, Graph):
        return build_picture(what, title, backward or is_backward(what))
    if isinstance(what, gModule):
        return build_picture(what.fg, title or _name(what), backward, values_of_network(what))
    if isinstance(what, Trace):
        return build_picture(
            what.net.fg, title or _name(what.net), True, _values_of_trace(what), _numbers_of_trace(what)
        )
    raise DrawingError(
        f"cannot draw {type(what).__name__}: expected a gModule, its graph (net.fg) or a trace"
    )


def values_of_network(net: gModule) -> ValuesOf:
    """Return what looks up a node's output and gradient of the last passes of ``net``."""

    def values(node: Node) -> Values:
        state = net.nodeState(node)
        return Values(state.output, state.gradOutput)

    return values


def _values_of_trace(trace: Trace) -> ValuesOf:
    """Return what looks up outputs in the network and gradients in what the trace recorded."""
    evaluated = values_of_network(trace.net)
    recorded = {each.node.id: each.value for each in trace.nodes}
    return lambda node: Values(evaluated(node).output, recorded.get(node.id))


def _numbers_of_trace(trace: Trace) -> Numbers:
    """Return the norms that a trace recorded; a gradient that is ``None`` counts as zero."""
    return Numbers(
        {
            (each.consumer.id, each.slot): each.norm or 0.0
            for visited in trace.nodes
            for each in visited.passed_on
        },
        {visited.node.id: visited.norm or 0.0 for visited in trace.nodes},
    )


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
    picture = build_picture(net.fg, _name(net), False, _values_before(net, node), None, node, caption)
    return _write(target, finish_svg(render_svg(dot_source(picture)), picture))


def _values_before(net: gModule, node: Optional[Node]) -> ValuesOf:
    """Return what looks up values, without those that a broken forward left from another pass."""
    late: set[NodeData] = set()
    if node is not None and not net._ready:
        late = {other.data for other in net.forwardnodes[net._places[node.data] :]}
    evaluated = values_of_network(net)
    return lambda other: Values() if other.data in late else evaluated(other)


def failure_path(net: gModule, folder: PathLike = ".") -> Path:
    """Return a path in ``folder`` that does not exist yet, named as nngraph's debug mode does."""
    base = _file_name(_name(net)) or f"nngraph_{net.nInputs}in_{net.nOutputs}out"
    path = Path(folder) / f"{base}.svg"
    number = 1
    while path.exists():
        number += 1
        path = Path(folder) / f"{base}_{number}.svg"
    return path


def _name(net: gModule) -> str:
    return str(getattr(net, "name", None) or "")


def _file_name(title: str) -> str:
    """Return a file name that says ``title`` on any system; ``''`` where nothing is left."""
    return re.sub(r"[^\w.\- ]+", "_", title).strip(". ")[:100]


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise DrawingError(f"cannot write '{path}': {error.strerror or error}") from error
    return path
