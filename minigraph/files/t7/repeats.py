"""A node that takes the same node twice, in Torch7's terms: with an ``nn.Identity`` in between.

nngraph refuses to pass a node twice to one module, and a network with one output twice. The same
network with an ``nn.Identity`` before the second use gives the same numbers there. These nodes are
marked, so that they go away again when the file is read here.
"""

from __future__ import annotations

from typing import Any

from minigraph.graph import Node, NodeData
from minigraph.graph.network import Network
from minigraph.nn import Identity

#: The annotation of such a node.
MARK = "minigraph_repeats"


def has_repeats(network: Network) -> bool:
    """Tell whether a node of the network takes the same node twice."""
    return any(len(set(node.children)) < len(node.children) for node in network.bg.nodes)


def without_repeats(network: Network, typename: str) -> Network:
    """Return the network over the same nodes with an ``nn.Identity`` of a tensor type for each repeat."""
    records = network.records()
    views = [Node(node.data) for node in network.declared()]
    for view, record in zip(views, records["nodes"]):
        view.children = _once([views[position] for position in record["inputs"]], typename)
    outputs = _once([views[position] for position in records["outputs"]], typename)
    return Network([views[position] for position in records["inputs"]], outputs)


def _once(nodes: list[Node], typename: str) -> list[Node]:
    """Return the nodes, each one that occurs again behind an ``nn.Identity``."""
    listed: list[Node] = []
    for node in nodes:
        if node in listed:
            module = Identity()
            module.type(typename)
            data = NodeData(module, location=node.location)
            data.annotations[MARK] = True
            again = Node(data)
            again.children.append(node)
            data.mapindex.append(node.data)
            node = again
        listed.append(node)
    return listed


def is_repeat(data: NodeData, sources: list[Any]) -> bool:
    """Tell whether a node that was read stands for another use of its only source."""
    return bool(data.annotations.get(MARK)) and len(sources) == 1 and type(data.module) is Identity
