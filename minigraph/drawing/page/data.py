"""A network as plain data for the page: the records of ``records``."""

from __future__ import annotations

from typing import Iterable, Optional, Sequence, Union, cast

from minigraph.debug.names import module_text, named_parameters
from minigraph.drawing.legend import legend_entries
from minigraph.drawing.page.module_words import arguments_of, contents_of
from minigraph.drawing.page.records import PageData
from minigraph.drawing.page.records.graph import Described, EdgeData, GraphData, NodeData, Role
from minigraph.drawing.page.records.traces import TraceData
from minigraph.drawing.page.records.values import value_data
from minigraph.drawing.page.tables import table_rows
from minigraph.drawing.picture import Picture, PictureEdge, ValuesOf, forward_edges
from minigraph.drawing.words import clean
from minigraph.graph import Edge, Graph, Node
from minigraph.nn.gmodule import gModule


def page_data(
    what: Union[gModule, Graph], picture: Picture, values: ValuesOf, traces: Sequence[TraceData] = ()
) -> PageData:
    """Return the page's data for a network (or a graph alone, whose tables are not known).

    ``picture`` is the one that the page shows, ``values`` looks up each node's output and
    gradient, ``traces`` is passed on as it is.
    """
    return {
        "title": picture.title or "graph",
        "graph": _graph_data(what, picture, values),
        "traces": list(traces),
        "inner": {},
    }


def _graph_data(what: Union[gModule, Graph], picture: Picture, values: ValuesOf) -> GraphData:
    net = what if isinstance(what, gModule) else None
    graph = what.fg if isinstance(what, gModule) else what
    nodes = sorted(graph.nodes, key=lambda node: node.id)
    edges = forward_edges(graph)
    boxes = _boxes(picture, edges)
    backward = {} if net is None else {node.data: i for i, node in enumerate(net.backwardnodes, 1)}
    forward = {} if net is None else {node.data: i for i, node in enumerate(net.forwardnodes, 1)}
    drawn = {node.id: node for node in picture.nodes}
    records: list[NodeData] = []
    for node in nodes:
        known = values(node)
        box = boxes.get(node.id, node.id)
        shown = drawn.get(node.id)
        records.append({
            **_node_data(node),
            "family": (shown or drawn[box]).family,
            "layer": drawn[box].layer,
            "marks": [] if shown is None else shown.marks,
            "box": box,
            "forwardOrder": forward.get(node.data),
            "backwardOrder": backward.get(node.data),
            "output": value_data(known.output),
            "gradOutput": value_data(known.gradOutput),
        })
    return {
        "name": "" if net is None else clean(getattr(net, "name", None) or ""),
        "inputs": None if net is None else net.nInputs,
        "outputs": None if net is None else net.nOutputs,
        "parameters": _count(nodes, net),
        "ran": {
            "forward": any(record["output"] for record in records),
            "backward": any(record["gradOutput"] for record in records),
        },
        "nodes": records,
        "edges": _edges_data(edges, picture),
        "tables": {} if net is None else table_rows(net),
        "families": [{"key": key, "title": family.title} for key, family in legend_entries(picture)],
    }


def _node_data(node: Node) -> Described:
    data = node.data
    notes = dict(node.annotations)
    for shown in ("name", "description", "graphAttributes"):
        notes.pop(shown, None)
    return {
        "id": node.id,
        "name": clean(node.name),
        "label": clean(_label(node)),
        "role": cast(Role, data.role or "module"),
        "type": "" if data.module is None else clean(data.module.typename().removeprefix("nn.")),
        "module": clean(module_text(node)),
        "text": "" if data.module is None else clean(contents_of(data.module)),
        "arguments": [] if data.module is None else arguments_of(data.module),
        "location": clean(node.location),
        "description": clean(node.annotations.get("description") or ""),
        "notes": {clean(key): clean(value) for key, value in notes.items()},
        "entry": data.selectindex,
        "parameters": [] if data.module is None else [
            {
                "name": clean(parameter.name),
                "value": value_data(parameter.value),
                "gradient": value_data(parameter.gradient()) if parameter.gradients else None,
            }
            for parameter in named_parameters(data.module)
        ],
    }


def _label(node: Node) -> str:
    """Return the name, or what a helper node is in words."""
    data = node.data
    if node.name or data.module is not None:
        return node.title()
    if data.role in ("in", "out"):
        return f"{data.role}put"
    whole = data.mapindex[0]
    if data.role == "split":
        return f"split of {_label(Node(whole))}"
    source = whole.mapindex[0] if whole.role == "split" else whole
    return f"entry {data.selectindex} of {_label(Node(source))}"


def _boxes(picture: Picture, edges: Iterable[Edge]) -> dict[int, int]:
    """Return the box of every node: its own, or the one whose cell (or split) it became."""
    boxes = {node.id: node.id for node in picture.nodes}
    for node in picture.nodes:
        boxes.update({cell.id: node.id for cell in node.below})
    for edge in edges:
        if edge.source.id not in boxes and edge.target.id in boxes:
            boxes[edge.source.id] = boxes[edge.target.id]  # a split, by its parts
    return boxes


def _edges_data(edges: Iterable[Edge], picture: Picture) -> list[EdgeData]:
    lines: dict[tuple[int, int], list[tuple[int, PictureEdge]]] = {}
    for position, line in enumerate(picture.edges):
        lines.setdefault(line.ends, []).append((position, line))
    found: list[EdgeData] = []
    for edge in edges:
        parallel = lines.get((edge.source.id, edge.target.id), [])
        element = f"edge{parallel.pop(0)[0]}" if parallel else None
        found.append({
            "source": edge.source.id, "target": edge.target.id, "slot": edge.slot + 1, "element": element,
        })
    return found


def _count(nodes: Iterable[Node], net: Optional[gModule]) -> int:
    if net is not None:
        return sum(parameter.value.size for parameter in named_parameters(net))
    return sum(
        parameter.value.size
        for node in nodes if node.module is not None
        for parameter in named_parameters(node.module)
    )
