"""The four tables of a network for the page: the node of each slot, and the way to it."""

from __future__ import annotations

from typing import Optional

from minigraph.debug.structure import output_nodes
from minigraph.debug.tables import MIRRORS, TableRow, tables
from minigraph.drawing.page.records.graph import Row, Tables
from minigraph.drawing.words import clean
from minigraph.graph import NodeData
from minigraph.nn.gmodule import gModule
from minigraph.nn.identity import Identity


def table_rows(net: gModule) -> Tables:
    """Return the rows of ``debug.tables`` by table, each with its ``chain``.

    A chain lists the ids of the nodes that a value passes on its way from the network's
    input to the node that a slot belongs to, or from that node to the network's output.
    """
    report = tables(net)
    ids = {node.data: node.id for node in net.forwardnodes}
    rows = {name: [_row(net, row, ids) for row in report.table(name)] for name in MIRRORS}
    return {
        "input": rows["input"], "output": rows["output"],
        "gradOutput": rows["gradOutput"], "gradInput": rows["gradInput"],
    }


def _row(net: gModule, row: TableRow, ids: dict[NodeData, int]) -> Row:
    chain = _from_input(net, row) if row.table in ("input", "gradInput") else _to_output(net, row)
    return {
        "path": row.path,
        "python": row.python_path,
        "depth": len(row.position),
        "node": row.node_id,
        "label": clean(row.node),
        "module": clean(row.module),
        "shape": None if row.shape is None else [int(size) for size in row.shape],
        "entries": row.entries,
        "dtype": row.dtype,
        "mirrors": row.mirrors,
        "chain": [ids[data] for data in chain],
    }


def _from_input(net: gModule, row: TableRow) -> list[NodeData]:
    """Return the way from the network's input to the row's node, which has one producer at a time."""
    producers = {node.data: node.children for node in net.bg.nodes}
    way = [next(node.data for node in net.forwardnodes if node.id == row.node_id)]
    while producers[way[0]]:
        way.insert(0, producers[way[0]][0].data)
    return way


def _to_output(net: gModule, row: TableRow) -> list[NodeData]:
    """Return the way from the row's node to the network's output, entry by entry of the tables."""
    way = [next(node.data for node in net.backwardnodes if node.data.role == "out")]
    position = row.position
    if net.nOutputs > 1:
        way.append(output_nodes(net)[position[0]].data)
        position = position[1:]
    else:
        way.append(output_nodes(net)[0].data)
    while position:
        step = _one_back(way[-1], position)
        if step is None:
            break
        way.append(step[0])
        position = step[1]
    return way[::-1]


def _one_back(data: NodeData, position: tuple[int, ...]) -> Optional[tuple[NodeData, tuple[int, ...]]]:
    """Return the input of a node that passes on an entry, and the entry's position there."""
    if data.module is not None and not isinstance(data.module, Identity):
        return None
    if len(data.mapindex) > 1:
        if position[0] >= len(data.mapindex):
            return None
        return data.mapindex[position[0]], position[1:]
    if len(data.mapindex) == 1:
        if data.selectindex is not None:
            return data.mapindex[0], (data.selectindex - 1, *position)
        return data.mapindex[0], position
    return None
