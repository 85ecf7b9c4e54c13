"""Graphs of nodes: wiring, order and names. Nothing here knows what a module computes."""

from minigraph.graph.graph import Edge, Graph, flatten, rebuild
from minigraph.graph.node import (
    Node,
    NodeData,
    annotateNodes,
    check_nodes,
    expecting_node_message,
)

__all__ = [
    "Edge", "Graph", "Node", "NodeData", "annotateNodes", "check_nodes",
    "expecting_node_message", "flatten", "rebuild",
]
