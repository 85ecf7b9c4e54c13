"""Graphs: nodes and edges in the order in which nngraph finds them, and its sorting.

The order of nodes and edges decides the order of execution, and with it the order in which
gradients are summed; it is therefore part of what this package promises.

Source: https://github.com/torch/graph/blob/master/Graph.lua
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Sequence

from minigraph.errors import GraphError
from minigraph.graph.node import Node, NodeData

if TYPE_CHECKING:
    import networkx as nx


class Edge(NamedTuple):
    """A connection from ``source`` to ``target``; ``slot`` is its 0-based place at the consumer."""

    source: Node
    target: Node
    slot: int


class Graph:
    """A directed graph with nodes numbered from 1 in the order in which edges name them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self._view: dict[NodeData, Node] = {}

    def view(self, data: NodeData) -> Node:
        """Return this graph's node of ``data``, made (and numbered) on first use."""
        node = self._view.get(data)
        if node is None:
            node = self._view[data] = Node(data)
            self.nodes.append(node)
            node.id = len(self.nodes)
        return node

    def add(self, source: NodeData, target: NodeData, slot: int) -> None:
        """Add an edge, and its two nodes where they are new."""
        edge = Edge(self.view(source), self.view(target), slot)
        self.edges.append(edge)
        edge.source.children.append(edge.target)

    @classmethod
    def from_root(cls, root: Node, inputs_of: Callable[[Node], Sequence[Node]]) -> "Graph":
        """Return the graph that is reached from ``root``, breadth first, over ``inputs_of``."""
        graph = cls()
        queue = [root]
        seen = {root.data}
        for node in queue:
            for slot, child in enumerate(inputs_of(node)):
                graph.add(node.data, child.data, slot)
                if child.data not in seen:
                    seen.add(child.data)
                    queue.append(child)
        return graph

    def reverse(self) -> "Graph":
        """Return the graph with every edge turned round, its nodes numbered anew."""
        graph = Graph()
        for edge in self.edges:
            graph.add(edge.target.data, edge.source.data, edge.slot)
        return graph

    def roots(self) -> list[Node]:
        """Return the nodes that no edge enters, in order."""
        entered = {edge.target.data for edge in self.edges}
        return [node for node in self.nodes if node.data not in entered]

    def topsort(self) -> list[Node]:
        """Return the nodes in nngraph's order: depth first on the reversed graph.

        Raises ``GraphError`` naming the nodes of a cycle.
        """
        self._check_cycles()
        backwards = self.reverse()
        order: list[Node] = []
        seen: set[NodeData] = set()
        for start in backwards.roots():
            seen.add(start.data)
            stack = [(start, iter(start.children))]
            while stack:
                node, children = stack[-1]
                for child in children:
                    if child.data not in seen:
                        seen.add(child.data)
                        stack.append((child, iter(child.children)))
                        break
                else:
                    stack.pop()
                    order.append(self.view(node.data))
        return order

    def _check_cycles(self) -> None:
        sorter: TopologicalSorter[Node] = TopologicalSorter()
        for edge in self.edges:
            sorter.add(edge.target, edge.source)
        try:
            sorter.prepare()
        except CycleError as error:
            cycle: list[Node] = error.args[1]
            raise GraphError(
                "the graph has a cycle: "
                + " -> ".join(node.title() for node in cycle)
                + "".join(f"\n  {node.describe()}" for node in cycle[1:])
            ) from None

    def to_networkx(self) -> nx.DiGraph:
        """Return the graph for networkx: keys are node ids, attributes plain values.

        Nodes carry ``name``, ``label``, ``module`` (its type, ``''`` for helper nodes) and
        ``location``; edges carry ``slots``, the 1-based places at the consumer, as text.
        """
        import networkx as nx

        graph = nx.DiGraph()
        for node in self.nodes:
            graph.add_node(
                node.id, name=node.name, label=node.title(), location=node.location,
                module="" if node.module is None else node.module.typename(),
            )
        for edge in self.edges:
            key = (edge.source.id, edge.target.id)
            slots = graph.edges[key]["slots"] + "," if graph.has_edge(*key) else ""
            graph.add_edge(*key, slots=f"{slots}{edge.slot + 1}")
        return graph


def flatten(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Return plain records of ``nodes``, inputs before their consumers, for ``rebuild``.

    A record refers to its inputs by their position in ``nodes``; an input that is not among
    ``nodes`` is left out.
    """
    position = {node.data: i for i, node in enumerate(nodes)}
    return [
        {
            **{name: getattr(node.data, name) for name in _RECORDED},
            "inputs": [position[data] for data in node.data.mapindex if data in position],
        }
        for node in nodes
    ]


def rebuild(records: Sequence[dict[str, Any]]) -> list[Node]:
    """Return new nodes wired as the records of ``flatten`` say."""
    nodes: list[Node] = []
    for record in records:
        data = NodeData()
        for name in _RECORDED:
            setattr(data, name, record[name])
        node = Node(data)
        for position in record["inputs"]:
            node.add(nodes[position])
        nodes.append(node)
    return nodes


_RECORDED = ("module", "nSplitOutputs", "selectindex", "role", "annotations", "location")
