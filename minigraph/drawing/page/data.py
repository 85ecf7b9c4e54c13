"""A network as plain data for the page, and the contract between the page's parts.

**The data** is one JSON object: ``{"title": str, "view": "forward" or
"backward", "graph": {...}, "traces": [...], "inner": {...}}``. Numbers that
are not finite are the texts ``"nan"``, ``"inf"`` and ``"-inf"``; slots and orders count from 1.

``graph``::

    name, inputs, outputs      the network's name and how many inputs and outputs it has
    parameters                 how many numbers its parameters hold, shared ones once
    ran                        {"forward": bool, "backward": bool}: which passes left values
    nodes: [{                  every node of the forward graph, helper nodes too, by id
        id, name, label        label: name, else module or helper
        role                   "module", "in", "out", "split" or "select"
        type, module           "Linear", "nn.Linear(3 -> 12)"
        text                   the whole of a container with what it contains, else ""
        arguments              [{"name": "inputSize", "value": "3"}, ...]
        family, layer, marks   as in the pictures: "weights", "l1", ["state in"]
        location, description  where it was made, what the user wrote about it
        notes                  the user's other annotations, {key: text}
        box                    id of the node whose box in the picture shows this one
        entry                  the entry of a table that a part of a split takes, else null
        forwardOrder, backwardOrder
        output, gradOutput     values (below), null where no pass has left one
        parameters             [{"name": "weight", "value": value, "gradient": value or null}]
    }]
    edges: [{source, target, slot, element}]
                               from producer to consumer; slot: its place at the consumer;
                               element: id of the line in the picture, null where it is folded
    tables: {"input": [row], "output": [row], "gradOutput": [row], "gradInput": [row]}
        row: {path, python, depth, node, label, module, shape, entries, dtype, mirrors, chain}
                               chain: the nodes from the edge of the network to the row's node
    families: [{key, title}]   what occurs in the picture, for the legend

A value is ``null``, ``{"entries": [value, ...]}`` for a table, or for a tensor ``{"shape": [2, 3],
"dtype": "float64", "count", "min", "max", "mean", "std", "norm", "nan", "inf"}`` (``nan`` and
``inf`` count entries; the statistics are those of the finite ones).

``traces`` is a list with what ``recorded`` makes of each ``debug.trace``; the player reads it.
``inner`` has the pages of networks inside nodes, by the node's id, as ``inner.py`` makes them.

**The front end** is the files of ``front``, which ``html.py`` puts one after the other. Scripts
share one scope, so each keeps its names to itself in a part, which runs once everything is
loaded, in the same order of files::

    page.part("player", () => {
        if (!page.traces.length) return;
        const panel = page.panel({id: "player", title: "Trace", place: "bottom", order: 10});
        panel.element.append(page.h("button", {class: "button", onclick: next}, "Next"));
        page.on("select", (node) => ...);
    });

``page`` offers:

``page.data, page.graph, page.traces``
    the data above.
``page.nodes``
    ``Map`` from id to the node's record, to which the page adds ``element`` (the ``<g>`` of its
    box in the SVG), ``cell`` (a ``<rect>`` where the node is a cell of another's box, else
    null), ``shapes`` (the outlines to paint), ``inputs`` and ``consumers`` (edge records).
``page.edges``
    the edge records; ``line`` is the ``<g>`` in the SVG or null.
``page.view``, ``page.setView("forward" | "backward")``
    which way the arrows point; the layout stays as it is.
``page.selected``, ``page.select(id or null, {center: true})``
    the selected node's record, or null.
``page.selectSlot("gradOutput[2][1]" or null)``
    lights the path of a slot.
``page.mark("active", {nodes: [ids], edges: [records], elements: []})``
    gives exactly these nodes', edges' and other elements the class ``active``; ``page.mark("active")``
    takes it away. Style it in a file of your own. ``page.dim(true)`` fades whatever is not lit
    (class ``lit``).
``page.paint(id, color or null)``
    fills a node's box or cell with a CSS colour; null gives back its own.
``page.inside(id)``, ``page.openInner(id)``
    the networks inside a node; opens the first of them over the page.
``page.reveal([ids])``, ``page.fit()``
    moves the picture so that the nodes, or everything, can be seen.
``page.panel({id, title, place: "side" | "bottom", order, open})``
    a panel: a tab of the side bar, or a strip under the picture. Returns ``{element, show(),
    hide(), shown}``.
``page.key("n", "next step", handler, group)``
    a key (as ``KeyboardEvent.key``, ``"Shift+ArrowLeft"``), listed in the help. Keys do nothing
    while the user types.
``page.tool({id, title, icon, onclick, order})``
    a button in the header.
``page.on(event, handler)``, ``page.emit(event, ...values)``
    events: ``select`` (node or null), ``slot`` (row or null), ``view`` (direction), ``move``
    ({x, y, scale} of the picture), ``theme`` (``"light"`` or ``"dark"``), ``mark`` (class,
    elements), ``paint`` (node), ``ready`` (all parts have run).
``page.h(tag, attributes, ...children)``, ``page.s(...)``
    makes an HTML or an SVG element; ``on…`` attributes are listeners, null children are skipped.
``page.number(value)``, ``page.shape(value)``
    a number with four digits, a value's shape as text.
``page.say(text)``
    tells a screen reader.

Colours are CSS variables (``--ink``, ``--faint``, ``--line``, ``--paper``, ``--panel``,
``--accent``, ``--warning``) with a light and a dark value each. Controls use the classes
``button``, ``quiet`` and ``tabular``.
"""

from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence, Union

from minigraph.debug.names import module_text, named_parameters
from minigraph.drawing.legend import legend_entries
from minigraph.drawing.page.module_words import arguments_of, contents_of
from minigraph.drawing.page.tables import table_rows
from minigraph.drawing.page.values import value_data
from minigraph.drawing.picture import Picture, PictureEdge, ValuesOf, forward_edges
from minigraph.drawing.words import clean
from minigraph.graph import Edge, Graph, Node
from minigraph.nn.gmodule import gModule

Data = dict[str, Any]


def page_data(
    what: Union[gModule, Graph], picture: Picture, values: ValuesOf, traces: Sequence[Data] = ()
) -> Data:
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


def _graph_data(what: Union[gModule, Graph], picture: Picture, values: ValuesOf) -> Data:
    net = what if isinstance(what, gModule) else None
    graph = what.fg if isinstance(what, gModule) else what
    nodes = sorted(graph.nodes, key=lambda node: node.id)
    edges = forward_edges(graph)
    boxes = _boxes(picture, edges)
    backward = {} if net is None else {node.data: i for i, node in enumerate(net.backwardnodes, 1)}
    forward = {} if net is None else {node.data: i for i, node in enumerate(net.forwardnodes, 1)}
    drawn = {node.id: node for node in picture.nodes}
    records = []
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
        "ran": {key: any(record[value] for record in records)
                for key, value in (("forward", "output"), ("backward", "gradOutput"))},
        "nodes": records,
        "edges": _edges_data(edges, picture),
        "tables": {} if net is None else table_rows(net),
        "families": [{"key": key, "title": family.title} for key, family in legend_entries(picture)],
    }


def _node_data(node: Node) -> Data:
    data = node.data
    notes = dict(node.annotations)
    for shown in ("name", "description", "graphAttributes"):
        notes.pop(shown, None)
    return {
        "id": node.id,
        "name": clean(node.name),
        "label": clean(_label(node)),
        "role": data.role or "module",
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


def _edges_data(edges: Iterable[Edge], picture: Picture) -> list[Data]:
    lines: dict[tuple[int, int], list[tuple[int, PictureEdge]]] = {}
    for position, line in enumerate(picture.edges):
        lines.setdefault(line.ends, []).append((position, line))
    found = []
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
