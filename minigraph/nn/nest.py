"""Nodes that hold nested tables.

Source: https://github.com/torch/nngraph/blob/master/nest.lua
"""

from __future__ import annotations

from typing import Any

from minigraph.errors import GraphError
from minigraph.graph import Node, expecting_node_message
from minigraph.nesting import retold
from minigraph.nn.identity import Identity, JustTable


@retold
def nest(*items: Any) -> Node:
    """Return a node whose output is the nested table of these nodes: ``nest(a, [b], c)``.

    One node is returned as it is; one list stands for its entries (``nest([a, b])``), and a
    list of one makes a table of one. Raises ``GraphError`` for anything but nodes and lists
    of them, with its position.
    """
    if not items:
        raise GraphError("nest() needs at least one node")
    whole = items[0] if len(items) == 1 else items
    if isinstance(whole, Node):
        return whole
    if not isinstance(whole, (list, tuple)) or not whole:
        raise GraphError(expecting_node_message(whole, "nest", 0))
    nodes = []
    for position, entry in enumerate(whole):
        if not isinstance(entry, (Node, list, tuple)):
            raise GraphError(expecting_node_message(entry, "nest", position))
        nodes.append(nest(entry))
    if len(nodes) == 1:
        return JustTable()(nodes[0])
    return Identity()(nodes)
