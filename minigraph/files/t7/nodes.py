"""nngraph's nodes, edges and graphs as Torch stores them, from ours.

Source: https://github.com/torch/nngraph (node.lua, gmodule.lua), https://github.com/torch/graph
"""

from __future__ import annotations

import re
from typing import Any, Union

from minigraph.files.t7.repeats import has_repeats, without_repeats
from minigraph.files.t7.values import Key
from minigraph.graph import Edge, Graph, Node, NodeData
from minigraph.graph.network import Network
from minigraph.nn import gModule

# What nngraph writes at the split that it puts behind several inputs.
_INPUTS_SPLIT = "[[C]]:-1_ split at [torch/share/nngraph/gmodule.lua]:96-mnode"
_LOCATION = re.compile(r"^(.*?):(-?\d+)")


class NodeWriter:
    """Makes the tables of nodes; those of one node are made once."""

    def __init__(self) -> None:
        self._tables: dict[NodeData, dict[Any, Any]] = {}
        self._filled: set[NodeData] = set()
        self._numbers: dict[int, int] = {}
        self._repeated: dict[int, tuple[Network, list[Any], gModule]] = {}

    def identity(self, value: Any) -> Any:
        """Return what is equal for two values only if they are one object in the file."""
        if isinstance(value, Edge):
            return ("edge", id(value))
        return id(value)

    def fields(self, value: Union[Node, Graph, Edge]) -> tuple[str, dict[str, Any]]:
        """Return the class name and fields of a node, a graph or an edge."""
        if isinstance(value, Edge):
            return "graph.Edge", {"from": value.source, "to": value.target}
        if isinstance(value, Graph):
            self._wire(value)
            return "graph.Graph", {"nodes": _indexed(value.nodes), "edges": _indexed(value.edges)}
        return "nngraph.Node", {
            "data": self._data(value.data), "children": _indexed(value.children),
            "id": self._numbers.get(id(value), value.id), "visited": False, "marked": False,
        }

    def network(self, net: gModule) -> dict[str, Any]:
        """Return the fields of a gModule that tell how its modules are wired.

        A node that takes the same node twice, which nngraph cannot say, takes an ``nn.Identity`` of
        it the second time.
        """
        network, modules = self._network(net)
        self._wire(network.bg, forward=False)
        self._wire(network.fg)
        for node in network.forwardnodes:
            self._table(node.data)["forwardNodeId"] = node.id
        return {
            "fg": network.fg, "bg": network.bg, "forwardnodes": list(network.forwardnodes),
            "backwardnodes": list(network.backwardnodes), "innode": network.forwardnodes[0],
            "outnode": network.backwardnodes[0], "nInputs": net.nInputs, "verbose": False,
            "modules": modules,
        }

    def _network(self, net: gModule) -> tuple[Network, list[Any]]:
        """Return what is written of a network: its nodes and their modules, the same each time."""
        if not has_repeats(net._network):
            return net._network, net.modules
        if id(net) not in self._repeated:
            network = without_repeats(net._network, net._type)
            modules = [node.module for node in network.forwardnodes if node.module is not None]
            self._repeated[id(net)] = (network, modules, net)
        return self._repeated[id(net)][:2]

    def _wire(self, graph: Graph, forward: bool = True) -> None:
        """Number a graph's nodes; of a backward graph, take ``mapindex`` and ``reverseMap`` too."""
        for number, node in enumerate(graph.nodes, 1):
            self._numbers[id(node)] = number
            table = self._data(node.data)
            if forward or node.data in self._filled:
                continue
            self._filled.add(node.data)
            table["mapindex"] = _indexed([self._table(child.data) for child in node.children])
            for child in node.children:
                self._table(child.data)["reverseMap"][Key(node)] = True

    def _data(self, data: NodeData) -> dict[Any, Any]:
        """Return the table of a node's data, with what it was built from unless that is known better."""
        table = self._table(data)
        waiting = [data]
        while waiting:
            data = waiting.pop()
            inner = self._table(data)
            if data.mapindex and not inner["mapindex"]:
                inner["mapindex"] = _indexed([self._table(source) for source in data.mapindex])
                waiting += data.mapindex
        return table

    def _table(self, data: NodeData) -> dict[Any, Any]:
        """Return the table of a node's data, the same each time."""
        table = self._tables.get(data)
        if table is None:
            table = self._tables[data] = {
                "annotations": {**data.annotations, "_debugLabel": _label(data)},
                "mapindex": {}, "reverseMap": {},
            }
            for name in ("module", "nSplitOutputs", "selectindex"):
                if getattr(data, name) is not None:
                    table[name] = getattr(data, name)
            if data.role in ("in", "out", "select"):
                table["input"] = {}
        return table


def _indexed(values: list[Any]) -> dict[Any, Any]:
    """Return nngraph's list: the values by number, and the number by value."""
    table: dict[Any, Any] = {}
    for value in values:
        if Key(value) not in table:
            number = len(table) // 2 + 1
            table[number] = value
            table[Key(value)] = number
    return table


def _label(data: NodeData) -> str:
    """Return ``_debugLabel``, ``[file]:line_``, and what nngraph adds for the parts of a split."""
    match = _LOCATION.match(data.location)
    label = f"[{match[1]}]:{match[2]}_" if match else "[[C]]:-1_"
    if data.role == "split" and data.mapindex and data.mapindex[0].role == "in":
        return _INPUTS_SPLIT
    if data.role == "split":
        return f"{label} split at {label[:-1]}-mnode"
    return f"{label}-{data.selectindex}" if data.role == "select" else label
