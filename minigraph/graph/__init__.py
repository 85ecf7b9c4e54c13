"""Graphs of nodes: wiring, order and names. Nothing here knows what a module computes."""

from minigraph.graph.graph import Edge, Graph
from minigraph.graph.network import Network
from minigraph.graph.node import (
    Node,
    NodeData,
    annotateNodes,
    check_nodes,
    expecting_node_message,
    shown,
)

__all__ = [
    "Edge", "Graph", "Network", "Node", "NodeData", "annotateNodes", "check_nodes",
    "expecting_node_message", "shown",
]


def __dir__() -> list[str]:
    return __all__
